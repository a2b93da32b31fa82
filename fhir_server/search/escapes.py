r"""Escapes: `\,` `\|` `\$` `\\` in a search value (https://hl7.org/fhir/R4/search.html#escaping).

May live here: splitting at a separator that is not escaped, and taking the escapes away. Knows no parameter.
"""

from __future__ import annotations

from fhir_server.foundation.problem import bad_request

_ESCAPED = ",|$\\"


def split(text: str, separator: str) -> list[str]:
    """The pieces between unescaped separators, their own escapes kept: at least one piece."""
    if "\\" not in text:
        return text.split(separator)
    pieces, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == separator:
            pieces.append(text[start:at])
            start = at + 1
        at += 1
    pieces.append(text[start:])
    return pieces


def plain(text: str) -> str:
    """The text without its escapes; Problem 400 for a backslash before anything else."""
    if "\\" not in text:
        return text
    kept = []
    letters = iter(text)
    for letter in letters:
        if letter != "\\":
            kept.append(letter)
            continue
        escaped = next(letters, "")
        if not escaped or escaped not in _ESCAPED:
            raise bad_request("a backslash in a search value stands before `,` `|` `$` or another backslash")
        kept.append(escaped)
    return "".join(kept)


def escape(text: str) -> str:
    """The text as a search value that means exactly it."""
    return "".join(f"\\{letter}" if letter in _ESCAPED else letter for letter in text)
