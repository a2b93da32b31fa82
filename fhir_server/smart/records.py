"""Records: what this room keeps, as MongoDB documents; the only module that knows mongoengine.

May live here: one schema per thing kept, its indexes and its time to live, and the atomic steps that safety hangs on.
May not know: why something is kept. All times are those of the protocol clock. Secrets are kept as hashes. MongoDB
removes a record within a minute of its time; until then whoever reads it compares the time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar, cast

import mongoengine
from mongoengine.errors import NotUniqueError, OperationError
from mongoengine.fields import BooleanField, DateTimeField, DictField, IntField, ListField, StringField

ALIAS = "smart"
PREFIX = "smart_"


def fingerprint(*secrets: str) -> str:
    """What is kept of a secret that is itself random: its SHA-256, in hexadecimal."""
    return hashlib.sha256("\0".join(secrets).encode()).hexdigest()


@contextmanager
def _unwrapped() -> Iterator[None]:
    """What the database said, and not what mongoengine makes of it: callers know one family of faults."""
    try:
        yield
    except NotUniqueError:
        raise
    except OperationError as failed:
        raise (failed.__cause__ or failed.__context__ or failed) from None


class Kept(mongoengine.Document):  # type: ignore[misc] # mongoengine is untyped
    """A record under a key of ours."""

    meta: ClassVar[dict[str, Any]] = {"abstract": True, "strict": False, "auto_create_index": False}

    key: str = StringField(primary_key=True)

    @classmethod
    def insert(cls, **values: Any) -> Self | None:
        """Keep it; None if one of its unique keys is taken."""
        try:
            with _unwrapped():
                return cast("Self", cls(**values).save(force_insert=True))
        except NotUniqueError:
            return None

    @classmethod
    def find(cls, key: str | None, **where: Any) -> Self | None:
        """The one under a key, if it also satisfies `where`."""
        return cast("Self | None", cls.objects(key=key, **where).first()) if key else None

    @classmethod
    def all(cls, *order: str, **where: Any) -> list[Self]:
        """Every one that satisfies `where`."""
        return list(cls.objects(**where).order_by(*(order or ("key",))))

    @classmethod
    def change(cls, key: str, where: Mapping[str, Any] | None = None, **updates: Any) -> Self | None:
        """Change it in one atomic step and give it as it is then; None if it did not satisfy `where`."""
        with _unwrapped():
            return cast("Self | None", cls.objects(key=key, **(where or {})).modify(new=True, **updates))

    @classmethod
    def put(cls, key: str, **updates: Any) -> Self:
        """Change it, or make it, in one atomic step."""
        for _ in range(2):
            # two who make it at once: the second then changes what the first has made
            with _unwrapped(), suppress(NotUniqueError):
                return cast("Self", cls.objects(key=key).modify(upsert=True, new=True, **updates))
        raise RuntimeError("a record is taken under another key")

    @classmethod
    def drop(cls, **where: Any) -> int:
        """Forget those that satisfy `where`; how many they were."""
        return cast("int", cls.objects(**where).delete())


class Client(Kept):
    """An app or a system, under its client_id. `acts_as` is the Kind of a system that signs in as itself."""

    kind: str = StringField(required=True)
    name: str = StringField(default="")
    redirect_uris: list[str] = ListField(StringField())
    scope: str = StringField(default="")
    jwks: dict[str, Any] | None = DictField(null=True, default=None)
    jwks_uri: str | None = StringField()
    secret: str | None = StringField()
    acts_as: str | None = StringField()
    organization: str | None = StringField()
    organization_key: str | None = StringField()
    introspects: bool = BooleanField(default=False)
    launches: bool = BooleanField(default=False)
    disabled: bool = BooleanField(default=False)
    made: datetime = DateTimeField()
    meta: ClassVar[dict[str, Any]] = {"abstract": True}


class SigningKey(Kept):
    """One of our keys, under its kid. A slot is filled once, whichever worker comes first."""

    slot: str = StringField(required=True)
    alg: str = StringField(required=True)
    jwk: dict[str, Any] = DictField(required=True)
    made: datetime = DateTimeField(required=True)
    ends: datetime | None = DateTimeField()
    meta: ClassVar[dict[str, Any]] = {"abstract": True, "indexes": [{"fields": ["slot"], "unique": True}]}


class AuthorizationRequest(Kept):
    """What an app asked for, while the person who is to answer makes up their mind."""

    session: str = StringField(required=True)
    client: str = StringField(required=True)
    redirect_uri: str = StringField(required=True)
    scope: str = StringField(required=True)
    state: str = StringField()
    nonce: str | None = StringField()
    challenge: str = StringField(required=True)
    launch: dict[str, Any] = DictField()
    purpose: str | None = StringField()
    reason: str | None = StringField()
    secret: bool = BooleanField(default=False)
    patient: str | None = StringField()
    chosen: bool = BooleanField(default=False)
    since: datetime | None = DateTimeField()
    expires: datetime = DateTimeField(required=True)
    meta: ClassVar[dict[str, Any]] = {"abstract": True, "indexes": [{"fields": ["expires"], "expireAfterSeconds": 0}]}


class Grant(Kept):
    """What was granted to a client, by whom and for what; the tokens made of it are named after it."""

    client: str = StringField(required=True)
    person: dict[str, Any] = DictField(required=True)
    scope: list[str] = ListField(StringField())
    patient: str | None = StringField()
    purpose: str = StringField(required=True)
    reason: str | None = StringField()
    launch: dict[str, Any] = DictField()
    nonce: str | None = StringField()
    session: str | None = StringField()
    authenticated: datetime | None = DateTimeField()
    revoked: bool = BooleanField(default=False)
    made: datetime = DateTimeField(required=True)
    expires: datetime = DateTimeField(required=True)
    meta: ClassVar[dict[str, Any]] = {
        "abstract": True,
        "indexes": [{"fields": ["expires"], "expireAfterSeconds": 0}, "session", "client"],
    }


class Code(Kept):
    """An authorization code, under its fingerprint; kept after its use, so that a second use is recognised."""

    grant: str = StringField(required=True)
    client: str = StringField(required=True)
    redirect_uri: str = StringField(required=True)
    code_challenge: str = StringField(required=True)
    used: bool = BooleanField(default=False)
    ends: datetime = DateTimeField(required=True)
    expires: datetime = DateTimeField(required=True)
    meta: ClassVar[dict[str, Any]] = {"abstract": True, "indexes": [{"fields": ["expires"], "expireAfterSeconds": 0}]}

    def get_redirect_uri(self) -> str:
        """Where the code was sent, as Authlib asks."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Nothing: the grant knows."""
        return ""


class RefreshToken(Kept):
    """A refresh token, under its fingerprint; its family is the grant. One that was used is kept, to be recognised."""

    grant: str = StringField(required=True)
    client: str = StringField(required=True)
    used: bool = BooleanField(default=False)
    expires: datetime = DateTimeField(required=True)
    meta: ClassVar[dict[str, Any]] = {"abstract": True, "indexes": [{"fields": ["expires"], "expireAfterSeconds": 0}]}


class Session(Kept):
    """A browser, under the fingerprint of its cookie; a sign-in once `person` is there, until `ends` at the latest."""

    csrf: str = StringField(required=True)
    person: dict[str, Any] | None = DictField(null=True, default=None)
    account: str | None = StringField()
    new_password: str | None = StringField()
    code_entered: bool = BooleanField(default=False)
    recovered: str | None = StringField()
    offered: str | None = StringField()
    provider: dict[str, Any] | None = DictField(null=True, default=None)
    following: str | None = StringField()
    signed_in: datetime | None = DateTimeField()
    seen: datetime = DateTimeField(required=True)
    ends: datetime = DateTimeField(required=True)
    meta: ClassVar[dict[str, Any]] = {"abstract": True, "indexes": [{"fields": ["ends"], "expireAfterSeconds": 0}]}


class Account(Kept):
    """The sign-in of a holder or a legal representative. `reference` is whom it is, `patient` whose record."""

    identifier: str = StringField(required=True)
    password: str = StringField(required=True)
    must_change: bool = BooleanField(default=True)
    channel: str = StringField(required=True, choices=("mail", "text"))
    address: str = StringField(required=True)
    kind: str = StringField(required=True)
    reference: str = StringField(required=True)
    patient: str | None = StringField()
    name: str = StringField(default="")
    language: str = StringField(default="fr")
    secret_session: bool = BooleanField(default=False)
    authenticator: str | None = StringField()
    step: int = IntField(default=0)
    disabled: bool = BooleanField(default=False)
    made: datetime = DateTimeField()
    meta: ClassVar[dict[str, Any]] = {
        "abstract": True,
        "indexes": [{"fields": ["identifier"], "unique": True}, "reference", "patient"],
    }


class OneTimeCode(Kept):
    """The one code of an account that is good now, under the account's key, so that a new one replaces it.

    One that recovers a password is under its session instead: whoever asks for it ends nobody else's.
    """

    session: str = StringField(required=True)
    account: str | None = StringField()
    code: str = StringField(required=True)
    tries: int = IntField(default=0)
    expires: datetime = DateTimeField(required=True)
    meta: ClassVar[dict[str, Any]] = {"abstract": True, "indexes": [{"fields": ["expires"], "expireAfterSeconds": 0}]}


class CreationCode(Kept):
    """A creation code of a patient, under its fingerprint; several may be on their way, and each of them is good."""

    patient: str = StringField(required=True)
    expires: datetime = DateTimeField(required=True)
    meta: ClassVar[dict[str, Any]] = {
        "abstract": True,
        "indexes": [{"fields": ["expires"], "expireAfterSeconds": 0}, "patient"],
    }


class Launch(Kept):
    """What an app is launched with from within a professional's software, under the fingerprint of its handle."""

    client: str = StringField(required=True)
    subject: str = StringField(required=True)
    patient: str = StringField(required=True)
    context: dict[str, Any] = DictField()
    secret: bool = BooleanField(default=False)
    used: bool = BooleanField(default=False)
    expires: datetime = DateTimeField(required=True)
    meta: ClassVar[dict[str, Any]] = {"abstract": True, "indexes": [{"fields": ["expires"], "expireAfterSeconds": 0}]}


class UsedAssertion(Kept):
    """A client assertion that was taken once."""

    expires: datetime = DateTimeField(required=True)
    meta: ClassVar[dict[str, Any]] = {"abstract": True, "indexes": [{"fields": ["expires"], "expireAfterSeconds": 0}]}


class Attempt(Kept):
    """How often something was tried in a window of time."""

    count: int = IntField(default=0)
    expires: datetime = DateTimeField()
    meta: ClassVar[dict[str, Any]] = {"abstract": True, "indexes": [{"fields": ["expires"], "expireAfterSeconds": 0}]}


Record = TypeVar("Record", bound=Kept)


@dataclass(frozen=True, slots=True)
class Records:
    """The collections of one database; `alias` is mongoengine's name for its connection."""

    alias: str
    clients: type[Client]
    signing_keys: type[SigningKey]
    requests: type[AuthorizationRequest]
    grants: type[Grant]
    codes: type[Code]
    refresh_tokens: type[RefreshToken]
    sessions: type[Session]
    accounts: type[Account]
    one_time_codes: type[OneTimeCode]
    creation_codes: type[CreationCode]
    launches: type[Launch]
    used_assertions: type[UsedAssertion]
    attempts: type[Attempt]

    @classmethod
    def open(cls, uri: str, database: str, alias: str = ALIAS) -> Records:
        """The records of a database, connected to on first use; two databases in one process need two aliases."""
        mongoengine.register_connection(
            alias,
            db=database,
            host=uri,
            uuidRepresentation="standard",
            tz_aware=True,
            w="majority",
            journal=True,
            readConcernLevel="majority",
            retryWrites=True,
            serverSelectionTimeoutMS=5000,
        )
        return cls(
            alias,
            clients=_kept(Client, alias, "clients"),
            signing_keys=_kept(SigningKey, alias, "keys"),
            requests=_kept(AuthorizationRequest, alias, "requests"),
            grants=_kept(Grant, alias, "grants"),
            codes=_kept(Code, alias, "codes"),
            refresh_tokens=_kept(RefreshToken, alias, "refresh_tokens"),
            sessions=_kept(Session, alias, "sessions"),
            accounts=_kept(Account, alias, "accounts"),
            one_time_codes=_kept(OneTimeCode, alias, "one_time_codes"),
            creation_codes=_kept(CreationCode, alias, "creation_codes"),
            launches=_kept(Launch, alias, "launches"),
            used_assertions=_kept(UsedAssertion, alias, "used_assertions"),
            attempts=_kept(Attempt, alias, "attempts"),
        )

    def kinds(self) -> tuple[type[Kept], ...]:
        """Every collection."""
        return (
            self.clients,
            self.signing_keys,
            self.requests,
            self.grants,
            self.codes,
            self.refresh_tokens,
            self.sessions,
            self.accounts,
            self.one_time_codes,
            self.creation_codes,
            self.launches,
            self.used_assertions,
            self.attempts,
        )

    def prepare(self) -> None:
        """Make the indexes that are missing."""
        for kind in self.kinds():
            kind.ensure_indexes()

    def empty(self) -> None:
        """Forget everything but the keys and indexes; for a sandbox that starts anew."""
        for kind in self.kinds():
            if kind is not self.signing_keys:
                kind.drop()

    def close(self) -> None:
        """Give the connection back."""
        mongoengine.disconnect(self.alias)


def _kept(schema: type[Record], alias: str, collection: str) -> type[Record]:
    """The schema, bound to a connection: mongoengine binds classes, and two houses may live in one process."""
    members = {
        "__module__": __name__,
        "meta": {"db_alias": alias, "collection": f"{PREFIX}{collection}"},
    }
    bound: Any = type(schema)
    return cast("type[Record]", bound(schema.__name__, (schema,), members))
