"""The engine: a private MongoDB for those who bring none.

May live here: finding, starting, adopting, reviving and stopping one `mongod`. May not know: what is stored.
https://www.mongodb.com/docs/v6.0/reference/program/mongod/
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure
from pymongo.read_concern import ReadConcern

from fhir_server.store.connection import Client, Database, EngineFault, connect
from fhir_server.store.mongod import SIGNS, cache_gb, find_mongod, is_ours, port_is_free, some_port, stray

__all__ = ["Address", "Client", "Database", "Engine", "EngineFault", "address_of", "connect", "find_mongod", "home_of"]

SET_NAME = "fhir"
USER = "fhir-server"
PATIENCE = 90.0
"""Seconds granted to a start (it replays the journal after a crash; when its port was taken, mongod first asks whoever
listens there for half a minute whether it is itself) and to a stop."""
FILES = "file_manager=(close_idle_time=10,close_scan_interval=5,close_handle_minimum=500)"
"""How soon WiredTiger closes the file of an idle collection or index. Its own rule, minutes, holds every index of every
database it ever opened, and at the system's limit of open files the process ends itself."""
_SOCKET_LIMIT = 107
"""The longest path of a unix socket, in bytes (sockaddr_un)."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a running engine listens: a URI with its secret, its process id and its TCP port on loopback."""

    uri: str
    pid: int
    port: int

    def __repr__(self) -> str:
        return f"Address(pid={self.pid}, port={self.port})"


def home_of(data: Path) -> Path:
    """The directory of the engine under the data directory `data`."""
    return data.resolve() / "mongodb"


def address_of(data: Path) -> Address | None:
    """Where the engine of `data` listens now, by the file it left; None if there is none or its process is gone."""
    try:
        found = json.loads((home_of(data) / "address.json").read_text("utf-8"))
        address = Address(str(found["uri"]), int(found["pid"]), int(found["port"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return address if is_ours(address.pid, home_of(data)) else None


class Engine:
    """One `mongod` of ours: a replica set of one under the data directory, journaled, behind a password.

    It binds to loopback, and to a unix socket in its directory where the path is short enough (a third faster).
    The password is drawn at the first start and stands only in files that the owner alone can read.
    """

    def __init__(self, home: Path, lock: IO[str]) -> None:
        self.home = home
        self._lock = lock
        self._child: subprocess.Popen[bytes] | None = None
        self._address: Address | None = None
        self._turn = threading.Lock()  # one of revive and stop at a time
        self._stopped = False

    @classmethod
    def start(cls, data: Path) -> Engine:
        """Start the engine of `data`, or adopt the one that a killed server left.

        EngineFault says what stands in the way: a second owner, a missing binary, a full disk.
        """
        home = home_of(data)
        try:
            (home / "db").mkdir(parents=True, exist_ok=True, mode=0o700)
            home.chmod(0o700)
            lock = (home / "owner.lock").open("a+", encoding="utf-8")
        except OSError as cause:
            raise EngineFault(
                f"`{home}` cannot be written: give a directory of yours with `--data`, or mend its permissions"
            ) from cause
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            lock.close()
            raise EngineFault(
                f"another server owns `{home}`: stop it first, or give another directory with `--data`"
            ) from cause
        engine = cls(home, lock)
        try:
            engine._address = address_of(data) or engine._adopt() or engine._launch()
            engine._await_primary()
        except BaseException:
            engine.stop()
            raise
        return engine

    @property
    def address(self) -> Address:
        """Where it listens."""
        if self._address is None:
            raise EngineFault("the embedded engine is stopped: start it again")
        return self._address

    @property
    def uri(self) -> str:
        """Its URI, with the password: never to be printed."""
        return self.address.uri

    def alive(self) -> bool:
        """Whether its process still runs."""
        if self._child is not None:
            return self._child.poll() is None
        return self._address is not None and is_ours(self._address.pid, self.home)

    def revive(self) -> None:
        """Start it again at the same address after its process died, so that open clients find it back."""
        with self._turn:
            if self._stopped:
                raise EngineFault("the embedded engine is stopped: start it again")
            self._child, port = None, self.address.port
            self._address = self._adopt() or self._launch(port)
            self._await_primary()

    def stop(self) -> None:
        """Stop it gracefully and give up the directory; harmless when it is stopped already."""
        with self._turn:
            self._stopped = True
            address, self._address = self._address, None
            pid = self._child.pid if self._child is not None else address.pid if address else None
            if pid is not None and (self._child is not None or is_ours(pid, self.home)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                if not self._gone(pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                    self._gone(pid)
            self._child = None
            (self.home / "address.json").unlink(missing_ok=True)
            self._lock.close()

    # -- how it is started ------------------------------------------------------------------------------------------

    def _adopt(self) -> Address | None:
        """The process that a server started and was killed before it noted the address; None if there is none.

        We hold the directory's lock, so it is nobody else's, and it would keep a second one from the database.
        """
        found = stray(self.home)
        if found is None:
            return None
        pid, port = found
        address = Address(self._uri(port), pid, port)
        if not self._listens(address):
            return None
        self._record(address)
        return address

    def _socket(self, port: int) -> Path | None:
        """The unix socket of a port, where the path is short enough."""
        sock = self.home / f"mongodb-{port}.sock"
        return sock if len(os.fsencode(sock)) <= _SOCKET_LIMIT else None

    def _uri(self, port: int) -> str:
        sock = self._socket(port)
        target = quote(str(sock), safe="") if sock else f"127.0.0.1:{port}"
        return f"mongodb://{USER}:{self._secret('password')}@{target}/?directConnection=true&authSource=admin"

    def _launch(self, again: int | None = None) -> Address:
        """Start the process, `again` at the port that open clients know; the answer's URI may not be primary yet."""
        binary = find_mongod()
        self._secret("key")
        for _ in range(3):  # somebody may take the free port before mongod does
            port = again or self._port()
            self._wait_for(port)
            short = self._socket(port) is not None
            command = [
                str(binary),
                *("--replSet", SET_NAME, "--dbpath", str(self.home / "db"), "--port", str(port)),
                *("--bind_ip", "127.0.0.1", "--keyFile", str(self.home / "key"), "--journal"),
                *("--logpath", str(self.home / "mongod.log"), "--logappend"),
                *("--oplogSize", "512", "--wiredTigerCacheSizeGB", f"{cache_gb():.2f}"),
                *("--wiredTigerEngineConfigString", FILES),
                *("--setParameter", "diagnosticDataCollectionEnabled=false"),
                *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=200"),
                *(("--unixSocketPrefix", str(self.home), "--filePermissions", "0700") if short else ()),
                *(() if short else ("--nounixsocket",)),
            ]
            try:
                # a session of its own: Ctrl-C in a terminal reaches the server, which drains before it stops us
                with (self.home / "mongod.err").open("wb") as said:
                    self._child = subprocess.Popen(  # noqa: S603 - the binary is the one we found
                        command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
                    )
            except OSError as cause:
                raise EngineFault(f"`{binary}` does not start: run `fhir-server doctor`") from cause
            address = Address(self._uri(port), self._child.pid, port)
            if self._listens(address):
                self._record(address)
                return address
        raise EngineFault(self._why())

    def _wait_for(self, port: int) -> None:
        """Until the port is free: what was killed may hold it for a moment longer."""
        deadline = time.monotonic() + PATIENCE
        while not port_is_free(port) and time.monotonic() < deadline:
            time.sleep(0.05)

    def _listens(self, address: Address) -> bool:
        """Wait until the process accepts connections; False when it ended: ours, because its port was taken."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self._child is None and not is_ours(address.pid, self.home):
                return False
            if self._child is not None and self._child.poll() is not None:
                (self.home / "port").unlink(missing_ok=True)
                if self._child.returncode == 48:  # EXIT_NET_ERROR
                    return False
                raise EngineFault(self._why())
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", address.port), timeout=1):
                return True
            time.sleep(0.01)
        raise EngineFault(self._why())

    def _await_primary(self) -> None:
        """Initiate the set on the first start, mend its address when the port changed, wait until it takes writes."""
        deadline = time.monotonic() + PATIENCE
        admin_uri = f"mongodb://127.0.0.1:{self.address.port}/?directConnection=true"
        member = f"127.0.0.1:{self.address.port}"
        settled = (self.home / "ready").exists()
        while time.monotonic() < deadline:
            if not self.alive():
                raise EngineFault(self._why())
            try:
                if settled:
                    with _client(self.uri) as client:
                        if client.admin.command("hello").get("isWritablePrimary"):
                            return
                        self._mend_member(client, member)
                else:
                    with _client(admin_uri) as client:  # the localhost exception, until the first user exists
                        settled = self._bootstrap(client, member)
            except (AutoReconnect, OperationFailure):
                pass
            time.sleep(0.01)
        raise EngineFault(self._why())

    def _bootstrap(self, client: Client, member: str) -> bool:
        """The first start: initiate the set, then create its only user; True once both are done."""
        if client.admin.command("hello").get("isWritablePrimary"):
            try:
                client.admin.command("createUser", USER, pwd=self._secret("password"), roles=["root"])
            except OperationFailure as refused:  # 51003: exists; 13: an earlier start was killed after creating it
                if refused.code not in (51003, 13):
                    raise
            (self.home / "ready").touch()
            return True
        with contextlib.suppress(OperationFailure):  # 23: initiated already, the election is under way
            client.admin.command("replSetInitiate", {"_id": SET_NAME, "members": [{"_id": 0, "host": member}]})
        return False

    @staticmethod
    def _mend_member(client: Client, member: str) -> None:
        """A start on another port than the last finds itself outside its own set: put the new address in."""
        local = client.get_database("local", read_concern=ReadConcern("local"))
        config = local["system.replset"].find_one({})
        if config and config["members"][0]["host"] != member:
            config["members"][0]["host"] = member
            config["version"] += 1
            config.pop("term", None)
            client.admin.command("replSetReconfig", config, force=True)

    def _port(self) -> int:
        """The port of the last time if it is free still, else any free one."""
        kept = self.home / "port"
        wanted = int(kept.read_text("utf-8")) if kept.exists() else 0
        port = wanted if wanted and port_is_free(wanted) else some_port()
        kept.write_text(str(port), "utf-8")
        return port

    def _secret(self, name: str) -> str:
        """The secret kept in the file `name`, drawn at the first start; readable by its owner only."""
        path = self.home / name
        if not path.exists():
            _write(path, secrets.token_urlsafe(48).replace("-", "+").replace("_", "/") if name == "key" else
                   secrets.token_urlsafe(24))  # fmt: skip
        return path.read_text("utf-8")

    def _record(self, address: Address) -> None:
        _write(
            self.home / "address.json",
            json.dumps({"uri": address.uri, "pid": address.pid, "port": address.port}),
        )

    def _gone(self, pid: int) -> bool:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            over = self._child.poll() is not None if self._child else not is_ours(pid, self.home)
            if over:
                return True
            time.sleep(0.02)
        return False

    def _why(self) -> str:
        """What keeps the process from serving, from its own last words."""
        log = self.home / "mongod.log"
        said = "".join(
            path.read_text("utf-8", "replace")[-20_000:] for path in (self.home / "mongod.err", log) if path.exists()
        )
        for sign, sentence in SIGNS:
            if sign in said:
                return sentence
        return f"the embedded engine does not serve: read `{log}`, and run `fhir-server doctor`"


def _client(uri: str) -> Client:
    return MongoClient(uri, serverSelectionTimeoutMS=2000, socketTimeoutMS=10_000)


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all at once or not at all."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)
