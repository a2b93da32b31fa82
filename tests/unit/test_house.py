"""The house rules that no linter knows: sizes, laws, doors, words, and that what exists is documented."""

import ast
import configparser
import re
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fhir_server"
FOLDERS = ("fhir_server", "tests", "tools", "examples", "bench")

# Each exception is named, with its reason.
LONGER_THAN_A_SITTING: dict[str, str] = {}
COLLECTIONS_IN = (
    "store/",
    "sandbox/",
    "audit_event/book.py",
    "audit_event/ledger.py",
    "audit_event/seals.py",
    "notices/outbox.py",
    "smart/records.py",
)
REPOSITORIES_IN = ("smart/", "http/")  # `find` of smart.records; neither floor has a collection, setup.cfg sees to it
FINDERS = {"references": "resources.references finds references in a resource"}
HANDLES = {
    "interactions/pipeline.py": "handle",
    "smart/authorization_server.py": "handle_response",
}  # the second is Authlib's name
FRENCH_CODES_IN = {
    "consent/": "the rules speak of labels and document types",
    "smart/identity.py": "Pro Santé Connect's claims",
    "resources/facts.py": "what the access facts are read from",
    "audit_event/": "the modes of access",
    "notices/": "what is told",
    "sandbox/": "it plays the world outside: an identity provider, a hospital, an audience",
}
FIELD_WORDS = {"TOKEN_SERVICE": "the BALP role", "service_start": "XDS serviceStartTime", "service_stop": "its end"}


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# `joint`: whether several patients own it; written by store/documents.py, as `data_author` of traces
FACTS = names(
    "patient patients type class label author organization submitter encounter period state"
    " about mentions names held joint hidden item data_author"
)
ENVELOPE = names("id resource version updated deposited token")


@cache
def modules() -> tuple[Path, ...]:
    return tuple(sorted(PACKAGE.rglob("*.py")))


@cache
def every_python_file() -> tuple[Path, ...]:
    return tuple(sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT).as_posix()


def within(path: Path, places) -> bool:
    return any(name_of(path).startswith(place) for place in places)


def strings(path: Path):
    """The string literals of a module, its docstrings apart."""
    said = {id(node.value) for node in ast.walk(tree(path)) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value, node.lineno


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


def listed(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


# -- sizes and laws ---------------------------------------------------------------------------------------------------


def test_every_file_can_be_read_in_a_sitting():
    long = {name_of(path) for path in every_python_file() if len(path.read_text("utf-8").splitlines()) > 400}
    assert set(LONGER_THAN_A_SITTING) == long


def test_every_module_begins_with_its_law():
    """A room says what may live there; the module of one interaction or grant may let its specification say it."""
    lawless = []
    for path in modules():
        law = ast.get_docstring(tree(path)) or ""
        first = law.partition("\n\n")[0]
        tells = re.search(r"[Mm]ay (not )?live here|[Mm]ay not|lives here|https://|DMP-\d", law)
        if not re.search(r"[.:]$", first) or not (tells or path.name in ("__init__.py", "__main__.py")):
            lawless.append(name_of(path))
    assert [] == lawless


def test_the_foundation_imports_the_standard_library_only():
    foreign = set()
    for path in (PACKAGE / "foundation").glob("*.py"):
        for node in ast.walk(tree(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            foreign |= {name for name in names if name.split(".")[0] not in {*sys.stdlib_module_names, "fhir_server"}}
    assert set() == foreign


# -- doors ------------------------------------------------------------------------------------------------------------

ONLY_COLLECTIONS = names(
    """find_one find_one_and_update find_one_and_replace find_one_and_delete aggregate find_raw_batches insert_one
    insert_many update_one update_many replace_one delete_one delete_many bulk_write count_documents
    distinct watch get_collection"""
)


def test_a_collection_is_asked_in_the_rooms_that_hold_one_and_nowhere_else():
    strays = []
    for path in modules():
        if within(path, COLLECTIONS_IN):
            continue
        for node in ast.walk(tree(path)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            receiver = node.func.value
            asked = receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")
            found = node.func.attr == "find" and asked not in FINDERS and not within(path, REPOSITORIES_IN)
            if node.func.attr in ONLY_COLLECTIONS or found:
                strays.append(f"{name_of(path)}:{node.lineno} {asked}.{node.func.attr}")
    assert [] == strays


def test_no_floor_above_the_store_takes_a_collection_from_the_shelf():
    strays = []
    for path in modules():
        if within(path, ("store/", "sandbox/", "commands/")):
            continue
        for node in ast.walk(tree(path)):
            shelf = node.value if isinstance(node, ast.Attribute) else None
            held = shelf.attr if isinstance(shelf, ast.Attribute) else getattr(shelf, "id", "")
            if held in ("shelf", "_shelf") and node.attr in (
                "resources",
                "history",
                "ledger",
                "carried",
                "outbox",
                "of",
            ):
                strays.append(f"{name_of(path)}:{node.lineno}")
    assert [] == strays


def test_no_query_runs_code_and_no_record_is_negated_element_by_element():
    """`$ne` on an array asks another question than it seems to; `$nor` does not (store/mongo.py)."""
    strays = [
        f"{name_of(path)}:{line} {text}"
        for path in modules()
        for text, line in strings(path)
        if text in ("$where", "$function", "$ne", "$nin", "$not")
    ]
    assert [] == strays


def test_below_http_authlib_is_used_without_its_flask_half():
    """import-linter sees `authlib` as one name; its Flask integration would bring the framework below the skin."""
    strays = [
        f"{name_of(path)}:{node.lineno}"
        for path in modules()
        if not within(path, ("http/", "sandbox/", "app.py"))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("authlib.integrations")
    ]
    assert [] == strays


def pure_modules() -> set[str]:
    listed_ = listed(setup()["importlinter:contract:pure"]["source_modules"])
    return {each for each in listed_ if each.startswith("fhir_server.consent.")}


def test_every_module_of_consent_but_its_reader_is_held_to_be_pure():
    there = {f"fhir_server.consent.{path.stem}" for path in (PACKAGE / "consent").glob("*.py")}
    assert there - {"fhir_server.consent.__init__", "fhir_server.consent.directives"} == pure_modules()


def test_a_decision_reads_no_clock():
    clocks = {"now", "today", "utcnow", "time", "monotonic", "time_ns"}
    strays = [
        f"{name_of(path)}:{node.lineno}"
        for path in modules()
        if "fhir_server." + name_of(path).removesuffix(".py").replace("/", ".") in pure_modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in clocks
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"datetime", "date", "time"}
    ]
    assert [] == strays


def test_the_floors_of_setup_cfg_name_every_room():
    """import-linter refuses a room without a floor; this says the same of the rooms that stand outside."""
    outside = set(listed(setup()["importlinter:contract:floors"]["exhaustive_ignores"]))
    assert {"app", "commands", "profiles", "sandbox", "settings"} == outside


# -- words ------------------------------------------------------------------------------------------------------------

FRENCH_CODE = re.compile(
    r"MASQUE_PS|INVISIBLE_(PATIENT|REPRESENTANTS_LEGAUX)|1\.2\.250\.1\.|"
    r"(?<![\d-])\d{4,5}-\d(?![\d-])|mos\.esante\.gouv\.fr"
)
FORBIDDEN_WORDS = names("process manager helper helpers utils util service impl")


def test_french_codes_come_from_the_profiles():
    """The envelope of a rule is code; its words are data, in profiles/dmp."""
    strays = [
        f"{name_of(path)}:{line} {found.group()}"
        for path in modules()
        if not within(path, FRENCH_CODES_IN)
        for text, line in strings(path)
        if (found := FRENCH_CODE.search(text))
    ]
    assert [] == strays


def declared(path: Path):
    yield path.stem, 0
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def words_in(identifier: str) -> set[str]:
    return {each.lower() for each in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)}


def test_things_are_named_for_what_they_are():
    strays = [
        f"{name_of(path)}:{line} {name}"
        for path in every_python_file()
        if not path.is_relative_to(ROOT / "tests")
        for name, line in declared(path)
        if words_in(name) & FORBIDDEN_WORDS and name not in FIELD_WORDS
    ]
    assert [] == strays


def test_only_the_pipeline_handles():
    handled = {
        name_of(path): node.name
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef) and "handle" in words_in(node.name)
    }
    assert HANDLES == handled


def test_a_refusal_is_a_sentence_without_capital_and_full_stop():
    strays = []
    for path in modules():
        for node in ast.walk(tree(path)):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("problem", "bad_request")):
                continue
            for text in (each.value for each in node.args[-1:] if isinstance(each, ast.Constant)):
                if isinstance(text, str) and (text.endswith(".") or re.match(r"[A-Z][a-z]+ ", text)):
                    strays.append(f"{name_of(path)}:{node.lineno} {text}")
    assert [] == strays


# -- facts ----------------------------------------------------------------------------------------


def test_a_rule_asks_only_of_facts_that_are_written():
    """A rule that names a fact nobody writes would see nothing, or everything (docs/adr/0001)."""
    nodes = {"Has", "Exists", "Between", "Prefix", "Span", "Some", "one_of"}
    strays = [
        f"{name_of(path)}:{node.lineno} {node.args[0].value}"
        for path in modules()
        if within(path, ("consent/", "smart/", "interactions/"))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") in nodes
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value not in FACTS | ENVELOPE
    ]
    assert [] == strays
