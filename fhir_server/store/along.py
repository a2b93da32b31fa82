"""Along: a new resource upon which nothing else hangs goes along with its ledger record, many in one transaction.

May live here: which writes may. May not know: who gathers them (`audit_event/ledger.py`), or what else a unit stages.

A transaction of one's own costs MongoDB several times what an insert in a shared one does. It is needed where more than
one document has to change together, or where somebody has to be told that it did; a new resource under a new id that is
unique in nothing has neither, and only its trace must stand if it stands (decisions 20, docs/adr/0025).
"""

from __future__ import annotations

import bson

from fhir_server.store.documents import Envelope
from fhir_server.store.write import Write, unique_of

LARGEST = 256_000
"""Bytes: what is larger has a transaction of its own, so that it keeps nobody waiting."""
SHORT = LARGEST // 64
"""Characters of a body."""
RECORD_TYPES = frozenset({"Patient", "Consent", "RelatedPerson"})
GROUP_TYPES = frozenset({"CareTeam", "Group", "PractitionerRole", "Organization"})
"""What workers remember: of the record itself, and of whom its Consents name."""
LISTENED_TO = RECORD_TYPES | GROUP_TYPES | {"SearchParameter"}
APART = frozenset({"AuditEvent", "Binary", "DocumentReference"})
"""What other documents are bound to or told of."""


def may_go_along(write: Write) -> bool:
    """Whether nothing but the resource itself is to be written, and nobody has to be told that it is there."""
    type_ = write.id.partition("/")[0]
    if write.method != "POST" or write.before is not None or write.resource is None or write.blob or write.about:
        return False
    return type_ not in LISTENED_TO and type_ not in APART and not unique_of(write.resource)


def small_enough(made: Envelope) -> bool:
    """Whether an envelope may share a transaction.

    It is measured where that can matter: of a short text that copies nothing from others, all that is stored is some
    times as long as the text.
    """
    facts = made["facts"]
    if len(made["body"]) <= SHORT and "mentions" not in facts and "about" not in facts:
        return True
    return len(bson.encode(made)) <= LARGEST
