"""Naming: what a write may name of a record.

May live here: that rule, over facts at hand. May not know: who asks; the predicate of what he sees is told.

What mentions a hidden resource is shown without the mention (decisions 16). Were the name of an absent one kept, what
comes back would tell the one from the other to whoever guesses names. So neither may be named: a write names what its
asker sees, what it brings with it, or what the version before showed him.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.foundation.predicate import EVERYTHING, Predicate, matches
from fhir_server.foundation.problem import Issue, Problem, unprocessable
from fhir_server.resources import facts as access
from fhir_server.resources import references
from fhir_server.store.documents import mention, nameable


@dataclass(frozen=True, slots=True)
class Naming:
    """What the asker of a write `sees`, and what he was `shown` to be named before.

    `where` is the FHIRPath of its entry, when it is one of a bundle; `base` is the address of this server.
    """

    sees: Predicate = EVERYTHING
    shown: frozenset[str] = frozenset()
    where: str = ""
    base: str = ""

    def check(
        self, resource: Mapping[str, Any], standing: Mapping[str, Mapping[str, Any]], here: Collection[str]
    ) -> None:
        """Raise Problem 422 for the first thing named that is neither shown, nor of this unit (`here`), nor seen.

        `standing` are the facts of what is there, by `Type/id`.
        """
        if self.sees == EVERYTHING:
            return
        sees = nameable(self.sees)
        for name in sorted(access.names_of(resource, self.base) - self.shown - set(here)):
            if name not in standing or not matches(sees, mention(name, standing[name], ()), inside=True):
                raise unseen(resource, name, self.where, self.base)


def unseen(resource: Mapping[str, Any], name: str, where: str = "", base: str = "") -> Problem:
    """422 for a name that leads to nothing its asker sees, with the element that holds it; `where` as in `Naming`."""
    links = references.find(resource, entries=True)
    spelt = ((each.path, {references.here(each.text, base), references.linked(each.text, base)}) for each in links)
    path = next((path for path, names in spelt if name in names), None)
    place = f"{where}.resource{path.removeprefix(resource['resourceType'])}" if where and path else path
    text = f"`{name}` leads to nothing that may be seen in this record"
    return unprocessable((Issue("error", "not-found", text, place),))


FREELY = Naming()
"""Whatever it likes, what is not there included: operators load things that refer to what comes later."""
