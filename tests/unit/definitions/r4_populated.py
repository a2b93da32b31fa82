"""Resources with something in every element, made from the definitions: what no example is."""

from decimal import Decimal

from fhir_server.definitions.elements import children, primitive

LEFT_OUT = {"extension", "modifierExtension", "contained"}
SAMPLES = {
    "boolean": True,
    "integer": 7,
    "positiveInt": 3,
    "unsignedInt": 0,
    "decimal": Decimal("1.50"),
    "date": "2024-02-29",
    "dateTime": "2024-02-29T10:00:00+01:00",
    "instant": "2024-02-29T10:00:00.000Z",
    "time": "10:00:00",
    "uri": "urn:example:a",
    "url": "https://example.org/a",
    "canonical": "https://example.org/a|1",
    "oid": "urn:oid:1.2.3",
    "uuid": "urn:uuid:00000000-0000-4000-8000-000000000000",
    "base64Binary": "AAAA",
    "xhtml": '<div xmlns="http://www.w3.org/1999/xhtml">a</div>',
}


def populated(type_, variant, depth=5):
    """A resource of the type; each variant takes the next type of every choice, target of every reference, code of every binding."""
    return {"resourceType": type_, **_fill(type_, variant, depth)}


def _fill(place, variant, depth):
    filled = {}
    for name, element in children(place).items():
        if name in LEFT_OUT:
            continue
        choices = list(element.properties.items())
        property_, ref = choices[variant % len(choices)]
        value = _value(element, ref, variant, depth)
        if value is not None:
            filled[property_] = [value] if element.repeats else value
    return filled


def _value(element, ref, variant, depth):
    if primitive(ref.code):
        codes = element.binding and element.binding.codes()
        if ref.code == "code" and codes:
            return sorted(codes)[variant % len(codes)]
        return SAMPLES.get(ref.code, f"{element.name}-{variant}")
    if ref.code == "Resource":
        return {"resourceType": ("Composition", "MessageHeader", "Basic")[variant % 3], "id": f"r{variant}"}
    if ref.code == "Reference":
        targets = ref.targets or ("Patient", "Practitioner", "Organization", "Location")
        return {"reference": f"{targets[variant % len(targets)]}/x{variant}"}
    return _fill(element.place(ref), variant, depth - 1) or None if depth else None
