"""The battery: every way to ask for what may be hidden, of a few addresses and values; all the asker's own requests.

Each request is a `Step`; the last ones ask for the traces that the others left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fhir_server.foundation.principal import Principal
from tests.kit import people
from tests.kit.through import OF_LINKS
from tests.kit.twin import Step
from tests.kit.world import label

ABSENT = "99999999-0000-7000-8000-000000000000"
CLASSES = "https://mos.esante.gouv.fr/NOS/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument"
FAR = "Fri, 01 Jan 2100 00:00:00 GMT"

OF_DOCUMENTS = (
    "",
    "status=current",
    "status:not=current",
    "type=http://loinc.org|11490-0",
    "type:missing=true",
    "category=11",
    "date=ge2026-01-01",
    "date=lt2000-01-01",
    "period=ge2020",
    "creation=ge2026-11",
    "author:missing=false",
    "authenticator:identifier=urn:oid:1.2.250.1.71.4.2.1|810000000009",
    "custodian=Organization/chu",
    "security-label=MASQUE_PS",
    "security-label:not=MASQUE_PS",
    "security-label:missing=false",
    "security-label=INVISIBLE_PATIENT",
    "_security=N",
    "_profile:missing=true",
    "_tag:missing=true",
    "_lastUpdated=ge2026-11-23",
    "description=lettre",
    "description:contains=d2",
    "description:exact=lettre d2",
    "contenttype=application/pdf",
    "language=fr-FR",
    "format:missing=false",
    "facility=22232009",
    "setting=http://snomed.info/sct|394802001",
    "location:missing=false",
    "relatesto:missing=false",
    "relatesto:missing=true",
    "relationship:missing=false",
    "relationship:missing=true",
    "relation=transforms",
    "relation:not=transforms",
    "relation:missing=false",
    "related:missing=false",
    "encounter:missing=true",
    "identifier:missing=true",
    "isArchived:missing=true",
    "_include=DocumentReference:subject&_include=DocumentReference:relatesto&_include=DocumentReference:related",
    "_include=DocumentReference:relatesto:DocumentReference",
    "_include=*&_include:iterate=*",
    "_include=DocumentReference:*:DocumentReference&_revinclude=Provenance:*",
    "_include:iterate=DocumentReference:relatesto&_revinclude:iterate=List:item&_include:iterate=List:item",
    "_count=1&_sort=date&_include:iterate=DocumentReference:related&_revinclude:iterate=Communication:*",
    "_revinclude=List:item",
    "_revinclude=*&_count=2",
    "_revinclude=Provenance:target",
    "_revinclude=DocumentReference:relatesto",
    "_revinclude=AuditEvent:entity",
    "_revinclude=Observation:derived-from",
    "_sort=date&_total=accurate",
    "_sort=-date,_id&_total=none",
    "_sort=-_lastUpdated&_total=estimate",
    "_sort=_id",
    *("_content=lettre", "_content=d2 lettre", "_text=lettre", '_filter=description co "d2" or relation pr true'),
    "_filter=not (relation eq transforms) and security-label ne MASQUE_PS",
    *("_sort=relatesto,-description", "_sort=-related,type&_count=2", "_sort=relation,author,_id&_count=1"),
    *(
        "type:text=lettre",
        "category:in=http://hl7.org/fhir/ValueSet/none",
        "relation:in=http://hl7.org/fhir/ValueSet/document-relationship-type",
    ),
    *("relation:not-in=http://hl7.org/fhir/ValueSet/document-relationship-type|4.0.1", "security-label:text=masqué"),
    "_summary=count",
    "_summary=true&_revinclude=List:item",
    "_elements=relatesTo,context",
    "_count=0",
    "_count=1",
    "_count=1&_sort=date",
    "_count=1&_sort=-_lastUpdated&_total=none&_revinclude=List:item",
    "_count=2&_total=accurate",
    "unheard-of=1",
)
OF_OTHERS = (
    "List?patient={p}",
    "List?patient={p}&code=submissionset",
    "List?patient={p}&_include=List:item&_sort=_id",
    "List?patient={p}&item:missing=true",
    "List?patient={p}&item:missing=false",
    "List?patient={p}&_summary=count",
    "List?patient={p}&_count=1&_include=List:item",
    "List?patient={p}&_elements=entry",
    "List?patient={p}&empty-reason:missing=true&date=ge2026",
    "Provenance?patient={p}",
    "Provenance?patient={p}&target:missing=false",
    "Provenance?patient={p}&_include=Provenance:target",
    "Observation?patient={p}&_include=Observation:derived-from",
    "Observation?patient={p}&derived-from:missing=false",
    "Observation?patient={p}&_include=Observation:*&_include:iterate=DocumentReference:relatesto",
    "Provenance?patient={p}&_include:iterate=*&_total=accurate&_count=1",
    "Observation?patient={p}&_count=1",
    "Observation?patient={p}&value-quantity=gt1||Hz",
    "Observation?patient={p}&value-quantity:missing=false",
    "Observation?value-quantity=72",
    "Observation?patient={p}&code-value-quantity=8867-4$72|http://unitsofmeasure.org|/min",
    "Condition?patient={p}&_total=accurate",
    "Communication?patient={p}",
    "Consent?patient={p}&_sort=date",
    "Consent?patient={p}&_count=1",
    "Consent?patient={p}&status=active&_summary=count",
    "Patient?_id={p}&_revinclude=DocumentReference:patient&_revinclude=List:subject&_revinclude=Consent:patient",
    "Patient?_id={p}&_revinclude=AuditEvent:patient",
    f"Patient?identifier={people.INS_SYSTEM}|{people.INS}",
    "RelatedPerson?patient={p}",
    "DocumentReference/_history",
    "DocumentReference/_history?_count=1",
    "DocumentReference/_history?_since=2026-11-23T10:00:05Z&_count=3",
    "DocumentReference/_history?_at=2026-11-23T10:00:20Z",
    "DocumentReference/_history?_at=2026&_count=2",
    "List/_history?_count=2",
    "List/_history?_elements=entry",
    "Binary/_history",
    "Provenance/_history",
    "Observation/_history?_count=1",
    "Consent/_history",
    "Patient/_history",
    "Practitioner/_history",
    "Binary?_lastUpdated=ge2026-01-01",
    "DocumentReference?_lastUpdated=ge2026-01-01",
    "DocumentReference?patient=unheard-of",
    "DocumentReference?security-label=MASQUE_PS",
    "DocumentReference?description=lettre&_total=accurate&_count=1",
    "List?code=submissionset",
    "Provenance?recorded=ge2000",
    "Practitioner?_revinclude=DocumentReference:author&_revinclude=Consent:actor",
    "Organization?_id=chu&_revinclude=DocumentReference:custodian",
    *(
        "Practitioner?_contained=true",
        "Observation?patient={p}&_contained=both&_containedType=contained&_sort=_id&_count=2",
    ),
    "Organization?_contained=true&_containedType=contained&name=chu&_total=accurate",
    *("Patient?phonetic=martain&_total=accurate", "Patient?_id={p}&age=gt3", "Location?near=45.2|5.7|9&_summary=count"),
    *("Patient/{p}/*?_count=19", "Patient/{p}/*?_summary=count", "Patient/{p}/*?_type=List,DocumentReference&_count=1"),
    "Patient/{p}/DocumentReference?_revinclude=List:item&_count=2",
    "Patient/{p}/List?_include=List:item",
    "Patient/unheard-of/*",
    *("Practitioner/bernard/*", "Practitioner/bernard/DocumentReference?_summary=count", "Device/d/*?_count=1"),
    "?_type=DocumentReference,List,Binary,AuditEvent&_count=17",
    "?_type=DocumentReference,List&patient={p}&_sort=-date,_id&_count=2",
    "?_type=DocumentReference,List,Observation,Practitioner&_summary=count",
    "?_type=List,Provenance&patient={p}&_total=none&_count=1",
    *("_history?_count=75", "_history?_since=2026-11-23T10:00:05Z&_count=26", "_history?_at=2026-11-23T10:00:20Z"),
    "Patient/{p}/$everything",
    "Patient/{p}/$everything?_count=1",
    "Patient/{p}/$everything?_type=DocumentReference,Organization&_since=2026-11-23T10:00:05Z&_count=2",
    "Patient/{p}/$everything?start=2026-11-01&end=2026-12-01",
    "DocumentReference/$docref?patient={p}",
    "DocumentReference/$docref?patient={p}&_count=1",
    "DocumentReference/$docref?patient={p}&start=2026-01-01&type=http://loinc.org|11490-0",
    "DocumentReference/$explain?patient={p}",
    *("Patient/{p}/$explain-access", "Patient/{p}/$explain-access?profession=60"),
    *("DocumentReference/$meta", "Provenance/$meta", "List/$meta", "AuditEvent/$meta", "Patient/$meta", "$meta"),
)
OF_CONDITIONS = (
    "patient={p}&description:exact=lettre d2",
    "patient={p}&security-label=MASQUE_PS",
    "description:exact=lettre d2",
    "patient={p}&relatesto.description=lettre d2",
    "_has:Provenance:target:recorded=ge2000",
    "patient={p}&type=http://loinc.org|11490-0",
    "patient=unheard-of&status=current",
)
"""Conditions that find what is hidden from some, one thing, several or nothing."""
OF_TRACES = (  # there are many of them by then: pages that come to their end within fifty
    "AuditEvent?patient={p}",
    "AuditEvent?patient={p}&_count=11&_sort=-date",
    "AuditEvent?patient={p}&_summary=count",
    "AuditEvent?patient={p}&action=R&_sort=date",
    "AuditEvent?patient={p}&outcome=8",
    "AuditEvent?patient={p}&entity:missing=false&_include=AuditEvent:entity&_count=50",
    "AuditEvent?patient={p}&entity-role=4",
    "AuditEvent?patient={p}&_security=MASQUE_PS",
    "AuditEvent?patient={p}&subtype=read",
    "AuditEvent?patient={p}&subtype=operation",
    "AuditEvent?date=ge2026-11-23&_count=90",
    "AuditEvent?date=ge2026-11-23&_count=33",
    "AuditEvent/_history?_count=90",
)


def battery(who: Principal, seen: Iterable[str], hidden: Iterable[str], *, patient: str = "lea") -> list[Step]:
    """Every request for these addresses (`Type/id`), every search of a record, writes upon what is hidden or absent."""
    hidden = [*hidden, f"DocumentReference/{ABSENT}", f"Binary/{ABSENT}", f"List/{ABSENT}"]
    references = [*hidden, *seen]
    made = [step for each in references for step in _reads(who, each)]
    searches = [f"DocumentReference?patient={patient}{'&' if each else ''}{each}" for each in OF_DOCUMENTS]
    searches += [each.format(p=patient) for each in (*OF_OTHERS, *OF_LINKS)]
    searches += [each for reference in references for each in _naming(reference, patient)]
    made += [Step(who, "GET", each, pages=True) for each in searches]
    made += [Step(who, "POST", f"{type_}/_search") for type_ in ("DocumentReference", "List")]
    made += _bundles(who, references, patient)
    made += [step for each in hidden for step in _changes(who, each)]
    made += [
        step
        for each in hidden
        for step in _conditional(who, each.partition("/")[0], f"_id={each.partition('/')[2]}", patient)
    ]
    made += [
        step
        for condition in OF_CONDITIONS
        for step in _conditional(who, "DocumentReference", condition.format(p=patient), patient)
    ]
    return made + [Step(who, "GET", each.format(p=patient), pages=True) for each in OF_TRACES]


def writings(who: Principal, hidden: Iterable[str], *, patient: str = "lea") -> list[Step]:
    """Writes that name what is hidden or absent, and what can be read of them afterwards."""
    afterwards = ("List?patient={p}&_sort=_id", "Provenance?patient={p}&_sort=_id", "DocumentReference?patient={p}")
    made = [step for each in hidden for step in _creations(who, each, patient)]
    return made + [Step(who, "GET", each.format(p=patient), pages=True) for each in (*afterwards, *OF_TRACES)]


def _reads(who: Principal, each: str) -> Iterator[Step]:
    for url in (each, f"{each}/_history", f"{each}/_history?_count=1"):
        yield Step(who, "GET", url)
    yield Step(who, "HEAD", each)
    for asked in ("$meta", "$validate", "$validate?mode=delete", "$explain-access", "$explain-access?purpose=BTG"):
        yield Step(who, "GET", f"{each}/{asked}")
    for version in (1, 2, 99):
        yield Step(who, "GET", f"{each}/_history/{version}")
    yield Step(who, "GET", each, more={"if_none_match": 'W/"1"'})
    yield Step(who, "GET", each, more={"if_none_match": "*"})
    yield Step(who, "GET", each, more={"if_modified_since": FAR})
    yield Step(who, "GET", f"{each}/_history/1", more={"if_none_match": 'W/"1"'})
    if each.startswith("Binary/"):
        yield Step(who, "GET", each, more={"native": True})
        yield Step(who, "GET", f"{each}/_history/1", more={"native": True})


def _changes(who: Principal, each: str) -> Iterator[Step]:
    type_, _, id_ = each.partition("/")
    for body in _bodies(type_, id_):
        yield Step(who, "PUT", each, body)
    for patch in (
        [{"op": "add", "path": "/securityLabel/-", "value": label("MASQUE_PS")}],
        [{"op": "replace", "path": "/description", "value": "x"}],
        [{"op": "test", "path": "/status", "value": "current"}],
    ):
        yield Step(who, "PATCH", each, patch)
    said = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": f"{type_}.text"}]
    yield Step(who, "PATCH", each, {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": said}]})
    added = {"name": "meta", "valueMeta": {"tag": [{"system": "http://x.example", "code": "x"}]}}
    for name in ("$meta-add", "$meta-delete"):
        yield Step(who, "POST", f"{each}/{name}", {"resourceType": "Parameters", "parameter": [added]})
    yield Step(who, "PUT", each, body, more={"if_match": 'W/"1"'})
    yield Step(who, "PATCH", each, patch, more={"if_match": 'W/"7"'})
    yield Step(who, "DELETE", each, more={"if_match": 'W/"9"'})
    yield Step(who, "DELETE", each)


def _conditional(who: Principal, type_: str, condition: str, patient: str) -> Iterator[Step]:
    """Every write upon what a condition finds, alone and in a bundle; what is made names nothing that is hidden."""
    if type_ not in ("DocumentReference", "List"):
        return
    body, url = deposited(who, type_, patient), f"{type_}?{condition}"
    yield Step(who, "POST", type_, body, more={"if_none_exist": condition})
    yield Step(who, "PUT", url, body)
    yield Step(who, "PUT", url, {**body, "id": ABSENT})
    yield Step(who, "PUT", url, body, more={"if_match": 'W/"1"'})
    if type_ == "DocumentReference":
        yield Step(who, "PATCH", url, [{"op": "add", "path": "/securityLabel", "value": [label("N")]}])
    entries = [
        {"resource": body, "request": {"method": "POST", "url": type_, "ifNoneExist": condition}},
        {"resource": body, "request": {"method": "PUT", "url": f"{url}&_lastUpdated=ge2000"}},
    ]
    for kind, some in (("batch", entries), *(("transaction", [each]) for each in entries)):
        yield Step(who, "POST", "", {"resourceType": "Bundle", "type": kind, "entry": some})
    yield Step(who, "DELETE", url)
    yield Step(who, "DELETE", url, more={"if_match": 'W/"9"'})


def deposited(who: Principal, type_: str, patient: str) -> dict[str, Any]:
    """What an asker who feeds the record may deposit."""
    author = {"reference": who.reference or "Organization/chu"}
    body: dict[str, Any] = {"resourceType": type_, "status": "current", "subject": {"reference": f"Patient/{patient}"}}
    if type_ == "List":
        return {**body, "mode": "working", "source": author}
    return {
        **body,
        "type": {"coding": [{"system": "http://loinc.org", "code": "18748-4"}]},
        "category": [{"coding": [{"system": CLASSES, "code": "31"}]}],
        "author": [author],
        "content": [{"attachment": {"contentType": "text/plain", "title": "x"}}],
    }


def _bodies(type_: str, id_: str) -> list[dict[str, Any]]:
    """One that no definition holds good, and one that it does."""
    good: dict[str, dict[str, Any]] = {
        "DocumentReference": {
            "status": "current",
            "subject": {"reference": "Patient/lea"},
            "content": [{"attachment": {"contentType": "text/plain", "title": "x"}}],
        },
        "List": {"status": "current", "mode": "working", "subject": {"reference": "Patient/lea"}},
        "Binary": {"contentType": "text/plain"},
    }
    named = {"resourceType": type_, "id": id_}
    return [{**named, "status": 7}, *([{**named, **good[type_]}] if type_ in good else [])]


def _naming(reference: str, patient: str) -> Iterator[str]:
    type_, _, id_ = reference.partition("/")
    yield f"{type_}?_id={id_},{ABSENT}&_total=accurate"
    yield f"AuditEvent?patient={patient}&entity={reference}"
    if type_ in ("DocumentReference", "List"):
        yield f"List?patient={patient}&item={reference}"
        yield f"List?item={reference}"
        yield f"DocumentReference?patient={patient}&_list={id_}&_total=accurate"
        yield f"Observation?_filter=derived-from eq {reference} or derived-from pr false"
        yield f"Provenance?target={reference}"
    if type_ == "DocumentReference":
        yield f"DocumentReference?patient={patient}&relatesto={reference}"
        yield f"DocumentReference?patient={patient}&relationship={reference}$appends"
        yield f"DocumentReference?relationship={id_}$appends,{reference}$transforms,{id_}$replaces"
        yield f"DocumentReference?patient={patient}&related={reference}"
        yield f"DocumentReference?patient={patient}&related:missing=false&relatesto={id_}"
        yield f"Observation?patient={patient}&derived-from={reference}"
        yield f"Observation?derived-from:DocumentReference._id={id_}"
        yield f"Patient?_has:DocumentReference:patient:_id={id_}"
        yield f"{type_}?_id={id_}&_revinclude=List:item&_revinclude=Provenance:target"
        yield f"?_type=DocumentReference,List&_id={id_}&_total=accurate"
        yield f"?_type=DocumentReference,Observation&_list={id_}&_count=1"


def _bundles(who: Principal, references: list[str], patient: str) -> list[Step]:
    urls = [
        *references,
        f"DocumentReference?patient={patient}",
        f"DocumentReference?patient={patient}&_summary=count",
        f"List?patient={patient}&_include=List:item",
        *(f"{each}/_history/1" for each in references[:3]),
    ]
    entries = [{"request": {"method": "GET", "url": each}} for each in urls]
    alone = [{"request": {"method": "GET", "url": each, "ifNoneMatch": 'W/"1"'}} for each in references]
    return [
        Step(who, "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries}),
        Step(who, "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": alone}),
        Step(who, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries[-6:]}),
        *(
            Step(who, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [each]})
            for each in (entries[0], entries[len(references) - 1], entries[-1])
        ),
    ]


def _creations(who: Principal, reference: str, patient: str) -> Iterator[Step]:
    """Writes that name an address: what becomes of them must not tell whether something stands there."""
    subject = {"reference": f"Patient/{patient}"}
    author = {"reference": who.reference or "Organization/chu"}
    listed = {
        "resourceType": "List",
        "status": "current",
        "mode": "working",
        "subject": subject,
        "source": author,
        "entry": [{"item": {"reference": reference}}],
    }
    traced = {
        "resourceType": "Provenance",
        "target": [{"reference": reference}, subject],
        "recorded": "2026-11-23T10:00:00Z",
        "agent": [{"who": author}],
    }
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]},
        "subject": subject,
        "author": [author],
        "relatesTo": [{"code": "appends", "target": {"reference": reference}}],
        "content": [{"attachment": {"contentType": "text/plain", "url": reference, "title": "essai"}}],
    }
    for resource in (listed, traced, document):
        yield Step(who, "POST", str(resource["resourceType"]), resource)
