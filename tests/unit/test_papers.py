"""The papers tell the truth: what exists is documented, what is cited exists, and nothing says where it was made."""

import json
import os
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_OURS = frozenset(
    {".git", ".venv", ".cache", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache"}
    | {"__pycache__", "build", "data", "var", "node_modules", "mutants"}
)
TEXT = frozenset({".py", ".md", ".cfg", ".toml", ".json", ".html", ".css", ".http", ".yaml", ".yml", ".lock", ""})


@cache
def every_text_file() -> tuple[Path, ...]:
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [each for each in folders if each not in NOT_OURS and not each.endswith(".egg-info")]
        found += [Path(folder) / name for name in names if _is_text(name)]
    return tuple(sorted(found))


def _is_text(name: str) -> bool:
    return Path(name).suffix in TEXT and not name.startswith(".coverage")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_rule_says_what_it_does_and_stands_in_the_page_on_consent():
    from fhir_server.consent.rules import RULES

    page = (ROOT / "docs" / "consent.md").read_text("utf-8")
    undocumented = [
        rule.__name__ for rule in RULES if not (rule.__doc__ or "").strip() or f"`{rule.__name__}`" not in page
    ]
    assert [] == undocumented


def test_every_command_has_a_page_of_help_and_a_line_in_the_operating_guide():
    from fhir_server.commands import COMMANDS

    page = (ROOT / "docs" / "operating.md").read_text("utf-8")
    assert [] == [name for name in COMMANDS if f"`{name}`" not in page]


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "adr").glob("*.md")), ids=lambda path: path.stem)
def test_a_decision_record_has_a_date_its_reasons_and_what_was_rejected(path):
    text = path.read_text("utf-8")
    assert re.match(r"# \d{4}\. \S", text)
    assert path.stem[:4] == text[2:6]
    assert re.search(r"^Date: \d{4}-\d{2}-\d{2}$", text, re.MULTILINE)
    assert re.search(r"^Status: (accepted|superseded by \d{4})$", text, re.MULTILINE)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert ["Context", "Decision", "Rejected", "Consequences"] == headings


def test_the_first_ten_decisions_are_on_record():
    assert [f"{number:04}" for number in range(1, 11)] == sorted(
        path.name[:4] for path in (ROOT / "docs" / "adr").glob("*.md")
    )[:10]


def test_every_link_of_a_page_leads_somewhere():
    lost = []
    for path in every_text_file():
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
            if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists():
                lost.append(f"{name_of(path)} -> {target}")
    assert [] == lost


def test_every_test_that_the_readme_cites_exists():
    cited = re.findall(r"`(tests/[\w/.]+)`", (ROOT / "README.md").read_text("utf-8"))
    assert cited
    assert [] == [each for each in cited if not (ROOT / each).exists()]


def test_the_two_commands_stand_at_the_top_of_the_readme():
    top = (ROOT / "README.md").read_text("utf-8").splitlines()[:30]
    assert {"make demo", "make test"} <= {line.split("  ")[0].strip() for line in top}


def test_the_changelog_has_a_place_for_what_is_to_come():
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()


# -- where it was made is nobody's business ---------------------------------------------------------------------------

PLACE = re.compile(
    r"(?<![\w.}$-])/(?:work|root|home/[a-z])/|/tmp/\w+|file://|"
    r"pypi\.org/simple|pythonhosted\.org|registry\.npmjs|repo1\.maven|(?<!emit-)index-url|extra-index"
)


def test_nothing_names_the_machine_it_was_made_on_or_the_host_it_was_fetched_from():
    strays = [
        f"{name_of(path)} {found.group()}"
        for path in every_text_file()
        if path != Path(__file__)
        if (found := PLACE.search(path.read_text("utf-8", "replace")))
    ]
    assert [] == strays


@pytest.mark.parametrize("path", ["requirements.lock", "tests/interop/requirements.lock"])
def test_the_lock_pins_everything_by_hash_and_names_no_address(path):
    lock = (ROOT / path).read_text("utf-8")
    pinned = re.findall(r"^[a-z0-9][\w.\[\]-]*==\S+ ", lock, re.MULTILINE)
    assert pinned
    assert "://" not in lock
    unpinned = [line for line in lock.splitlines() if re.match(r"[a-z0-9]", line) and "==" not in line]
    assert [] == unpinned
    assert [] == [block.split("==")[0] for block in re.split(r"\n(?=[a-z0-9])", lock) if "--hash=sha256:" not in block]


def test_what_npm_brings_is_pinned_by_hash_and_names_no_address():
    packages = json.loads((ROOT / "tests" / "interop" / "package-lock.json").read_text("utf-8"))["packages"]
    for name, told in packages.items():
        assert not name or told["integrity"].startswith("sha512-")
        assert "resolved" not in told
