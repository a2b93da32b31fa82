"""Resources with everything in them that JSON and XML say differently, made from the definitions."""

from decimal import Decimal

from fhir_server.definitions.elements import children, primitive
from tests.unit.definitions.r4_populated import SAMPLES

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
DIV = f"<div {XHTML}><!-- <div> --><p title='a>b' >&lt;é&#160;&quot;<br/>\r\n</p><div/><![CDATA[</div>]]></div>"
MORE = [{"url": "urn:example:more", "valueDecimal": Decimal("1.50")}]
DEPTH = 3


def full(type_, variant):
    """A resource with each element of its type; a variant takes the next type of each choice, once of all."""
    made = {"resourceType": type_, **_fill(type_, variant, DEPTH)}
    if "contained" in children(type_):
        made["contained"] = [{"resourceType": "Basic", "id": "c", "text": {"status": "generated", "div": DIV}}]
    return made


def forms(type_):
    """One resource for each JSON property of the type."""
    for element in children(type_).values():
        for name, ref in element.properties.items():
            yield {"resourceType": type_, **_property(element, name, ref, 0, 1)}


def _fill(place, variant, depth):
    made = {} if "." not in place and place[0].isupper() and "meta" in children(place) else {"id": "e1"}
    if place == "Extension":
        return made | {"url": "urn:example:x", "valueString": "a"}
    for name, element in children(place).items():
        if name == "contained" or (name == "id" and "id" in made):
            continue
        choices = list(element.properties.items())
        made |= _property(element, *choices[variant % len(choices)], variant, depth)
    return made


def _property(element, name, ref, variant, depth):
    if name == "id" and ref.code == "string":
        return {"id": "e1"}
    if ref.code == "xhtml":
        return {name: DIV}
    if primitive(ref.code):
        if element.path == "Extension.url":
            return {"url": "urn:example:x"}
        value = SAMPLES.get(ref.code, ' a\t<"&>\n\u00e9 \U0001f489')
        if element.repeats:
            beside = [None, {"extension": MORE}, {"id": "p", "extension": MORE}, None]
            return {name: [value, None, value, value], f"_{name}": beside}
        match (len(element.name) + variant) % 3:
            case 0:
                return {name: value}
            case 1:
                return {name: value, f"_{name}": {"id": "p", "extension": MORE}}
            case _:
                return {f"_{name}": {"extension": MORE}}
    if ref.code == "Resource":
        value = {"resourceType": ("Basic", "Patient", "Bundle")[variant % 3], "id": f"r{variant}"}
    elif not depth:
        value = {"id": "e2"}
    else:
        value = _fill(element.place(ref), variant, depth - 1)
    return {name: [value, value] if element.repeats else value}
