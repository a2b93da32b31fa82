"""The access matrix: which profession may read which class of documents, and which parties are refused.

May live here: `profiles/dmp/access-matrix.json` as predicates, compiled once. May not know: the holder's wishes, which
can only restrict it. Matrice d'habilitation: CSP art. R1111-46 and the order of 26 October 2023 (DMP-119).

The type decides before the class; `partial` means no, save the types listed; a missing row or cell means no.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from fhir_server.definitions.library import profile_json
from fhir_server.foundation.predicate import (
    EVERYTHING,
    Exists,
    Has,
    Not,
    Predicate,
    both,
    either,
    one_of,
)
from fhir_server.foundation.principal import Kind, Principal

# the insurance's feed and a reception desk are what their sector says, and act in their own verbs only
_BY_SECTOR = (Kind.PROFESSIONAL, Kind.ESTABLISHMENT)


class Matrix:
    """The matrix of one server; `load` gives the one it ships."""

    def __init__(self, matrix: Mapping[str, Any], types: Mapping[str, Any], allow_occupational: bool = False) -> None:
        self._rows: Mapping[str, Any] = matrix["professions"]
        self._document_types: Mapping[str, Any] = types["types"]
        self._classes = tuple(matrix["classes"])
        self._words = tuple(matrix["openWords"])
        self._class_of: Mapping[str, str] = matrix["resourceTypes"]
        self._allow_occupational = allow_occupational
        prohibited = matrix["prohibited"]
        self._professions = frozenset(prohibited["professions"])
        self._sectors = frozenset(prohibited["sectors"])
        self._specialties = frozenset(prohibited["specialties"])
        self._occupational = prohibited["occupationalMedicine"]
        self._insurers = frozenset(prohibited["insurance"]["organizations"])
        self._insurance_sectors = frozenset(prohibited["insurance"]["sectors"])
        self.shared_types = self.types_of("shared")
        self.shared: Predicate = both(Has("class", "shared"), Not(Exists("patient")))
        closed = sorted(set(self._class_of.values()) - set(self._classes) - set(self._words) - {"shared"})
        self._closed_words = tuple(closed)
        self.notices: Predicate = one_of("resource", sorted(self.types_of("notice")))
        self._closed = {profession: self._compile(row) for profession, row in self._rows.items()}

    @staticmethod
    @cache
    def load() -> Matrix:
        """The matrix of `profiles/dmp`."""
        switches = profile_json("dmp/rules.json")["switches"]
        return Matrix(
            profile_json("dmp/access-matrix.json"),
            profile_json("dmp/document-types.json"),
            switches["allow_medecine_travail_with_express_consent"],
        )

    def class_of(self, type_: str) -> str | None:
        """The document class or the rule word of a FHIR type; None for a type that is for the operator only."""
        found = self._class_of.get(type_)
        return None if found in (None, "operator") else found

    def types_of(self, word: str) -> frozenset[str]:
        """The FHIR types of one class or rule word."""
        return frozenset(type_ for type_, each in self._class_of.items() if each == word)

    def is_clinical(self, type_: str) -> bool:
        """Whether a FHIR type holds data of a document class."""
        return self._class_of.get(type_) in self._classes

    def closed_to(self, profession: str | None) -> Predicate:
        """What the profession may not read; everything where the matrix has no row for it."""
        return self._closed.get(profession or "", EVERYTHING)

    def access(self, profession: str, class_: str, type_: str | None = None) -> bool:
        """One cell: whether the profession reads that class, or that type of it."""
        row = self._rows.get(profession)
        if row is None:
            return False
        cell = row["types"].get(type_) or row["classes"].get(class_)
        return cell is not None and bool(cell["access"] == "yes")

    def write_classes(self, profession: str | None) -> tuple[str, ...]:
        """The classes the profession deposits; empty where it deposits nothing."""
        row = self._rows.get(profession or "")
        return tuple(row["write"]) if row else ()

    def occupational(self, principal: Principal) -> bool:
        """Médecine du travail, by sector or specialty (DMP-47, DMP-122)."""
        return principal.kind in _BY_SECTOR and (
            principal.sector in self._occupational["sectors"]
            or not principal.specialties.isdisjoint(self._occupational["specialties"])
        )

    def forbidden(self, principal: Principal) -> str | None:
        """Why this party is refused in any record, as a reason code, or None (DMP-46, DMP-47, DMP-121)."""
        if principal.kind is Kind.UNKNOWN:
            return "party.unknown"
        if principal.kind not in _BY_SECTOR:
            return None
        if principal.kind is Kind.PROFESSIONAL and not principal.profession:
            return "party.no-profession"
        if principal.profession in self._professions:
            return "party.role"
        if self.occupational(principal):
            return None if self._allow_occupational else "party.occupational-medicine"
        if principal.sector in self._insurance_sectors or not principal.organizations.isdisjoint(self._insurers):
            return "party.insurer"
        if principal.sector in self._sectors or not principal.specialties.isdisjoint(self._specialties):
            return "party.sector"
        return None

    def _compile(self, row: Mapping[str, Any]) -> Predicate:
        """Closed: a type that is; a class that is, save its open types; or nothing that is open."""
        open_classes = [class_ for class_, cell in row["classes"].items() if cell["access"] == "yes"]
        shut_classes = [class_ for class_ in self._classes if class_ not in open_classes]
        open_types = sorted(type_ for type_, cell in row["types"].items() if cell["access"] == "yes")
        shut_types = {type_ for type_, cell in row["types"].items() if cell["access"] != "yes"} | {
            type_
            for type_, each in self._document_types.items()
            if each["class"] not in open_classes and type_ not in open_types
        }
        opened = one_of("type", open_types)
        return either(
            one_of("type", sorted(shut_types)),
            both(one_of("class", (*shut_classes, *self._closed_words)), Not(opened)),
            Not(either(one_of("class", (*open_classes, *self._words, "shared")), opened)),
        )
