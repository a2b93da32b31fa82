"""References: where a resource names others, and how those names are changed or taken away.

May live here: finding links in a resource, rewriting them when ids are assigned, and showing a resource without its
mention of another. May not know: which resources exist or are hidden; that is told by the caller.

A link is a literal reference (https://hl7.org/fhir/R4/references.html#literal), a value of type uri, url, oid, uuid or
canonical, or an `href` or `src` in a narrative. Local means relative, `Type/id`, with or without a version. Of these
only references, attachments and narrative links are ever made relative: all else is kept as it was sent, and names a
resource of this server by an absolute URL too. References in the entries of a Bundle that is stored resolve within
that Bundle (https://hl7.org/fhir/R4/bundle.html#references): they are never changed, only found and taken away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from html import escape, unescape
from posixpath import normpath
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from fhir_server.definitions.compartments import may_be_owned
from fhir_server.definitions.elements import Property, children, properties

_LOCAL = re.compile(r"([A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?")
_TAIL = re.compile(r"(?:^|/)([A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?$")
_ELSEWHERE = re.compile(
    r"[A-Za-z][A-Za-z0-9+.\-]*:[^?#|]*/"
    r"([A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?"
)
_VERSION = re.compile(r"/_history/[A-Za-z0-9\-.]{1,64}$")
_ATTRIBUTE = re.compile(r"(?P<before>\b(?:href|src)\s*=\s*)(?P<quote>[\"'])(?P<link>.*?)(?P=quote)", re.DOTALL)
# What a transaction replaces; "Elements of type canonical are not replaced" (https://hl7.org/fhir/R4/http.html#trules).
REPLACED = frozenset(("reference", "attachment", "uri", "url", "oid", "uuid", "narrative"))
_LINKS = frozenset(("uri", "url", "oid", "uuid", "canonical"))
_LAST = frozenset("ilIL")
_SHORTENED = frozenset(("reference", "attachment", "narrative"))
_ANY = frozenset(("", "http", "https"))
_ENTRIES = ("Bundle", "entry")
_UNTYPED: Mapping[str, Property] = {}


class Link(NamedTuple):
    """One link: FHIRPath of the element that holds it, its text, and what it is.

    That is `reference`, `attachment` (its url), `narrative`, or a primitive type.
    """

    path: str
    text: str
    kind: str


def local(text: object) -> str | None:
    """`Type/id` of a relative literal reference, without version or fragment; None for any other text."""
    found = _LOCAL.fullmatch(text) if isinstance(text, str) else None
    return found[1] if found else None


def here(text: object, base: str) -> str | None:
    """`Type/id` of a link to a resource of this server, relative or below its `base`; a version is passed by."""
    return local(_below(text.strip(), base).partition("|")[0]) if isinstance(text, str) else None


def linked(text: str, base: str = "") -> str | None:
    """`Type/id` of a narrative link, however it is spelt that a browser would follow it to a resource of this server.

    Links to other hosts than that of the `base` are none.
    """
    return _followed(_below("".join(text.split()), base), frozenset(("",)))


def anywhere(text: object) -> str | None:
    """`Type/id` of a link to a resource, on whatever server if it may lie in a record; None for any other text."""
    if not isinstance(text, str):
        return None
    bare = text.strip().partition("|")[0]
    found = _ELSEWHERE.fullmatch(bare)
    if not found:
        return local(bare)
    return found[1] if may_be_owned(found[1].partition("/")[0]) else None


def find(resource: Mapping[str, Any], *, entries: bool = False) -> Iterator[Link]:
    """Every link of a resource, in document order, those of contained resources and extensions included.

    With `entries` also those within the entries of a Bundle.
    """
    yield from _find(resource, resource["resourceType"], resource["resourceType"], entries)


def local_references(resource: Mapping[str, Any], base: str = "") -> list[str]:
    """`Type/id` of every literal reference, url, uri and narrative link to a resource of the server at `base`.

    Each once, in document order; those within the entries of a Bundle too.
    """
    found: dict[str, None] = {}
    _collect(resource, found, base)
    return list(found)


def may_change(text: str, base: str) -> bool:
    """Whether a resource of this JSON text may have a condition for a reference, or a link to the server at `base`.

    One that has neither is as `relative_to` leaves it, and nothing in it has to be looked for. A narrative may spell an
    address otherwise than it is read.
    """
    return "?" in text or '"div"' in text or (bool(base) and base.lower() in text.lower())


def rewrite(resource: dict[str, Any], names: Mapping[str, str], but: Collection[str] = frozenset()) -> dict[str, Any]:
    """The resource with every link that is a key of `names` replaced, `but` these; canonicals stay (transaction rules).

    A link matches whole, or by what stands before its version or its `#`; the fragment is kept and the version is not,
    because the resource under its new name has versions of its own.
    """
    made: dict[str, Any] = _changed(resource, resource["resourceType"], _renamer(names, but))
    return made


def relative_to(resource: dict[str, Any], base: str, links: Iterable[Link] | None = None) -> dict[str, Any]:
    """The resource with the absolute references to this server (`base` without a last slash) made relative.

    So each is found by one spelling. An attachment is one, because its content is a Binary; so is a narrative link.
    A URL that only begins like the base is not, and identifies what it did: https://hl7.org/fhir/R4/references.html.
    `links` are those of the resource, if they are known; the resource itself comes back where none of them changes.
    """

    def shorten(text: str, kind: str) -> str:
        said = text.strip()
        short = _below(said, base) if kind in _SHORTENED else said
        if short == said:
            return text
        if kind == "narrative":
            return short if linked(short) else text
        return short if _LOCAL.fullmatch(short) or (kind == "reference" and "?" in short) else text

    if not any(shorten(text, kind) != text for _, text, kind in (find(resource) if links is None else links)):
        return resource
    made: dict[str, Any] = _changed(resource, resource["resourceType"], shorten)
    return made


def drop(resource: dict[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    """The resource without its mentions of the resources named in `hidden` (`Type/id`); decisions 16.

    A reference to one goes, and so does whatever cannot stand without it: an element that it left empty, an item that
    lacks a required element (an entry of a List, a `relatesTo`), an extension without its value. The narrative of what
    lost something goes too: nobody can say which of its words spoke of the hidden one.

    INVARIANT (no address tells): what mentions a hidden one loses every link that ends in its name, whatever the host:
    the address of this server may have been another when it was stored. `search/reference.py`, `mentioned`, does so.
    """
    shown = _without(resource, resource["resourceType"], hidden, root=True)
    return resource if shown is None else shown


# --- walking ---


def _below(text: str, base: str) -> str:
    """What follows the base in a URL, which is compared as a browser does: any case; the text itself where nothing."""
    start = f"{base}/"
    return text[len(start) :] if base and text[: len(start)].lower() == start.lower() else text


def _followed(text: str, schemes: Collection[str]) -> str | None:
    try:
        parts = urlsplit("".join(text.split()))
    except ValueError:
        return None
    if parts.scheme not in schemes or (parts.netloc and not parts.scheme):
        return None
    found = _TAIL.search(normpath(unquote(parts.path)))
    return found[1] if found else None


def _place(node: Mapping[str, Any], property_: Property) -> str:
    if property_.type.code == "Resource":
        return str(node.get("resourceType", ""))
    return property_.element.place(property_.type)


def _properties(place: str) -> Mapping[str, Property]:
    return properties(place) if place else _UNTYPED


def _find(node: Mapping[str, Any], place: str, path: str, entries: bool) -> Iterator[Link]:
    known = _properties(place)
    for name, value in node.items():
        property_ = known.get(name)
        if property_ is None:
            yield from _find_in_twin(name, value, path)
            continue
        if (place, name) == _ENTRIES and not entries:
            continue
        step = f"{path}.{property_.element.name}"
        code = property_.type.code
        many = isinstance(value, list)
        for at, each in enumerate(value if many else [value]):
            here = f"{step}[{at}]" if many else step
            if isinstance(each, dict):
                yield from _find(each, _place(each, property_), here, entries)
            elif isinstance(each, str) and (kind := _kind(place, name, code)):
                yield from (Link(here, text, kind) for text in (_links(each) if kind == "narrative" else (each,)))


def _find_in_twin(name: str, value: Any, path: str) -> Iterator[Link]:
    if name.startswith("_"):
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                yield from _find(each, "Element", f"{path}.{name[1:]}", False)


def _kind(place: str, name: str, code: str) -> str | None:
    if place == "Reference" and name == "reference":
        return "reference"
    if place == "Attachment" and name == "url":
        return "attachment"
    if code == "xhtml":
        return "narrative"
    return code if code in _LINKS else None


def _links(div: str) -> list[str]:
    return [unescape(found["link"]) for found in _ATTRIBUTE.finditer(div)]


def _collect(node: Mapping[str, Any], found: dict[str, None], base: str) -> None:
    """By shape alone, which is quicker: the members of a Reference, and of what is written like one."""
    for name, value in node.items():
        if isinstance(value, str):
            if name == "reference" or _is_link(name):
                text = here(value, base)
                if text:
                    found[text] = None
            elif name == "div":
                found.update((text, None) for each in _links(value) if (text := linked(each, base)))
        elif isinstance(value, dict):
            _collect(value, found, base)
        elif isinstance(value, list):
            _collect_all(value, found, base)
            if _is_link(name):
                found.update((text, None) for each in value if (text := here(each, base)))


def _collect_all(several: list[Any], found: dict[str, None], base: str) -> None:
    for each in several:
        if isinstance(each, dict):
            _collect(each, found, base)
        elif isinstance(each, list):
            _collect_all(each, found, base)


def _is_link(name: str) -> bool:
    """Whether a member is written like a url, uri or canonical: `url`, `valueUri`, `instantiatesCanonical`."""
    return name[-1:] in _LAST and name.lower().endswith(("url", "uri", "canonical"))


# --- changing ---


def _renamer(names: Mapping[str, str], but: Collection[str]) -> Callable[[str, str], str]:
    def rename(text: str, kind: str) -> str:
        if kind not in REPLACED or text in but:
            return text
        if text in names:
            return names[text]
        stem, hash_, fragment = text.partition("#")
        new = names.get(stem) or names.get(_VERSION.sub("", stem))
        return text if new is None else new + hash_ + fragment

    return rename


def _changed(node: Any, place: str, change: Callable[[str, str], str]) -> Any:
    known = _properties(place)
    made: dict[str, Any] = {}
    for name, value in node.items():
        property_ = known.get(name)
        if property_ is None:
            made[name] = _changed_twin(value, change) if name.startswith("_") else value
        elif (place, name) == _ENTRIES:
            made[name] = value
        elif isinstance(value, list):
            made[name] = [_changed_value(each, place, name, property_, change) for each in value]
        else:
            made[name] = _changed_value(value, place, name, property_, change)
    return made


def _changed_value(value: Any, place: str, name: str, property_: Property, change: Callable[[str, str], str]) -> Any:
    if isinstance(value, dict):
        return _changed(value, _place(value, property_), change)
    kind = _kind(place, name, property_.type.code) if isinstance(value, str) else None
    if kind is None:
        return value
    if kind != "narrative":
        return change(value, kind)
    return _ATTRIBUTE.sub(lambda found: _attribute(found, change), value)


def _changed_twin(value: Any, change: Callable[[str, str], str]) -> Any:
    if isinstance(value, list):
        return [_changed_twin(each, change) for each in value]
    return _changed(value, "Element", change) if isinstance(value, dict) else value


def _attribute(found: re.Match[str], change: Callable[[str, str], str]) -> str:
    before = unescape(found["link"])
    after = change(before, "narrative")
    if after == before:
        return found[0]
    return f"{found['before']}{found['quote']}{escape(after)}{found['quote']}"


# --- taking away ---


def _without(node: dict[str, Any], place: str, hidden: Collection[str], *, root: bool = False) -> dict[str, Any] | None:
    """The node without mentions; the node itself when it has none; None when nothing of it can stand."""
    if place == "Reference" and anywhere(node.get("reference")) in hidden:
        return None
    known = _properties(place)
    made: dict[str, Any] = {}
    touched = False
    for name, value in node.items():
        kept = _kept(value, name, known, hidden)
        touched = touched or kept is not value
        if kept is not None:
            made[name] = kept
    if not touched:
        return node
    left = {name: value for name, value in made.items() if name not in known or known[name].type.code != "Narrative"}
    return left if root or _stands(left, node, place) else None


def _kept(value: Any, name: str, known: Mapping[str, Property], hidden: Collection[str]) -> Any:
    if isinstance(value, list):
        items = [_whole(_kept(each, name, known, hidden), each, name) for each in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        left = [new for new, old in zip(items, value, strict=True) if new is not None or old is None]
        return left if any(each is not None for each in left) else None
    if isinstance(value, str):
        property_ = known.get(name)
        code = property_.type.code if property_ is not None else ""
        if code == "xhtml":
            return None if any(_followed(text, _ANY) in hidden for text in _links(value)) else value
        return None if code in _LINKS and anywhere(value) in hidden else value
    if not isinstance(value, dict):
        return value
    if name in known:
        return _without(value, _place(value, known[name]), hidden)
    return _without(value, "Element", hidden) if name.startswith("_") else value


def _whole(made: Any, before: Any, name: str) -> Any:
    """What is left of an item; a nested provision of a Consent that lost its data would say more than it did."""
    lost = name == "provision" and isinstance(before, dict) and "data" in before and "data" not in (made or {})
    return None if lost else made


def _stands(made: Mapping[str, Any], before: Mapping[str, Any], place: str) -> bool:
    """Whether what is left of an element is still one: not empty, and nothing required is missing that was there."""
    if not any(name != "id" for name in made):
        return False
    if place == "Extension":
        return any(name not in {"url", "id"} for name in made)
    return not any(
        element.min
        and any(name in before for name in element.properties)
        and not any(name in made for name in element.properties)
        for element in children(place).values()
    )
