"""validate: the check of the server, on files."""

import pytest
from click.testing import CliRunner

from fhir_server.commands import main

GOOD = '{"resourceType": "Patient", "gender": "female", "birthDate": "1984-03-15"}'
BAD = '{"resourceType": "Patient", "gender": "xx", "colour": "red"}'


@pytest.fixture
def run(tmp_path):
    def run(*arguments, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.json").write_text(text)
        return CliRunner().invoke(main, ["validate", *arguments, *(str(tmp_path / f"{name}.json") for name in files)])

    return run


def test_a_good_resource_is_good(run):
    answer = run(a=GOOD)
    assert answer.exit_code == 0
    assert answer.output.startswith("good")


def test_a_bad_one_names_its_elements_and_exits_1(run):
    answer = run(a=BAD)
    assert answer.exit_code == 1
    assert "Patient.gender" in answer.output
    assert "colour" in answer.output


@pytest.mark.parametrize("text", ["", "{", "[]", '{"resourceType": "Nothing"}', '{"a": 1, "a": 2}'])
def test_what_is_no_resource_is_bad_without_a_traceback(run, text):
    answer = run(a=text)
    assert answer.exit_code == 1
    assert isinstance(answer.exception, SystemExit)


def test_several_are_counted_and_quiet_names_only_the_bad(run):
    answer = run("--quiet", a=GOOD, b=BAD)
    assert "a.json" not in answer.output.replace("\n", "")
    assert answer.output.strip().endswith("1 good, 1 bad")


def test_standard_input_is_read(tmp_path):
    assert CliRunner().invoke(main, ["validate", "-"], input=GOOD).exit_code == 0
