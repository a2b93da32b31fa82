"""Settings: what may be chosen, what may not go together, and that all of it is documented."""

from dataclasses import fields
from pathlib import Path

import pytest

from fhir_server.settings import PREFIX, Settings, SettingsFault, document, flag_of, schema

AWAY = {"host": "0.0.0.0", "base_url": "https://dmp.example.org"}
ROOT = Path(__file__).parents[2]


def test_without_anything_it_listens_on_loopback_and_knows_its_own_name():
    settings = Settings.read({})
    assert ("http://127.0.0.1:8080", "http://127.0.0.1:8080/fhir") == (settings.issuer, settings.fhir_base)
    assert settings.loopback
    assert settings.data_dir.is_absolute()


def test_a_flag_wins_over_its_variable_which_wins_over_the_default():
    environ = {PREFIX + "PORT": "9000", PREFIX + "WORKERS": "3", "PATH": "/bin"}
    settings = Settings.read(environ, port=9100, workers=None)
    assert (9100, 3) == (settings.port, settings.workers)


def test_the_processes_that_answer_are_told_the_same():
    settings = Settings.read(
        {}, port=9000, sandbox=True, open=True, smtp_url="smtp://mail", base_url="https://localhost:9443/"
    )
    assert settings == Settings.read(settings.to_environment())
    assert "https://localhost:9443" == settings.base_url


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"host": "0.0.0.0"}, "--base-url"),
        ({"host": "dmp.example.org", "base_url": "https://dmp.example.org"}, "needs TLS"),
        (AWAY, "needs TLS"),
        (AWAY | {"base_url": "http://dmp.example.org", "behind_proxy": True}, "begin with `https://`"),
        ({"base_url": "http://dmp.example.org"}, "begin with `https://`"),
        ({"tls_cert": "x"}, "go together"),
        ({"tls_cert": "/no/such", "tls_key": "/no/such"}, "no readable file"),
        ({"open": True}, "in a sandbox only"),
        (AWAY | {"sandbox": True, "behind_proxy": True}, "listens on loopback only"),
        ({"sandbox": True, "behind_proxy": True, "base_url": "https://a.example"}, "not for the outside"),
        ({"psc_issuer": "https://psc.example"}, "FHIR_SERVER_PSC_CLIENT_SECRET"),
        ({"port": 0}, "--port"),
        ({"port": "80"}, "--port"),
        ({"workers": 0}, "--workers"),
        ({"base_url": "https://dmp.example.org/fhir"}, "--base-url"),
        ({"mongo_uri": "localhost:27017"}, "--mongo-uri"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_name_of_its_flag(given, words):
    with pytest.raises(SettingsFault) as refusal:
        Settings.read({}, **given)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("variable", "text"), [("PORT", "eighty"), ("PORT", "-1"), ("SANDBOX", "perhaps"), ("COLOR", "red")]
)
def test_a_variable_that_cannot_be_read_refuses_the_start(variable, text):
    with pytest.raises(SettingsFault, match=PREFIX + variable):
        Settings.read({PREFIX + variable: text})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_has_several_names(host):
    assert Settings.read({}, host=host).loopback


def test_behind_a_proxy_it_may_listen_outside():
    settings = Settings.read({}, **AWAY, behind_proxy=True)
    assert "https://dmp.example.org/fhir" == settings.fhir_base


def test_secrets_are_never_printed():
    secrets = {
        "mongo_uri": "mongodb://u:hush@h/", "smtp_url": "smtp://u:hush@h", "text_gateway": "https://h/hush",
        "psc_issuer": "https://psc.example", "psc_client_id": "dmp", "psc_client_secret": "hush",
    }  # fmt: skip
    settings = Settings.read({}, **secrets)
    assert "hush" not in repr(settings)
    with pytest.raises(SettingsFault) as refusal:
        Settings.read({}, smtp_url="hush")
    assert "hush" not in str(refusal.value)


def test_every_setting_is_documented_and_the_page_is_up_to_date():
    for row in fields(Settings):
        assert row.metadata["what"], row.name
        assert f"`{PREFIX}{row.name.upper()}`" in document()
        assert row.name in schema()["properties"]
        if row.metadata["flag"]:
            assert f"`{flag_of(row.name)}`" in document()
    assert document() == (ROOT / "docs/reference/settings.md").read_text("utf-8")
