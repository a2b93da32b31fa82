"""Code systems and value sets of the package, expanded as far as its own content goes.

May live here: what `fhir_server/definitions/code_lists.py` reads (https://hl7.org/fhir/R4/terminology-module.html).
May not know: elements; which value sets are required is told.
"""

from __future__ import annotations

from collections.abc import Iterator

from r4_package import Package, Resource, Table, bare

# Code systems we may ship: HL7's own (CC0), and lists that the IETF and ISO-ASTM publish openly. Others (SNOMED CT,
# LOINC, DICOM…) are listed only as far as a required binding enumerates their codes.
OPEN_SYSTEMS = (
    "http://hl7.org/fhir",
    "http://terminology.hl7.org/",
    "http://cds-hooks.hl7.org/",
    "urn:ietf:",
    "urn:iso-astm:",
)
KNOWN_FILTERS = ("is-a", "descendent-of", "is-not-a")
# Display and direct parents of each concept, by code.
Concepts = dict[str, tuple[str | None, list[str]]]


class Codes:
    """The package's code systems and value sets, expanded as far as its own content goes."""

    def __init__(self, package: Package, required: set[str]) -> None:
        self.systems = {each["url"]: each for each in package["CodeSystem"]}
        self.value_sets = {each["url"]: each for each in package["ValueSet"]}
        self.required = required
        self.concepts = {url: hierarchy(each) for url, each in self.systems.items()}

    def build_systems(self) -> Table:
        """The complete code systems we may ship: each concept as `[code, display or null, parent…]`."""
        return {
            url: {"case": system.get("caseSensitive", True), "concepts": rows(self.concepts[url])}
            for url, system in sorted(self.systems.items())
            if system["content"] == "complete" and url.startswith(OPEN_SYSTEMS)
        }

    def build_value_sets(self) -> Table:
        """Codes by system of each value set that the package enumerates: null stands for the whole code system."""
        table: Table = {}
        for url in sorted(self.value_sets):
            content = self.content(url)
            if content is None or not content:
                continue
            if url not in self.required and not all(system.startswith(OPEN_SYSTEMS) for system in content):
                continue
            table[url] = {
                system: None if self.whole(system) == codes and system.startswith(OPEN_SYSTEMS) else sorted(codes)
                for system, codes in sorted(content.items())
            }
        return table

    def whole(self, system: str) -> set[str] | None:
        """All codes of a code system, if the package holds them all."""
        if self.systems.get(system, {}).get("content") != "complete":
            return None
        return set(self.concepts[system])

    def content(self, url: str) -> dict[str, set[str]] | None:
        """The codes of a value set by system; None when they cannot be known from the package."""
        compose = self.value_sets.get(bare(url), {}).get("compose")
        if compose is None:
            return None
        total: dict[str, set[str]] = {}
        for part in compose["include"]:
            found = self.part(part)
            if found is None:
                return None
            for system, codes in found.items():
                total.setdefault(system, set()).update(codes)
        for part in compose.get("exclude", []):
            found = self.part(part)
            if found is None:
                return None
            for system, codes in found.items():
                total[system] = total.get(system, set()) - codes
        return {system: codes for system, codes in total.items() if codes}

    def part(self, part: Resource) -> dict[str, set[str]] | None:
        """The codes of one include or exclude: the intersection of its system part and its value sets."""
        found: list[dict[str, set[str]] | None] = [self.content(each) for each in part.get("valueSet", [])]
        if system := part.get("system"):
            codes = self.of_system(part, system)
            found.append(None if codes is None else {system: codes})
        known = [each for each in found if each is not None]
        if not found or len(known) < len(found):
            return None
        first, *others = known
        return {
            system: codes.intersection(*(each.get(system, set()) for each in others)) for system, codes in first.items()
        }

    def of_system(self, part: Resource, system: str) -> set[str] | None:
        """The codes that an include takes from its system: those listed, those filtered, or all."""
        if "concept" in part:
            return {each["code"] for each in part["concept"]}
        codes = self.whole(system)
        for each in part.get("filter", []):
            if (
                codes is None
                or each["property"] != "concept"
                or each["op"] not in ("is-a", "descendent-of", "is-not-a")
            ):
                return None
            below = descendants(self.concepts[system], each["value"])
            match each["op"]:
                case "is-a":
                    codes = codes & (below | {each["value"]})
                case "descendent-of":
                    codes = codes & below
                case _:
                    codes = codes - below - {each["value"]}
        return codes


def hierarchy(system: Resource) -> Concepts:
    """Each concept by code, with the codes right above it: by nesting, and by the property `child` (HL7 v3)."""
    nested = list(flat(system.get("concept", []), []))
    found: Concepts = {concept["code"]: (concept.get("display"), list(above)) for concept, above in nested}
    for concept, _ in nested:
        for each in concept.get("property", []):
            if each["code"] == "child" and concept["code"] not in found[each["valueCode"]][1]:
                found[each["valueCode"]][1].append(concept["code"])
    return found


def flat(concepts: list[Resource], above: list[str]) -> Iterator[tuple[Resource, list[str]]]:
    """Each concept with the code it is nested in, in document order."""
    for concept in concepts:
        yield concept, above
        yield from flat(concept.get("concept", []), [concept["code"]])


def descendants(concepts: Concepts, code: str) -> set[str]:
    """The codes under a code, itself left out."""
    found: set[str] = set()
    open_ = [code]
    while open_:
        top = open_.pop()
        new = {each for each, (_, above) in concepts.items() if top in above} - found
        found |= new
        open_.extend(new)
    return found - {code}


def rows(concepts: Concepts) -> list[list[str | None]]:
    """Concepts as rows, the display left out where nothing follows it and there is none."""
    return [
        [code] if display is None and not above else [code, display, *above]
        for code, (display, above) in concepts.items()
    ]
