"""Types and elements: the StructureDefinitions of the package as tables.

May live here: what `fhir_server/definitions/elements.py` reads (https://hl7.org/fhir/R4/structuredefinition.html).
May not know: code lists, search parameters.
"""

from __future__ import annotations

from r4_package import Package, Resource, Table, bare, extension, last

# Profiles of data types that base elements name as their type.
PROFILED = ("SimpleQuantity", "MoneyQuantity")
# The primitives whose JSON form is not a string (https://hl7.org/fhir/R4/json.html#primitive).
JSON_KINDS = {
    "boolean": "boolean",
    "integer": "number",
    "decimal": "number",
    "unsignedInt": "number",
    "positiveInt": "number",
}


def specializations(package: Package) -> list[Resource]:
    """The StructureDefinitions that define types, and the profiles that elements name as types; sorted by name."""
    chosen = [
        each
        for each in package["StructureDefinition"]
        if (each.get("derivation") != "constraint" and each["kind"] != "logical") or each["id"] in PROFILED
    ]
    return sorted(chosen, key=lambda each: each["id"])


def build_types(structures: list[Resource]) -> Table:
    """Every type by name: kind, base, whether abstract; for primitives the JSON kind and the regular expression."""
    table: Table = {}
    for each in structures:
        kind = "profile" if each.get("derivation") == "constraint" else each["kind"]
        row: Table = {"kind": kind, "url": each["url"]}
        if "baseDefinition" in each:
            row["base"] = last(each["baseDefinition"])
        if each["abstract"]:
            row["abstract"] = True
        if kind == "primitive-type":
            value = next(element for element in each["snapshot"]["element"] if element["path"] == f"{each['id']}.value")
            row["json"] = JSON_KINDS.get(each["id"], "string")
            regex = next((found for type_ in value["type"] if (found := extension(type_, "regex"))), None)
            row |= {key: found for key, found in (("regex", regex), ("maxLength", value.get("maxLength"))) if found}
        table[each["id"]] = row
    return table


def build_elements(structures: list[Resource]) -> Table:
    """The elements of every type that is not primitive, in order, with the invariants they name."""
    table: Table = {}
    for structure in structures:
        if structure["kind"] == "primitive-type":
            continue
        name, root = structure["id"], structure["type"]
        invariants: Table = {}
        rows = []
        for element in structure["snapshot"]["element"]:
            row = element_row(element, name + element["path"].removeprefix(root))
            if row["path"] == f"{name}.id" and structure["kind"] == "resource":
                # The package says string; it is an id (https://hl7.org/fhir/R4/resource.html#id).
                row["types"] = [{"code": "id"}]
            rows.append(row)
            for each in element.get("constraint", []):
                found = invariant_row(each)
                if invariants.setdefault(each["key"], found) != found:
                    raise SystemExit(f"`{name}` has two invariants `{each['key']}`")
        table[name] = {"elements": rows, "invariants": dict(sorted(invariants.items()))}
    return table


def element_row(element: Resource, path: str) -> Table:
    """One element: what differs from optional, single, neither summary nor modifier."""
    if unknown := [key for key in element if key.startswith(("fixed", "pattern", "minValue", "maxValue"))]:
        raise SystemExit(f"`{path}` has `{unknown[0]}`, which the tables have no place for")
    row: Table = {"path": path}
    if element["min"]:
        row["min"] = element["min"]
    if element["max"] != "1":
        row["max"] = element["max"]
    if "contentReference" in element:
        row["content"] = element["contentReference"].removeprefix("#")
    if "type" in element:
        row["types"] = [type_row(each) for each in element["type"]]
    if "binding" in element:
        row["binding"] = binding_row(element["binding"])
    row |= {key: True for key, name in (("summary", "isSummary"), ("modifier", "isModifier")) if element.get(name)}
    if keys := [each["key"] for each in element.get("constraint", [])]:
        row["invariants"] = keys
    return row


def type_row(type_: Resource) -> Table:
    """One type of an element: its code, reference targets, profile."""
    code = type_["code"]
    if code.startswith("http://hl7.org/fhirpath/"):
        code = extension(type_, "structuredefinition-fhir-type")
    row: Table = {"code": code}
    if targets := [last(each) for each in type_.get("targetProfile", [])]:
        row["targets"] = targets
    if profile := type_.get("profile"):
        row["profile"] = last(profile[0])
    return row


def binding_row(binding: Resource) -> Table:
    """A binding: strength, value set, and the value set that no code may leave."""
    row: Table = {"strength": binding["strength"]}
    if "valueSet" in binding:
        row["valueSet"] = bare(binding["valueSet"])
    if limit := extension(binding, "elementdefinition-maxValueSet"):
        row["max"] = bare(limit)
    return row


def invariant_row(constraint: Resource) -> Table:
    """An invariant: severity, what it says, its FHIRPath; whether it is only good practice."""
    row: Table = {key: constraint[key] for key in ("severity", "human", "expression")}
    if extension(constraint, "elementdefinition-bestpractice"):
        row["bestPractice"] = True
    return row
