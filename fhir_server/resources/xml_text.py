"""XML text: the same resource as in JSON, nothing added and nothing lost.

May live here: reading FHIR's XML strictly (https://hl7.org/fhir/R4/xml.html) into the values that `json_text.read`
would give, and writing such values as XML. May not know: FHIR elements; `xml_places.py` has them from the definitions,
and `validation.py` checks what was read.

Strict means: what `xml_source.py` asks of the text; no processing instruction; the elements and attributes of the
definitions alone, in their order and namespace; no text outside a narrative; the depth that JSON may have. Whatever is
not so is a Problem 400 that says in which line, and of which element. Comments are passed over, save in a narrative:
that is kept character by character. A value that is not of its type is read as the text it is, for validation to name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from lxml import etree

from fhir_server.foundation.problem import Problem, problem
from fhir_server.resources import json_text
from fhir_server.resources.json_text import DEPTH
from fhir_server.resources.narrative import narrative
from fhir_server.resources.xml_places import DIV, FHIR, Part, place, resource_type
from fhir_server.resources.xml_source import Node, decoded, divs, parsed

_BLANK = " \t\r\n"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
_TRUTHS = {"true": True, "false": False}
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
# What no XML 1.0 text can say (https://www.w3.org/TR/xml/#charsets).
_UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def read(text: bytes, depth: int = DEPTH) -> dict[str, Any]:
    """The resource that the text says, as `json_text.read` would give it; elements are in the order of R4.

    Raises Problem 400 with the line where the text is not strict XML of a resource, or where its JSON would nest
    deeper than `depth` arrays and objects.
    """
    told = decoded(text)
    root = parsed(told, depth)
    for each in (*root.itersiblings(preceding=True), *root.itersiblings()):
        if _tag(each) is not etree.Comment:
            raise _refusal(each, "a processing instruction is not allowed")
    return _Reader(divs(told), depth).resource(root, 1, (_SCHEMA,))


def write(resource: Mapping[str, Any], *, pretty: bool = False) -> bytes:
    """XML text of a resource; Decimals keep their digits, a narrative its characters.

    What XML cannot say spoils no answer: U+FFFE and U+FFFF become U+FFFD; what stands beside the `id` or `url` that is
    an attribute, or beside a narrative, is left out. Raises Problem 406 for what is no resource.
    """
    out = [_HEAD]
    try:
        _write_resource(resource, out, "\n" if pretty else "", f' xmlns="{FHIR}"')
    except (KeyError, TypeError, ValueError, AttributeError) as unfit:
        raise problem(406, "not-supported", "this answer has no XML form; ask for application/fhir+json") from unfit
    return _UNSPEAKABLE.sub("\ufffd", "".join(out)).encode()


# --- reading: the elements ---


class _Reader:
    """One reading; `divs` are the narratives still to come, in the order of the document."""

    __slots__ = ("depth", "divs")

    def __init__(self, divs: Iterator[str], depth: int) -> None:
        self.divs = divs
        self.depth = depth

    def resource(self, node: Node, level: int, attributes: tuple[str, ...] = ()) -> dict[str, Any]:
        type_ = resource_type(_tag(node))
        if type_ is None:
            raise _strange(node, "resource type", ())
        for name in node.keys():  # noqa: SIM118 - an element is no mapping
            if name not in attributes:
                raise _refusal(node, f"`{_short(name)}` is no attribute of `{type_}`")
        made: dict[str, Any] = {"resourceType": type_}
        self._fill(node, type_, level, made)
        return made

    def _fill(self, node: Node, where: str, level: int, made: dict[str, Any]) -> None:
        """Put the children of an element in its JSON object, which stands `level` deep."""
        if level > self.depth:
            raise _refusal(node, f"more than {self.depth} levels deep")
        here = place(where)
        _check_text(node, node.text)
        turn = -1
        holes: list[str] = []
        for child in node:
            _check_text(node, child.tail)
            tag = _tag(child)
            if tag is etree.Comment:
                continue
            part = here.tags.get(tag)
            if part is None:
                raise _strange(child, f"element of `{where}`", tuple(here.parts))
            if part.order < turn:
                raise _refusal(child, f"`{part.name}` stands out of order")
            turn = part.order
            if part.repeats:
                self._repeated(child, part, level + 1, made, holes)
                continue
            if part.name in made or f"_{part.name}" in made:
                raise _refusal(child, f"`{part.name}` stands twice")
            value, twin = self._value(child, part, level + 1)
            if value is not None:
                made[part.name] = value
            if twin is not None:
                made[f"_{part.name}"] = twin
        for name in holes:
            if all(each is None for each in made[name]):
                del made[name]

    def _repeated(self, child: Node, part: Part, level: int, made: dict[str, Any], holes: list[str]) -> None:
        if level > self.depth:
            raise _refusal(child, f"more than {self.depth} levels deep")
        value, twin = self._value(child, part, level + 1)
        if part.name not in made:
            made[part.name] = []
            if part.kind not in ("object", "resource"):
                made[f"_{part.name}"] = []
                holes += (part.name, f"_{part.name}")
        made[part.name].append(value)
        if part.kind not in ("object", "resource"):
            made[f"_{part.name}"].append(twin)

    def _value(self, node: Node, part: Part, level: int) -> tuple[Any, dict[str, Any] | None]:
        """The value of an element and, of a primitive, what stands beside the value."""
        match part.kind:
            case "object":
                made: dict[str, Any] = {}
                known = place(part.inner).attributes
                for name, value in node.items():
                    if name not in known:
                        raise _refusal(node, f"`{_short(name)}` is no attribute of `{part.name}`")
                    made[str(name)] = value
                self._fill(node, part.inner, level, made)
                return made, None
            case "resource":
                return self._inner(node, part, level), None
            case "xhtml":
                if node.prefix is not None:
                    raise _refusal(node, "a narrative is a `div` without a prefix")
                return next(self.divs), None
            case _:
                return self._primitive(node, part, level)

    def _primitive(self, node: Node, part: Part, level: int) -> tuple[Any, dict[str, Any] | None]:
        value: Any = None
        beside: dict[str, Any] = {}
        for name, text in node.items():
            if name == "value":
                value = text if part.kind == "string" else _typed(node, part, str(text))
            elif name == "id":
                beside["id"] = text
            else:
                raise _refusal(node, f"`{_short(name)}` is no attribute of `{part.name}`")
        if len(node) or node.text:
            self._fill(node, part.inner, level, beside)
        return value, beside if beside or value is None else None

    def _inner(self, node: Node, part: Part, level: int) -> dict[str, Any]:
        _check_text(node, node.text)
        if node.keys():
            raise _refusal(node, f"`{part.name}` has no attribute")
        held = []
        for child in node:
            _check_text(node, child.tail)
            if _tag(child) is etree.Comment:
                continue
            if not isinstance(_tag(child), str):
                raise _strange(child, "resource type", ())
            held.append(child)
        if len(held) != 1:
            raise _refusal(node, f"`{part.name}` holds one resource")
        return self.resource(held[0], level)


def _typed(node: Node, part: Part, text: str) -> Any:
    if part.kind == "boolean":
        return _TRUTHS.get(text, text)
    bare = text[1:] if text[:1] == "+" and text[1:2] != "-" else text
    if not _NUMBER.fullmatch(bare):
        return text
    try:
        return json_text.number(bare)
    except ValueError:
        raise _refusal(node, "this number is out of range") from None


def _check_text(node: Node, text: str | None) -> None:
    if text and text.strip(_BLANK):
        raise _refusal(node, "text stands outside an attribute")


# --- reading: only after a refusal, to say where ---


def _strange(node: Node, wanted: str, known: tuple[str, ...]) -> Problem:
    if not isinstance(node.tag, str):
        return _refusal(node, "a processing instruction is not allowed")
    name = etree.QName(node)
    if name.namespace != FHIR and node.tag != DIV:
        return _refusal(node, f"`{_short(name.localname)}` is not of the namespace `{FHIR}`")
    if name.localname == "div" and "div" in known:
        return _refusal(node, "a narrative is a `div` of the XHTML namespace")
    near = get_close_matches(name.localname[:64], known, 1)
    advice = f"; did you mean `{near[0]}`" if near else ""
    return _refusal(node, f"`{_short(name.localname)}` is no {wanted}{advice}")


def _short(name: str) -> str:
    return name.rpartition("}")[2][:64]


def _refusal(node: Node, reason: str) -> Problem:
    return problem(400, "structure", f"{reason} (line {node.sourceline or 1})", _path(node))


def _path(node: Node) -> str | None:
    """The FHIRPath of an element, as far as the definitions know it."""
    chain = [node, *node.iterancestors()][::-1]
    path = where = _type(chain[0])
    for each in chain[1:]:
        if not where:
            where = _type(each)  # a resource in another: no step of its own
            continue
        part = place(where).tags.get(_tag(each))
        if part is None:
            break
        before = sum(1 for _ in each.itersiblings(_tag(each), preceding=True))
        path += f".{part.path}[{before}]" if part.repeats else f".{part.path}"
        where = part.inner
    return path or None


def _type(node: Node) -> str:
    tag = _tag(node)
    return (resource_type(tag) if isinstance(tag, str) else None) or ""


def _tag(node: Node) -> Any:
    """The qualified name of an element; what is none has a function instead."""
    return node.tag


# --- writing ---


def _write_resource(node: Mapping[str, Any], out: list[str], pad: str, more: str = "") -> None:
    type_ = node["resourceType"]
    if resource_type(f"{{{FHIR}}}{type_}") is None:
        raise ValueError(type_)
    held = {name: value for name, value in node.items() if name != "resourceType"}
    _write_object(type_ + more, held, type_, out, pad)


def _write_object(head: str, node: Mapping[str, Any], where: str, out: list[str], pad: str) -> None:
    """An element of this name and attributes with its children, each on a line of its own where `pad` begins one."""
    here = place(where)
    parts = here.parts
    turns: dict[str, int] = {}
    for key in node:
        if key in here.attributes:
            head += f' {key}="{node[key].translate(_ESCAPES)}"'
            continue
        form = key if key in parts else key.removeprefix("_")
        if form in here.attributes:
            continue
        turns[form] = parts[form].order
    out.append(f"{pad}<{head}")
    if not turns:
        out.append("/>")
        return
    out.append(">")
    inner = f"{pad}  " if pad else ""
    for form in turns if len(turns) == 1 else sorted(turns, key=turns.__getitem__):
        part = parts[form]
        if not part.repeats:
            _WRITE[part.kind](part, node.get(form), node.get(f"_{form}"), out, inner)
            continue
        values, twins = node.get(form) or (), node.get(f"_{form}") or ()
        for at in range(max(len(values), len(twins))):
            value = values[at] if at < len(values) else None
            _WRITE[part.kind](part, value, twins[at] if at < len(twins) else None, out, inner)
    out.append(f"{pad}</{head.partition(' ')[0]}>")


def _write_part(part: Part, value: Any, _: Any, out: list[str], pad: str) -> None:
    _write_object(part.name, value, part.inner, out, pad)


def _write_inner(part: Part, value: Any, _: Any, out: list[str], pad: str) -> None:
    out.append(f"{pad}<{part.name}>")
    _write_resource(value, out, f"{pad}  " if pad else "")
    out.append(f"{pad}</{part.name}>")


def _write_div(_: Part, value: Any, __: Any, out: list[str], pad: str) -> None:
    # what was stored is well formed (txt-1); the declaration that it may begin with stands at the root only
    if value is None:
        return
    if narrative(value) is not None:
        raise ValueError("div")
    out.append(pad + (value.partition("?>")[2] if value.startswith("<?xml") else value))


def _write_primitive(part: Part, value: Any, twin: Any, out: list[str], pad: str) -> None:
    head = part.name if value is None else f'{part.name} value="{_text(value)}"'
    if twin:
        _write_object(head, twin, part.inner, out, pad)
    else:
        out.append(f"{pad}<{head}/>")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


_WRITE: Mapping[str, Callable[[Part, Any, Any, list[str], str], None]] = {
    "object": _write_part,
    "resource": _write_inner,
    "xhtml": _write_div,
    "string": _write_primitive,
    "number": _write_primitive,
    "boolean": _write_primitive,
}
