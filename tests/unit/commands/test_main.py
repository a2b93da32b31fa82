"""The command line as a whole: what `--help` promises is there, and quick."""

import subprocess
import sys
from dataclasses import fields

import click
import pytest
from click.testing import CliRunner

from fhir_server.commands import COMMANDS, main
from fhir_server.settings import PREFIX, Settings, flag_of


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_says_more_than_its_name(name):
    answer = CliRunner().invoke(main, [name, "--help"])
    assert 0 == answer.exit_code, answer.output
    command = main.get_command(click.Context(main), name)
    assert len(command.help) > 80


def test_the_help_lists_every_command_with_a_sentence():
    answer = CliRunner().invoke(main, ["--help"])
    for name in COMMANDS:
        assert any(line.split()[:1] == [name] and len(line.split()) > 3 for line in answer.output.splitlines()), name


def test_an_unknown_command_is_refused():
    assert 2 == CliRunner().invoke(main, ["fly"]).exit_code


def test_serve_has_a_flag_for_every_setting_that_is_no_secret_and_names_the_variables_of_the_others():
    answer = CliRunner().invoke(main, ["serve", "--help"])
    for row in fields(Settings):
        wanted = flag_of(row.name) if row.metadata["flag"] else PREFIX + row.name.upper()
        assert wanted in answer.output or row.name == "mongo_uri", row.name


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--host", "0.0.0.0"], "--base-url https://your.name"),
        (["--host", "0.0.0.0", "--base-url", "https://a.example"], "needs TLS"),
        (["--open"], "add `--sandbox`"),
        (["--sandbox", "--host", "0.0.0.0"], "loopback only"),
        (["--sandbox", "--base-url", "https://a.example"], "loopback only"),
    ],
)
def test_serve_refuses_what_is_unsafe_with_what_to_do_and_no_traceback(flags, words):
    answer = CliRunner().invoke(main, ["serve", *flags])
    assert 1 == answer.exit_code
    assert answer.output.startswith("Error: ")
    assert words in answer.output


def test_help_imports_neither_the_definitions_nor_the_web():
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom fhir_server.commands import main\n"
        "CliRunner().invoke(main, ['--help'])\n"
        "print([m for m in ('flask', 'granian', 'fhir_server.definitions.library', 'fhir.resources') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "[]" == said.strip()


def test_the_kinds_of_clients_on_the_command_line_are_those_of_the_register():
    from fhir_server.commands import client, keys
    from fhir_server.smart import clients
    from fhir_server.smart import keys as signing

    assert client.KINDS == tuple(clients.KINDS)
    assert client.SYSTEMS == tuple(each.value for each in clients.SYSTEMS)
    assert keys.ALGORITHMS == signing.ALGORITHMS


def test_the_verbs_on_the_command_line_are_those_of_a_request():
    from typing import get_args

    from fhir_server.commands import explain
    from fhir_server.consent.request import Verb

    assert explain.VERBS == get_args(Verb)
