"""The words, switches and durations of the law as a page: what each is, its value, its source, how sure we are.

May live here: the page made from `profiles/dmp/rules.json` and `profiles/dmp/law-sources.json`. May not know: a rule.
"""

from __future__ import annotations

from typing import Any

from fhir_server.definitions.library import profile_json


def value_at(path: str) -> Any:
    """The value of `rules.json` at a dotted path. KeyError where there is none."""
    at = profile_json("dmp/rules.json")
    for key in path.split("."):
        at = at[key]
    return at


def document() -> str:
    """The page, in Markdown."""
    table = profile_json("dmp/law-sources.json")
    letters = "; ".join(f"{letter}, {what}" for letter, what in table["certainty"].items())
    lines = [
        "# Words, switches and durations",
        "",
        "Made from `profiles/dmp/rules.json` and `profiles/dmp/law-sources.json` by `make docs`; edit there. To change",
        "the law is to change these: a test turns each over alone and sees a decision, or what reads it, change.",
        f"Certainty: {letters}.",
        "",
        "| where | what | value | source | certainty |",
        "|---|---|---|---|---|",
    ]
    for path, row in table["rows"].items():
        lines.append(f"| `{path}` | {row['what']} | {_told(value_at(path))} | {row['source']} | {row['certainty']} |")
    return "\n".join(lines) + "\n"


def _told(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case dict():
            return "; ".join(f"{name}: {_told(each)}" for name, each in value.items())
        case list():
            return ", ".join(f"`{each}`" for each in value)
        case str():
            return f"`{value}`"
        case _:
            return str(value)
