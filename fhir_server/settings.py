"""Settings: everything an operator may choose, from flags and from `FHIR_SERVER_…` variables, checked and frozen.

May live here: the table of settings, its schema, the rules that bind one setting to another, and the page of
documentation made from the table. May not know: who uses them. A setting that cannot be read refuses the start.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema

PREFIX = "FHIR_SERVER_"


class SettingsFault(ValueError):
    """The settings do not fit together; the sentence names the flag and says how to mend it."""


def _setting(default: Any, what: str, *, secret: bool = False, flag: bool = True, past: str = "", **schema: Any) -> Any:
    """One row of the table: its default, its sentence for people, and the JSON Schema of its value.

    `secret` keeps it out of every printed form; `flag` is False for what only the environment can set. `past` makes it
    a standing limit, and says what is answered beyond it.
    """
    return field(
        default=default,
        repr=not secret,
        metadata={"what": what, "schema": schema, "secret": secret, "flag": flag and not secret, "past": past},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the operator chose. Paths are absolute, `base_url` is an origin without a final slash, never empty."""

    host: str = _setting(
        "127.0.0.1", "Address to listen on; anything but loopback needs `base-url` and TLS or a proxy", minLength=1
    )
    port: int = _setting(8080, "Port to listen on", minimum=1, maximum=65535)
    data: str = _setting("data", "Directory of the embedded database, of its keys and of its logs", minLength=1)
    mongo_uri: str = _setting(
        "",
        "URI of your own MongoDB replica set (6.0 or later); the embedded one if empty",
        secret=True,
        pattern=r"^$|^mongodb(\+srv)?://",
    )
    database: str = _setting("fhir", "Name of the database", pattern=r"^[A-Za-z0-9_-]{1,38}$")
    workers: int = _setting(2, "Processes that answer", minimum=1, maximum=256)
    threads: int = _setting(16, "Requests that one process answers at a time", minimum=2, maximum=256)
    unpinned: bool = _setting(
        False,
        "Processes go to whatever processor is free, where other work keeps to processors of its own choice; without "
        "it each keeps to one, if all processors have as many of them",
    )
    drain: int = _setting(20, "Seconds that a stop grants to the requests in flight", minimum=0, maximum=600)
    base_url: str = _setting(
        "",
        "Origin that people and clients see, such as `https://dmp.example.org`; the issuer of "
        "tokens, and with `/fhir` the base of every address. Never taken from the Host header",
        pattern=r"^$|^https?://[^/?#\s]+/?$",
    )
    tls_cert: str = _setting("", "Certificate chain in PEM, to serve HTTPS without a proxy")
    tls_key: str = _setting("", "Private key in PEM of that certificate")
    behind_proxy: bool = _setting(
        False,
        "A proxy in front ends TLS; its `X-Forwarded-For` is believed for the address "
        "of the client, and for nothing else",
    )
    sandbox: bool = _setting(
        False,
        "Synthetic data for integrators, on loopback only: demonstration people, records "
        "and clients, an identity provider, `/sandbox`",
    )
    open: bool = _setting(False, "With `sandbox`: a request without a token acts as an operator with every right")
    cors_origins: str = _setting(
        "*",
        "Origins whose pages may call the API, separated by spaces; `*` for any, since tokens travel in a header",
        pattern=r"^(\*|(https?://[^/\s]+\s*)*)$",
    )
    smtp_url: str = _setting(
        "",
        "Mail server for notices and one-time codes, such as "
        "`smtps://user:password@mail.example.org`; without one they wait in the outbox",
        secret=True,
        pattern=r"^$|^smtps?://",
    )
    mail_from: str = _setting("dmp@localhost", "Sender of the mails", pattern=r"^[^@\s]+@[^@\s]+$")
    text_gateway: str = _setting(
        "", "Address that takes `POST {to, text}` and sends a text message", secret=True, pattern=r"^$|^https?://"
    )
    letter_gateway: str = _setting(
        "",
        "Address that takes `POST {to, subject, text}` and posts a letter",
        secret=True,
        pattern=r"^$|^https?://",
    )
    psc_issuer: str = _setting(
        "", "Issuer of Pro Santé Connect; the sandbox plays it if empty", pattern=r"^$|^https?://"
    )
    psc_client_id: str = _setting("", "Client id that Pro Santé Connect gave to this server")
    psc_client_secret: str = _setting("", "Client secret that Pro Santé Connect gave to this server", secret=True)
    statement_keys: str = _setting(
        "",
        "File of a public JWK set: apps with a software statement signed by one of its keys may register themselves "
        "(RFC 7591); without it none may, save in a sandbox, where any may",
    )
    max_body: int = _setting(
        16_000_000, "Largest body in JSON or XML, in bytes", past="413 `too-long`", minimum=1_000, maximum=1_000_000_000
    )
    max_content: int = _setting(
        50_000_000,
        "Largest content of a Binary that is sent as it is, in bytes",
        past="413 `too-long`",
        minimum=1_000,
        maximum=1_000_000_000,
    )
    max_depth: int = _setting(
        64, "Deepest nesting of a body in JSON or XML", past="400 `structure`", minimum=8, maximum=512
    )
    max_entries: int = _setting(
        1_000, "Most entries of a batch or transaction", past="413 `too-costly`", minimum=1, maximum=10_000
    )
    max_url: int = _setting(
        8_000, "Longest path and query of an address, in bytes", past="414 `too-long`", minimum=1_000, maximum=64_000
    )
    max_query: int = _setting(
        64_000,
        "Longest form of a search that is posted, in bytes",
        past="413 `too-long`",
        minimum=1_000,
        maximum=1_000_000,
    )
    max_values: int = _setting(
        500,
        "Most values of one parameter, any of which may match; all of a search have twice as many",
        past="400 `too-costly`",
        minimum=1,
        maximum=10_000,
    )
    chain_depth: int = _setting(
        5, "Most references that a chain or `_has` leads through", past="400 `too-costly`", minimum=1, maximum=16
    )
    max_linked: int = _setting(
        5_000,
        "Most resources that one of those references leads through",
        past="400 `too-costly`",
        minimum=1,
        maximum=100_000,
    )
    max_count: int = _setting(
        1_000, "Largest page of a search or history", past="a page of that many", minimum=1, maximum=10_000
    )
    max_included: int = _setting(
        1_000,
        "Most resources that a page includes",
        past="that many, and an outcome that says so",
        minimum=1,
        maximum=10_000,
    )
    max_time_ms: int = _setting(
        5_000,
        "Longest that the database may take over one query, in milliseconds",
        past="400 `too-costly`",
        minimum=1,
        maximum=600_000,
    )
    kept_pages: int = _setting(
        64,
        "Megabytes, about, in each process for the last pages of searches: what matches and may be seen is found anew, "
        "but no text is fetched that is there; 0 keeps none",
        minimum=0,
        maximum=100_000,
    )
    access_log: bool = _setting(False, "Print one line per request: method, status and milliseconds, never an address")

    @property
    def loopback(self) -> bool:
        """Whether it listens to this machine only."""
        return is_loopback(self.host)

    @property
    def issuer(self) -> str:
        """Issuer of tokens: the origin (decisions 23)."""
        return self.base_url

    @property
    def fhir_base(self) -> str:
        """Base of the FHIR API: `https://dmp.example.org/fhir`."""
        return f"{self.base_url}/fhir"

    @property
    def data_dir(self) -> Path:
        """The data directory, absolute."""
        return Path(self.data)

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ, **flags: Any) -> Settings:
        """The settings of `flags` (None is absent) over the environment over the defaults; SettingsFault refuses."""
        return _checked({**_from_environment(environ), **{k: v for k, v in flags.items() if v is not None}})

    def to_environment(self) -> dict[str, str]:
        """The variables from which `read` gives an equal value: how the processes that answer are told."""
        told = {}
        for row in fields(self):
            value = getattr(self, row.name)
            told[PREFIX + row.name.upper()] = ("true" if value else "false") if isinstance(value, bool) else str(value)
        return told


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the settings, made from the table."""
    kinds = {"str": "string", "int": "integer", "bool": "boolean"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            row.name: {"type": kinds[str(row.type)], "description": row.metadata["what"], **row.metadata["schema"]}
            for row in fields(Settings)
        },
    }


def flag_of(name: str) -> str:
    """`base_url` → `--base-url`."""
    return "--" + name.replace("_", "-")


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def document() -> str:
    """The reference page of all settings, in Markdown."""
    rows = []
    for row in fields(Settings):
        flag = f"`{flag_of(row.name)}`" if row.metadata["flag"] or row.name == "mongo_uri" else "—"
        default = {True: "on", False: "off", "": "—"}.get(row.default, row.default)
        rows.append(f"| {flag} | `{PREFIX}{row.name.upper()}` | {default} | {row.metadata['what']} |")
    return "\n".join(
        (
            "# Settings",
            "",
            "Made from `fhir_server/settings.py` by `make docs`; edit there. A flag of `fhir-server serve` wins over",
            "its variable, which wins over the default. Secrets have a variable only, since other users of the machine",
            "can read flags (`--mongo-uri` is accepted for a URI without a password).",
            "",
            "| flag | variable | default | what |",
            "|---|---|---|---|",
            *rows,
            "",
        )
    )


def limits() -> str:
    """The reference page of the standing limits, in Markdown."""
    rows = [
        f"| {row.metadata['what']} | {row.default} | {row.metadata['past']} | `{flag_of(row.name)}` |"
        for row in fields(Settings)
        if row.metadata["past"]
    ]
    return "\n".join(
        (
            "# Standing limits",
            "",
            "Made from `fhir_server/settings.py` by `make docs`; edit there. Past each limit the answer is an",
            "OperationOutcome of the code that is named, nothing is stored, and nothing is answered in part that",
            "does not say so.",
            "",
            "| limit | default | past it | setting |",
            "|---|---|---|---|",
            *rows,
            "| Longest value of a search, without case and accents, in bytes | 8000 | 400 `too-costly` | — |",
            "| A resource, with what it is searched by, as MongoDB keeps it | 16 MiB | 413 `too-long` | — |",
            "",
        )
    )


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the variables say, in the types of the table; a variable of ours that names no setting is refused."""
    known = {PREFIX + row.name.upper(): row for row in fields(Settings)}
    given: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX):
            continue
        row = known.get(variable)
        if row is None:
            raise SettingsFault(f"`{variable}` is not a setting: see `fhir-server serve --help`")
        given[row.name] = _typed(variable, str(row.type), text)
    return given


def _typed(variable: str, kind: str, text: str) -> Any:
    match kind:
        case "bool":
            word = text.strip().lower()
            if word not in ("1", "true", "yes", "on", "0", "false", "no", "off", ""):
                raise SettingsFault(f"`{variable}` must be `true` or `false`")
            return word in ("1", "true", "yes", "on")
        case "int":
            if not text.strip().isdecimal():
                raise SettingsFault(f"`{variable}` must be a whole number")
            return int(text)
        case _:
            return text


def _checked(given: dict[str, Any]) -> Settings:
    found = next(jsonschema.Draft202012Validator(schema()).iter_errors(given), None)
    if found is not None:
        name = str(found.path[0]) if found.path else ""
        if not name:
            raise SettingsFault(f"unknown settings: {', '.join(sorted(set(given) - set(schema()['properties'])))}")
        rule = f"{found.validator} {found.validator_value}"
        raise SettingsFault(f"`{flag_of(name)}` is not acceptable ({rule}): see `fhir-server serve --help`")
    chosen = Settings(**given)
    for broken, sentence in _rules(chosen):
        if broken:
            raise SettingsFault(sentence)
    base = chosen.base_url.rstrip("/") or _own_origin(chosen)
    return Settings(**{**given, "base_url": base, "data": str(Path(chosen.data).resolve())})


def _rules(chosen: Settings) -> tuple[tuple[bool, str], ...]:
    """What binds one setting to another: (broken, what to do)."""
    tls = bool(chosen.tls_cert)
    away = not chosen.loopback
    base = urlsplit(chosen.base_url)
    return (
        (tls != bool(chosen.tls_key), "`--tls-cert` and `--tls-key` go together: give both or none"),
        (
            any(path and not Path(path).is_file() for path in (chosen.tls_cert, chosen.tls_key)),
            "`--tls-cert` or `--tls-key` names no readable file: give the paths of PEM files",
        ),
        (
            bool(chosen.statement_keys) and not Path(chosen.statement_keys).is_file(),
            "`--statement-keys` names no readable file: give the path of a public JWK set",
        ),
        (chosen.open and not chosen.sandbox, "`--open` exists in a sandbox only: add `--sandbox` or leave it out"),
        (chosen.sandbox and away, "`--sandbox` listens on loopback only: leave `--host` out"),
        (chosen.sandbox and chosen.behind_proxy, "`--sandbox` is not for the outside: leave `--behind-proxy` out"),
        (
            chosen.sandbox and bool(chosen.base_url) and not is_loopback(base.hostname or ""),
            "`--sandbox` is reached by a name of loopback only: leave `--base-url` out",
        ),
        (
            away and not chosen.base_url,
            "off loopback the server must be told its own name: give `--base-url https://your.name`",
        ),
        (
            away and not (tls or chosen.behind_proxy),
            "off loopback health data needs TLS: give `--tls-cert` and `--tls-key`, or `--behind-proxy`",
        ),
        (
            (away or chosen.behind_proxy) and bool(chosen.base_url) and base.scheme != "https",
            "`--base-url` must begin with `https://`, save on loopback",
        ),
        (
            bool(chosen.base_url) and base.scheme != "https" and not is_loopback(base.hostname or ""),
            "`--base-url` must begin with `https://`, save on loopback",
        ),
        (
            bool(chosen.psc_issuer) and not (chosen.psc_client_id and chosen.psc_client_secret),
            f"`--psc-issuer` needs `--psc-client-id` and the variable `{PREFIX}PSC_CLIENT_SECRET`",
        ),
    )


def _own_origin(chosen: Settings) -> str:
    host = f"[{chosen.host}]" if ":" in chosen.host and not chosen.host.startswith("[") else chosen.host
    return f"{'https' if chosen.tls_cert else 'http'}://{host}:{chosen.port}"
