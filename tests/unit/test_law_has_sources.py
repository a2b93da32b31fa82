"""Every word, switch and duration has a source and a certainty, and so has every cell of the matrix."""

from __future__ import annotations

from fhir_server.definitions.library import profile_json
from tests.kit.changed_law import leaves

SOURCES = profile_json("dmp/law-sources.json")
MATRIX = profile_json("dmp/access-matrix.json")


def named(path) -> str:
    return ".".join(map(str, path))


def rows_of(path) -> list[str]:
    return [row for row in SOURCES["rows"] if f"{named(path)}.".startswith(f"{row}.")]


def test_every_leaf_of_the_law_has_one_source():
    assert [] == [named(path) for path, _ in leaves() if path != ("title",) and len(rows_of(path)) != 1]


def test_no_source_is_of_what_is_not_there():
    known = {row for path, _ in leaves() for row in rows_of(path)}
    assert [] == sorted(SOURCES["rows"].keys() - known)


def test_sources_are_told_and_their_certainty_is_a_letter():
    assert all(row["what"] and row["source"] and row["certainty"] in "ABC" for row in SOURCES["rows"].values())


def test_every_cell_of_the_matrix_has_a_source_and_a_certainty():
    cells = [
        (profession, name, cell)
        for profession, row in MATRIX["professions"].items()
        for group in ("classes", "types")
        for name, cell in row[group].items()
    ]
    assert len(cells) > 500
    assert [] == [
        (profession, name)
        for profession, name, cell in cells
        if cell["certainty"] not in MATRIX["certainty"] or not cell["source"]
    ]


def test_every_profession_has_a_cell_for_every_class():
    assert [] == [
        code for code, row in MATRIX["professions"].items() if row["classes"].keys() != MATRIX["classes"].keys()
    ]
