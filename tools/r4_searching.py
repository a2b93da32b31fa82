"""Search parameters and compartments of the package as tables.

May live here: what `search_parameters.py` and `compartments.py` of `fhir_server/definitions` read
(https://hl7.org/fhir/R4/searchparameter.html). May not know: how an expression is evaluated.
"""

from __future__ import annotations

import re

from r4_package import Package, Resource, Table


def build_search_parameters(package: Package, types: Table, elements: Table) -> tuple[Table, Table]:
    """Parameters by base type and code, and those that define nothing on any type with the reason why."""
    table: Table = {}
    unplaced: Table = {}
    extensions = {each["url"]: each for each in package["StructureDefinition"] if each["type"] == "Extension"}
    for published in package["SearchParameter"]:
        parameter = published if published.get("base") else based(published, extensions)
        if reason := why_unplaced(parameter):
            unplaced[parameter["url"]] = {"code": parameter["code"], "reason": reason}
            continue
        for base in parameter["base"]:
            placed = table.setdefault(base, {})
            if parameter["code"] in placed:
                raise SystemExit(f"`{base}` has two search parameters `{parameter['code']}`")
            placed[parameter["code"]] = parameter_row(parameter, base, types, elements)
    return {base: dict(sorted(rows.items())) for base, rows in sorted(table.items())}, dict(sorted(unplaced.items()))


def based(parameter: Resource, extensions: Table) -> Resource:
    """A parameter that names no base, with the one that its XPath names, which is of an extension.

    The extension says what type its value has.
    """
    found = re.match(r"f:(\w+)/f:extension\[@url='([^']+)'\]", parameter.get("xpath", ""))
    if not found or found[2] not in extensions:
        return parameter
    values = (each for each in extensions[found[2]]["snapshot"]["element"] if each["path"] == "Extension.value[x]")
    kinds = [type_["code"] for each in values for type_ in each["type"]]
    parts = [f"{found[1]}.extension('{found[2]}').value.as({kind})" for kind in kinds]
    return {**parameter, "base": [found[1]], "expression": " | ".join(parts)}


def why_unplaced(parameter: Resource) -> str | None:
    """The reason why a parameter of the package belongs to no type."""
    if parameter["id"].startswith("example"):
        return "an example of how a search parameter is written"
    if not parameter.get("base"):
        return "it names no base type"
    return None


def parameter_row(parameter: Resource, base: str, types: Table, elements: Table) -> Table:
    """One parameter as it stands on one base: only the parts of the expression that begin there."""
    row: Table = {key: parameter[key] for key in ("url", "type")}
    parts = parts_of(parameter.get("expression", ""), base)
    if parts:
        row["expression"] = " | ".join(parts)
    if text := description(parameter["description"], base):
        row["description"] = text
    if targets := parameter.get("target"):
        row["targets"] = narrowed(targets, parts, types, elements)
    if components := parameter.get("component"):
        row["components"] = [{"url": each["definition"], "expression": each["expression"]} for each in components]
    return row


def parts_of(expression: str, base: str) -> list[str]:
    """The parts of a union that begin at the base type; a part that names no type begins at any."""
    parts = [each.strip() for each in re.split(r"\|(?![^()]*\))", expression)]
    head = re.compile(r"\(?([A-Z][A-Za-z]+)\b")
    return [each for each in parts if each and ((found := head.match(each)) is None or found[1] == base)]


def description(text: str, base: str) -> str:
    """What the parameter means on one base: of a text for several, the line that names it."""
    for line in text.splitlines():
        if found := re.match(rf"\* \[{base}\]\([^)]*\): *(.*)", line.strip()):
            return found[1].strip()
    return " ".join(text.split())


def narrowed(targets: list[str], parts: list[str], types: Table, elements: Table) -> list[str]:
    """The declared targets that the elements behind the expression may hold on this base."""
    possible: set[str] = set()
    for part in parts:
        found = targets_behind(part, elements)
        if found is None:
            return targets
        possible |= found
    if "Resource" in possible or not possible:
        return targets
    kept = [each for each in targets if each in possible]
    return kept or sorted(each for each in possible if each in types)


def targets_behind(part: str, elements: Table) -> set[str] | None:
    """The reference targets of the element at the end of a path; None where the path is not a plain one."""
    found = re.fullmatch(r"\(?([\w.]+)(?:\.where\(resolve\(\) is (\w+)\)| as Reference\))?", part)
    if not found:
        return None
    if found[2]:
        return {found[2]}
    base, *names = found[1].split(".")
    path, result = base, set[str]()
    for name in names:
        owner = path.split(".")[0]
        choices = (f"{path}.{name}", f"{path}.{name}[x]")
        row = next(
            (each for each in elements.get(owner, {"elements": []})["elements"] if each["path"] in choices), None
        )
        if row is None:
            return None
        result = {target for each in row.get("types", []) for target in each.get("targets", ["Resource"])}
        codes = [each["code"] for each in row.get("types", [])]
        path = row.get("content") or (row["path"] if codes[0] in ("BackboneElement", "Element") else codes[0])
    return result


def build_compartments(package: Package) -> Table:
    """For each compartment, the parameters that put a resource of a type into it; types outside are not listed."""
    return {
        each["code"]: {resource["code"]: resource["param"] for resource in each["resource"] if resource.get("param")}
        for each in package["CompartmentDefinition"]
        if not each["id"].startswith("example")
    }
