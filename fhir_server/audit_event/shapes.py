"""Shapes: the table of IHE's Basic Audit Log Patterns, one row per kind of deed.

May live here: the codes of an AuditEvent's type, action, agents and entities, and the profile a granted deed may claim.
May not know: who did it, to what. https://profiles.ihe.net/ITI/BALP/ and, for a submission,
https://profiles.ihe.net/ITI/MHD/StructureDefinition-IHE.MHD.ProvideBundle.Audit.Recipient.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DCM = "http://dicom.nema.org/resources/ontology/DCM"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ROLE_CLASS = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
TRANSACTIONS = "urn:ihe:event-type-code"
BALP = "https://profiles.ihe.net/ITI/BALP"
JTI = "urn:ietf:params:oauth:jti:"
RULES = "https://dmp-on-fhir.example/policies/rules/"
"""With the reason code of a grant: the policy that authorised a deed (`AuditEvent.agent.policy`)."""


@dataclass(frozen=True, slots=True)
class Coding:
    """A code, its system and its published words."""

    system: str
    code: str
    display: str = ""

    def json(self) -> dict[str, str]:
        """As FHIR writes it."""
        coding = {"system": self.system, "code": self.code}
        return {**coding, "display": self.display} if self.display else coding


Entity = Literal["data", "query", "patient", "request", "set", "consent", "token"]


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """How one kind of deed is told; a row of the table is equal to itself only.

    `profile` is claimed by a granted deed without a patient, `patient_profile` by one with a patient; None where the
    published patterns have none. `alt_id` and `organization` say whether the pattern has room for them.
    """

    type: Coding
    subtype: Coding
    action: str
    client: Coding
    server: Coding
    user: Coding
    entities: tuple[Entity, ...]
    profile: str | None = None
    patient_profile: str | None = None
    source: Coding = Coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server")
    alt_id: bool = True
    organization: bool = True


REST = Coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", "RESTful Operation")
LOGIN = Coding(DCM, "110114", "User Authentication")
IMPORT = Coding(DCM, "110107", "Import")
ALERT = Coding(DCM, "110113", "Security Alert")

APPLICATION = Coding(DCM, "110150", "Application")
DESTINATION = Coding(DCM, "110152", "Destination Role ID")
SOURCE = Coding(DCM, "110153", "Source Role ID")
CUSTODIAN = Coding("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "custodian", "Custodian")
TOKEN_SERVICE = Coding(f"{BALP}/CodeSystem/UserAgentTypes", "AuthzOauthService", "OAUTH authorization service")
AUTHORIZER = Coding(
    "http://terminology.hl7.org/CodeSystem/extra-security-role-type", "authserver", "authorization server"
)
RECIPIENT = Coding(PARTICIPATION, "IRCP", "information recipient")
AUTHOR = Coding(PARTICIPATION, "AUT", "author (originator)")
PROVIDER = Coding(ROLE_CLASS, "PROV", "healthcare provider")
SECURITY_SERVER = Coding("http://terminology.hl7.org/CodeSystem/security-source-type", "6", "Security Server")

ENTITIES: dict[str, tuple[Coding, Coding | None]] = {
    "data": (Coding(ENTITY_TYPE, "2", "System Object"), Coding(OBJECT_ROLE, "4", "Domain Resource")),
    "query": (Coding(ENTITY_TYPE, "2", "System Object"), Coding(OBJECT_ROLE, "24", "Query")),
    "set": (Coding(ENTITY_TYPE, "2", "System Object"), Coding(OBJECT_ROLE, "20", "Job")),
    "patient": (Coding(ENTITY_TYPE, "1", "Person"), Coding(OBJECT_ROLE, "1", "Patient")),
    "request": (Coding(f"{BALP}/CodeSystem/BasicAuditEntityType", "XrequestId"), None),
    "consent": (Coding("http://hl7.org/fhir/resource-types", "Consent", "Consent"), None),
    "token": (Coding(f"{BALP}/CodeSystem/UserAgentTypes", "UserOauthAgent", "User OAuth Agent participant"), None),
}
"""The type and role of each kind of entity."""


def _profiles(name: str) -> tuple[str, str]:
    base = f"{BALP}/StructureDefinition/IHE.BasicAudit"
    return f"{base}.{name}", f"{base}.Patient{name}"


def _rest(code: str, action: str, pattern: str | None, entity: Entity) -> Shape:
    """A RESTful deed. The client of a query is the source of the question; that of a read, the data's destination."""
    client, server, user = {
        "R": (DESTINATION, SOURCE, RECIPIENT),
        "E": (SOURCE, DESTINATION, RECIPIENT),
        "C": (SOURCE, DESTINATION, AUTHOR),
        "U": (SOURCE, DESTINATION, AUTHOR),
        "D": (APPLICATION, CUSTODIAN, AUTHOR),
    }[action]
    alone, with_patient = _profiles(pattern) if pattern else (None, None)
    entities: tuple[Entity, ...] = (entity, "patient", "request")
    return Shape(
        REST,
        Coding(INTERACTION, code, code),
        action,
        client,
        server,
        user,
        entities,
        alone,
        with_patient,
        alt_id=action != "D",
    )


SHAPES: dict[str, Shape] = {
    "read": _rest("read", "R", "Read", "data"),
    "vread": _rest("vread", "R", "Read", "data"),
    "history-instance": _rest("history-instance", "R", None, "data"),
    "history-type": _rest("history-type", "E", None, "query"),
    "history-system": _rest("history-system", "E", None, "query"),
    "search-type": _rest("search-type", "E", "Query", "query"),
    "search-system": _rest("search-system", "E", "Query", "query"),
    "search": _rest("search", "E", "Query", "query"),
    "create": _rest("create", "C", "Create", "data"),
    "update": _rest("update", "U", "Update", "data"),
    "patch": _rest("patch", "U", "Update", "data"),
    "delete": _rest("delete", "D", "Delete", "data"),
    "operation": _rest("operation", "E", None, "query"),
    "batch": _rest("batch", "E", None, "query"),
    "transaction": _rest("transaction", "E", None, "query"),
    "submission": Shape(
        IMPORT,
        Coding(TRANSACTIONS, "ITI-65", "Provide Document Bundle"),
        "C",
        SOURCE,
        DESTINATION,
        AUTHOR,
        ("set", "patient"),
        None,
        "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.ProvideBundle.Audit.Recipient",
    ),
    "token": Shape(
        LOGIN,
        Coding(TRANSACTIONS, "ITI-71", "Get Access Token"),
        "E",
        APPLICATION,
        TOKEN_SERVICE,
        RECIPIENT,
        ("query",),
        f"{BALP}/StructureDefinition/IHE.IUA.71",
        f"{BALP}/StructureDefinition/IHE.IUA.71",
        source=SECURITY_SERVER,
        alt_id=False,
        organization=False,
    ),
    "authorization": Shape(
        ALERT,
        Coding(f"{BALP}/CodeSystem/AuthZsubType", "AuthZ-Consent", "Authorization Decision using Roles and Consent"),
        "E",
        APPLICATION,
        AUTHORIZER,
        RECIPIENT,
        ("patient", "consent", "token"),
        None,
        f"{BALP}/StructureDefinition/IHE.BasicAudit.AuthZconsent",
        source=SECURITY_SERVER,
        alt_id=False,
    ),
    "login": Shape(
        LOGIN,
        Coding(DCM, "110122", "Login"),
        "E",
        APPLICATION,
        TOKEN_SERVICE,
        RECIPIENT,
        ("patient", "request"),
        source=SECURITY_SERVER,
    ),
    "logout": Shape(
        LOGIN,
        Coding(DCM, "110123", "Logout"),
        "E",
        APPLICATION,
        TOKEN_SERVICE,
        RECIPIENT,
        ("patient", "request"),
        source=SECURITY_SERVER,
    ),
}
"""By interaction: the codes of http://hl7.org/fhir/restful-interaction, and what is none of those."""


def shape_of(interaction: str, *, submission: bool = False) -> Shape:
    """The row of an interaction; what the table does not name is told as an operation."""
    if submission:
        return SHAPES["submission"]
    return SHAPES.get(interaction, SHAPES["operation"])
