"""Build the pages of docs/reference that are made from tables of the code; `make docs` runs it, a test compares."""

from collections.abc import Callable
from pathlib import Path

import dmp_rules
import law
import rest_rows
import smart_rows
import survivors

from fhir_server import settings
from fhir_server.consent.explain import words
from fhir_server.consent.rules import rules_table
from fhir_server.definitions.library import load, profile_json
from fhir_server.definitions.search_parameters import unplaced
from fhir_server.interactions.operation_table import TABLE
from fhir_server.interactions.routes import ROUTES
from fhir_server.rounds.table import rounds_table
from fhir_server.search.supported import LEFT_OUT, supported

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
MADE = "Made from the code by `make docs`; do not edit."


def rules() -> str:
    """The ordered table of rules, each with its law."""
    return f"# Rules\n\n{MADE} What they mean together: [consent](../consent.md).\n\n{rules_table().strip()}\n"


def reasons() -> str:
    """Every reason code with its sentence, and who is told of as what in an explanation."""
    lines = [
        "# Reasons",
        "",
        f"{MADE} A reason says why something was shown or kept back: to the holder in `$explain-access`,",
        "to the operator in `fhir-server explain` and beside the trace, never to who was refused.",
        "",
        "| code | français | English |",
        "|---|---|---|",
        *(f"| `{code}` | {text} | {words('en')[code]} |" for code, text in words("fr").items()),
    ]
    return "\n".join(lines) + "\n"


def rounds() -> str:
    """What the passing of time brings to records."""
    when = "Who goes them, and when: [operating](../operating.md#rounds)."
    why = "Why: [ADR 30](../adr/0030-what-time-does-to-a-record.md)."
    return f"# Rounds\n\n{MADE} {when} {why}\n\n{rounds_table()}\n"


def matrix() -> str:
    """Who reads which class of document, with how sure we are of each cell."""
    table = profile_json("dmp/access-matrix.json")
    classes = table["classes"]
    lines = [
        "# Matrice d'habilitation",
        "",
        f"{MADE} A cell says yes, no or partial, and its certainty: {_certainty(table['certainty'])}.",
        f"Rule: {table['rule']}.",
        "",
        "| profession | " + " | ".join(f"{code} {words}" for code, words in classes.items()) + " |",
        "|---" * (len(classes) + 1) + "|",
    ]
    for code, row in table["professions"].items():
        cells = [row["classes"].get(class_) for class_ in classes]
        told = [f"{cell['access']} ({cell['certainty']})" if cell else "no" for cell in cells]
        lines.append(f"| {code} {row.get('display', '')} | " + " | ".join(told) + " |")
    lines += [
        "",
        "## Exceptions by type, and where each row comes from",
        "",
        "| profession | types | source |",
        "|---|---|---|",
    ]
    for code, row in table["professions"].items():
        types = [f"`{type_}` {cell['access']} ({cell['certainty']})" for type_, cell in row["types"].items()]
        sources = {cell["source"] for group in ("classes", "types") for cell in row[group].values()}
        lines.append(f"| {code} {row.get('display', '')} | {', '.join(types)} | {', '.join(sorted(sources))} |")
    return "\n".join(lines) + "\n"


def _certainty(words: dict[str, str]) -> str:
    return "; ".join(f"{letter}, {what}" for letter, what in words.items())


def search_parameters() -> str:
    """What each type can be searched by: exactly what `/metadata` advertises."""
    lines = ["# Search parameters", "", MADE, "", "| type | parameters |", "|---|---|"]
    for type_ in load().endpoints:
        found = ", ".join(f"{code} ({each.type})" for code, each in sorted(supported(type_).items()))
        lines.append(f"| {type_} | {found} |")
    lines += [
        "",
        "Besides, every type but a few takes `_text`, `_content` and `_filter`.",
        "",
        "## Published by R4, and not offered",
        "",
        "| parameter | because |",
        "|---|---|",
        *(f"| `{code}` | {why} |" for code, why in sorted(LEFT_OUT.items())),
        *(f"| `{url}` | {why} |" for url, why in sorted(unplaced().items())),
    ]
    return "\n".join(lines) + "\n"


def routes() -> str:
    """Every method and address of the FHIR base."""
    lines = [
        "# Routes of the FHIR base",
        "",
        MADE,
        "",
        "| method | address | interaction | types |",
        "|---|---|---|---|",
    ]
    for row in ROUTES:
        only = "[by operation](operations.md)" if row.interaction == "operation" else "all"
        lines.append(f"| {row.method} | `{row.template or '/'}` | {row.interaction} | {only} |")
    return "\n".join(lines) + "\n"


def operations() -> str:
    """Every operation, with what goes in."""
    lines = [
        "# Operations",
        "",
        f"{MADE} Each has its definition at `OperationDefinition/{{id}}`. What changes nothing may be asked",
        "by GET, its parameters in the query; what changes something is POSTed, with a Parameters resource. A right is",
        "the letter of a scope that the token must have for the type. `$everything` gives each type to a token that",
        "may search it (`s`), and so does what is asked of the whole server.",
        "",
    ]
    for each in TABLE:
        where = [
            f"`{type_}{step}/${each.name}`"
            for type_ in each.types or ("[type]",)
            for step, there in (("/[id]", each.instance), ("", each.type))
            if there
        ]
        where += [f"`${each.name}`"] if each.system else []
        right = f"`{each.right or 'none'}`" + (f", of a type `{each.right_of_type}`" if each.right_of_type else "")
        how = "POST" if each.affects else "GET or POST"
        lines += [
            f"## {each.title}",
            "",
            f"{', '.join(where)} · {how} · right {right} · answers {each.returns} · `{each.id}`",
            "",
            each.what,
            "",
        ]
        if each.parameters:
            lines += ["| parameter | type | times | what |", "|---|---|---|---|"]
            for row in each.parameters:
                times = f"{row.minimum}..{'*' if row.maximum is None else row.maximum}"
                lines.append(f"| `{row.name}` | {row.type} | {times} | {row.what} |")
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "../deviations.md": rest_rows.document,
    "smart.md": smart_rows.document,
    "settings.md": settings.document,
    "limits.md": settings.limits,
    "rules.md": rules,
    "requirements.md": dmp_rules.document,
    "law.md": law.document,
    "reasons.md": reasons,
    "rounds.md": rounds,
    "access-matrix.md": matrix,
    "mutants.md": lambda: survivors.page(MADE),
    "search-parameters.md": search_parameters,
    "routes.md": routes,
    "operations.md": operations,
}


def main() -> None:
    """Write every page."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), "utf-8")
        print(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
