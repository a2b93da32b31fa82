"""Commands against a real database, with and without a server beside them."""

import getpass
import json
from base64 import b64decode

import pytest
from click.testing import CliRunner
from joserfc.jwk import ECKey

from fhir_server.commands import main
from fhir_server.sandbox.dossier import PLACE
from fhir_server.store.connection import connect
from fhir_server.store.engine import Engine, address_of

BROUGHT = {"type": {"$nin": ["OperationDefinition"]}}
"""All but what the server itself brings at its start."""
HOSPITAL = ["--acts-as", "establishment", "--organization", "Organization/x", "--scope", "system/Patient.s"]


@pytest.fixture
def keys(tmp_path):
    key = ECKey.generate_key("P-384", {"use": "sig", "alg": "ES384"}, auto_kid=True)
    path = tmp_path / "public.jwks.json"
    path.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    return path


def test_a_system_is_registered_listed_and_shut_out(run, keys, database):
    added = run("client", "add", "backend", "--id", "my-hospital", "--keys", str(keys), *HOSPITAL)
    assert added.exit_code == 0, added.output
    assert "my-hospital" in added.output
    listed = run("client", "list").output.splitlines()
    assert ["my-hospital  backend  enabled  as establishment, for Organization/x"] == [
        line for line in listed if line.startswith("my-hospital")
    ]
    assert run("client", "disable", "my-hospital").exit_code == 0
    assert database["smart_clients"].find_one({"_id": "my-hospital"})["disabled"] is True
    assert run("client", "disable", "--undo", "my-hospital").exit_code == 0
    assert database["smart_clients"].find_one({"_id": "my-hospital"})["disabled"] is False
    assert database["leases"].count_documents({}) == 0  # no server waits for a command that ended


def test_a_secret_is_shown_once_kept_as_a_hash_and_renewed(run, database):
    added = run(
        "client", "add", "symmetric", "--id", "app", "--redirect-uri", "https://a.example/cb", "--scope", "openid"
    )
    secret = added.output.split("client_secret")[1].split()[0]
    assert secret not in str(database["smart_clients"].find_one({"_id": "app"}))
    renewed = run("client", "rotate", "app").output.split("client_secret")[1].split()[0]
    assert renewed != secret


def events(database):
    """What was done to clients and keys, and how it ended, as the ledger has it."""
    found = []
    for each in database["ledger"].find(sort=[("_id", 1)]):
        event = json.loads(each["body"])
        assert getpass.getuser() in json.dumps(event["agent"])
        found.append((b64decode(event["entity"][0]["query"]).decode(), event["outcome"]))
    return found


def test_what_is_done_to_a_client_is_on_record_with_the_account_that_did_it(run, keys, database):
    other = json.dumps({"keys": [ECKey.generate_key("P-384", {"use": "sig"}, auto_kid=True).as_dict(private=False)]})
    (new := keys.parent / "new.json").write_text(other)
    assert 0 == run("client", "add", "backend", "--id", "sih", "--keys", str(keys), *HOSPITAL).exit_code
    assert 1 == run("client", "add", "backend", "--id", "sih", "--keys", str(keys), *HOSPITAL).exit_code
    assert 0 == run("client", "rotate", "sih", "--keys", str(new)).exit_code
    assert json.loads(other) == database["smart_clients"].find_one({"_id": "sih"})["jwks"]
    assert 0 == run("client", "disable", "sih").exit_code
    assert 0 == run("client", "disable", "--undo", "sih").exit_code
    assert 1 == run("client", "rotate", "nobody").exit_code
    run("client", "list")
    assert [
        ("client/add?id=sih", "0"),
        ("client/add?id=sih", "0"),
        ("client/add?id=sih", "4"),
        ("client/rotate?id=sih", "0"),
        ("client/disable?id=sih", "0"),
        ("client/enable?id=sih", "0"),
        ("client/rotate?id=nobody", "0"),
        ("client/rotate?id=nobody", "4"),
    ] == events(database)


def test_a_key_of_ours_is_rotated_and_withdrawn_and_that_is_on_record(run, database):
    first = run("keys", "rotate", "ES256").output.split()[0]
    second = run("keys", "rotate", "ES256").output.split()[0]
    listed = {line.split()[0]: line for line in run("keys", "list").output.splitlines()}
    assert "published until" in listed[first] and listed[second].endswith("ES256  signs")
    assert 0 == run("keys", "withdraw", first).exit_code
    assert [second] == [line.split()[0] for line in run("keys", "list").output.splitlines()]
    assert 1 == run("keys", "withdraw", first).exit_code
    assert ["client/rotate-key?id=ES256"] * 2 + [f"client/withdraw-key?id={first}"] == [
        what for what, _ in events(database)
    ]


def test_a_key_whose_drawn_name_begins_with_a_dash_is_withdrawn(run, database):
    run("keys", "rotate", "ES256")
    drawn = database["smart_keys"].find_one_and_delete({})
    database["smart_keys"].insert_one({**drawn, "_id": "-HDy8_C0M", "jwk": {**drawn["jwk"], "kid": "-HDy8_C0M"}})
    withdrawn = run("keys", "withdraw", "-HDy8_C0M")
    assert withdrawn.exit_code == 0, withdrawn.output
    assert run("keys", "list").output == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", "public", "--scope", "openid"], "redirect URI"),
        (["add", "backend", "--scope", "system/Patient.s"], "acts as one of"),
        (["add", "public", "--scope", "nonsense", "--redirect-uri", "https://a.example/"], "is no scope"),
        (["rotate", "nobody"], "see `fhir-server client list`"),
        (["disable", "nobody"], "see `fhir-server client list`"),
    ],
)
def test_what_cannot_be_registered_says_why(run, arguments, words):
    answer = run("client", *arguments)
    assert answer.exit_code == 1
    assert words in answer.output


def test_a_private_key_is_refused(run, tmp_path):
    path = tmp_path / "private.json"
    path.write_text(json.dumps({"keys": [ECKey.generate_key("P-384").as_dict(private=True)]}))
    answer = run("client", "add", "backend", "--keys", str(path), *HOSPITAL)
    assert "private key" in answer.output


def test_an_empty_ledger_has_nothing_amiss_and_looking_is_put_on_record(run, database):
    assert "0 records, nothing amiss" in run("audit", "verify").output
    looked = run("audit", "trail", "--patient", "p1")
    assert looked.exit_code == 0, looked.output
    told = run("audit", "trail", "--patient", "p1", "--language", "en").output.splitlines()
    assert getpass.getuser() in told[1]
    assert "Search (access history)" in told[0]
    kept = database["ledger"].find_one({"facts.patients": "p1"})
    assert getpass.getuser() in kept["body"]
    assert "2 records, nothing amiss" in run("audit", "verify").output


def test_a_changed_record_is_found(run, database):
    run("audit", "trail", "--patient", "p1")
    kept = database["ledger"].find_one({})
    database["ledger"].update_one(
        {"_id": kept["_id"]}, {"$set": {"body": kept["body"].replace("AuditEvent", "Nothing")}}
    )
    answer = run("audit", "verify")
    assert answer.exit_code == 1
    assert "changed" in answer.output


def test_without_a_server_the_embedded_engine_is_started_for_the_time_of_the_command(tmp_path):
    engine = Engine.start(tmp_path)
    with connect(engine.uri) as client:
        client.fhir.resources.insert_one({"_id": "x"})
    beside = CliRunner().invoke(main, ["audit", "verify", "--data", str(tmp_path)])
    assert beside.exit_code == 0, beside.output
    assert engine.alive()
    engine.stop()
    alone = CliRunner().invoke(main, ["audit", "verify", "--data", str(tmp_path)])
    assert alone.exit_code == 0, alone.output
    assert address_of(tmp_path) is None


def test_a_directory_without_a_database_is_a_mistake(tmp_path):
    answer = CliRunner().invoke(main, ["client", "list", "--data", str(tmp_path)])
    assert answer.exit_code == 1
    assert "there is no database under" in answer.output


def test_a_directory_is_loaded_whole_and_put_on_record(loaded, run, database):
    wanted = len(list(PLACE.glob("*-*.json")))
    assert f"{wanted} of {wanted} resources loaded" in loaded.output
    assert database["resources"].count_documents(BROUGHT) == wanted
    assert database["ledger"].count_documents({}) > 0
    assert "nothing amiss" in run("audit", "verify").output


def test_what_is_refused_names_its_element_and_nothing_of_its_transaction_is_kept(run, tmp_path, database):
    good = {"resourceType": "Organization", "id": "a", "name": "x"}
    bad = {"resourceType": "Organization", "id": "b", "active": "yes"}
    (tmp_path / "both.ndjson").write_text(f"{json.dumps(good)}\n{json.dumps(bad)}\n")
    answer = run("load", str(tmp_path / "both.ndjson"))
    assert answer.exit_code == 1
    assert "Bundle.entry[1].resource.active" in answer.output
    assert database["resources"].count_documents(BROUGHT) == 0


def test_a_file_that_is_no_json_is_named(run, tmp_path):
    (tmp_path / "x.json").write_text("{")
    answer = run("load", str(tmp_path / "x.json"))
    assert answer.exit_code == 1
    assert "x.json" in answer.output
