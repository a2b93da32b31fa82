"""One small cast: principals as a verified token would give them."""

from __future__ import annotations

from fhir_server.foundation.principal import Kind, Principal, Purpose

INS_SYSTEM = "urn:oid:1.2.250.1.213.1.4.10"
INS = "279035121518989"
PERSON = ("patient/*.cruds",)
PRACTICE = ("user/*.cruds",)
SYSTEM = ("system/*.cruds",)


def operator() -> Principal:
    return Principal(Kind.OPERATOR, "operator", "console", name="Opérateur", scopes=("system/*.cruds",))


def holder(patient: str = "lea", scopes: tuple[str, ...] = PERSON) -> Principal:
    reference = f"Patient/{patient}"
    return Principal(
        Kind.HOLDER,
        f"holder-{patient}",
        "espace",
        name="Léa Martin",
        token=f"token-{patient}",
        reference=reference,
        identities=frozenset({reference}),
        patient=patient,
        purpose=Purpose.PATIENT_REQUEST,
        scopes=scopes,
    )


def representative(patient: str, name: str = "anne") -> Principal:
    reference = f"RelatedPerson/{name}"
    return Principal(
        Kind.REPRESENTATIVE,
        name,
        "espace",
        token=f"token-{name}",
        reference=reference,
        identities=frozenset({reference}),
        patient=patient,
        purpose=Purpose.PATIENT_REQUEST,
        scopes=PERSON,
    )


def professional(
    name: str,
    rpps: str,
    profession: str = "10",
    *,
    purpose: Purpose = Purpose.TREATMENT,
    reason: str | None = None,
    patient: str | None = None,
    regulation: bool = False,
    organizations: frozenset[str] = frozenset(),
    scopes: tuple[str, ...] = PRACTICE,
) -> Principal:
    return Principal(
        Kind.PROFESSIONAL,
        name,
        "ehr",
        name=f"Dr {name}",
        token=f"token-{name}-{purpose.value}",
        reference=f"Practitioner/{name}",
        identities=frozenset({f"Practitioner/{name}", f"ps:8{rpps}"}),
        organizations=organizations,
        profession=profession,
        purpose=purpose,
        reason=reason,
        patient=patient,
        regulation=regulation,
        scopes=scopes,
    )


def doctor(**more: object) -> Principal:
    return professional("bernard", "10000000001", **more)  # type: ignore[arg-type]


def radiologist(**more: object) -> Principal:
    return professional("diallo", "10000000002", **more)  # type: ignore[arg-type]


def hospital(scopes: tuple[str, ...] = SYSTEM) -> Principal:
    keys = frozenset({"Organization/chu", "org:1750712184"})
    return Principal(
        Kind.ESTABLISHMENT,
        "chu",
        "chu-system",
        name="CHU",
        token="token-chu",
        reference="Organization/chu",
        identities=keys,
        organization="Organization/chu",
        organizations=keys,
        scopes=scopes,
    )
