"""The embedded engine, against a real mongod: it starts, survives a kill, is adopted, is refused to a second owner."""

import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fhir_server.store.engine import Engine, EngineFault, address_of, connect, find_mongod, home_of
from fhir_server.store.mongod import port_is_free
from fhir_server.store.shelf import Shelf


@pytest.fixture
def started():
    """Engines that the test started; all are stopped after it."""
    engines = []
    yield engines
    for engine in engines:
        engine.stop()


def wait_until(true, seconds=10):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_it_starts_with_transactions_and_keeps_what_was_written(tmp_path, started):
    started.append(Engine.start(tmp_path))
    with connect(started[0].uri) as client:
        with client.start_session() as session, session.start_transaction():
            client.one.thing.insert_one({"_id": 1}, session=session)
            client.two.thing.insert_one({"_id": 2}, session=session)
        assert client.one.thing.write_concern.document == {"w": "majority", "j": True}
    started[0].stop()
    started.append(Engine.start(tmp_path))
    with connect(started[1].uri) as client:
        assert [{"_id": 1}] == list(client.one.thing.find())
        assert [{"_id": 2}] == list(client.two.thing.find())


def test_other_commands_find_a_running_engine_by_its_data_directory_and_no_stopped_one(tmp_path, started):
    assert address_of(tmp_path) is None
    started.append(Engine.start(tmp_path))
    assert started[0].address == address_of(tmp_path)
    started[0].stop()
    assert address_of(tmp_path) is None
    with pytest.raises(EngineFault, match="start it again"):
        started[0].uri  # noqa: B018


def test_an_address_whose_process_is_somebody_else_is_not_believed(tmp_path):
    home_of(tmp_path).mkdir()
    (home_of(tmp_path) / "address.json").write_text(f'{{"uri": "mongodb://x", "pid": {os.getpid()}, "port": 1}}')
    assert address_of(tmp_path) is None


def test_a_second_owner_is_refused(tmp_path, started):
    started.append(Engine.start(tmp_path))
    with pytest.raises(EngineFault, match="another server owns"):
        Engine.start(tmp_path)
    assert started[0].alive()


def test_the_engine_of_a_killed_server_is_adopted(tmp_path, started):
    script = f"import os\nfrom pathlib import Path\nfrom fhir_server.store.engine import Engine\nengine = Engine.start(Path({str(tmp_path)!r}))\nos.kill(os.getpid(), 9)\n"
    assert -signal.SIGKILL == subprocess.run([sys.executable, "-c", script], check=False).returncode
    left = address_of(tmp_path)
    assert left is not None
    started.append(Engine.start(tmp_path))
    assert left == started[0].address
    started[0].stop()
    assert address_of(tmp_path) is None
    cmdline = Path(f"/proc/{left.pid}/cmdline")
    assert not cmdline.exists() or b"" == cmdline.read_bytes()  # gone, or dead and not yet buried


@pytest.mark.parametrize("noted", [False, True], ids=["nothing noted", "the address of the one before it noted"])
def test_an_engine_whose_server_was_killed_before_it_noted_the_address_is_adopted(tmp_path, started, noted):
    """As when server and engine are killed while the server starts the engine again: the directory stays usable."""
    script = f"import os\nfrom pathlib import Path\nfrom fhir_server.store.engine import Engine\nengine = Engine.start(Path({str(tmp_path)!r}))\nos.kill(os.getpid(), 9)\n"
    subprocess.run([sys.executable, "-c", script], check=False)
    left = address_of(tmp_path)
    noting = home_of(tmp_path) / "address.json"
    if noted:
        noting.write_text(noting.read_text().replace(str(left.pid), "999999999"))
    else:
        noting.unlink()
    started.append(Engine.start(tmp_path))
    assert left == started[0].address == address_of(tmp_path)
    with connect(started[0].uri) as client:
        client.one.thing.insert_one({"_id": 1})
    started[0].stop()
    assert address_of(tmp_path) is None


def test_a_killed_engine_is_noticed_and_revived_at_its_address_with_all_that_was_acknowledged(tmp_path, started):
    engine = Engine.start(tmp_path)
    started.append(engine)
    with connect(engine.uri) as client:
        for round_ in range(3):
            client.one.thing.insert_one({"_id": round_})
            before = engine.address
            os.kill(before.pid, signal.SIGKILL)
            wait_until(lambda: not engine.alive())
            engine.revive()
            assert (before.uri, before.port) == (engine.address.uri, engine.address.port)
            assert round_ + 1 == client.one.thing.count_documents({})  # the same client finds it back


def test_a_killed_engine_waits_for_its_port_so_that_open_clients_find_it_back(tmp_path, started):
    """What was killed, or somebody's outgoing connection, held the port for a moment: workers waited for ever."""
    engine = Engine.start(tmp_path)
    started.append(engine)
    before = engine.address
    with connect(engine.uri) as client:
        client.one.thing.insert_one({"_id": 1})
        os.kill(before.pid, signal.SIGKILL)
        wait_until(lambda: not engine.alive())
        wait_until(lambda: port_is_free(before.port))
        holder = socket.create_server(("127.0.0.1", before.port))
        threading.Timer(1, holder.close).start()
        engine.revive()
        assert (before.uri, before.port) == (engine.address.uri, engine.address.port)
        assert 1 == client.one.thing.count_documents({})


def test_its_port_is_none_that_the_system_gives_to_outgoing_connections(tmp_path, started):
    started.append(Engine.start(tmp_path))
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert started[0].address.port < max(first, 32_768)


def test_it_comes_back_on_another_port_when_its_own_was_taken(tmp_path, started):
    engine = Engine.start(tmp_path)
    port = engine.address.port
    with connect(engine.uri) as client:
        client.one.thing.insert_one({"_id": 1})
    engine.stop()
    with socketserver.TCPServer(("127.0.0.1", port), socketserver.BaseRequestHandler) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        started.append(Engine.start(tmp_path))
        assert port != started[0].address.port
        with connect(started[0].uri) as client:
            assert 1 == client.one.thing.count_documents({})
        stranger.shutdown()


def test_nobody_reads_it_without_its_password(tmp_path, started):
    started.append(Engine.start(tmp_path))
    with pytest.raises(EngineFault, match="does not let us in"):
        connect(f"mongodb://127.0.0.1:{started[0].address.port}/?directConnection=true")
    home = home_of(tmp_path)
    for name in ("address.json", "password", "key"):
        assert 0o600 == (home / name).stat().st_mode & 0o777, name
    assert 0o700 == home.stat().st_mode & 0o777
    assert (home / "password").read_text() not in repr(started[0].address)


def test_a_long_path_goes_without_the_unix_socket(tmp_path, started):
    started.append(Engine.start(tmp_path / ("x" * 110)))
    assert f"@127.0.0.1:{started[0].address.port}/" in started[0].uri
    connect(started[0].uri).close()


def test_a_directory_that_cannot_be_written_is_named_with_what_to_do(tmp_path):
    (tmp_path / "mongodb").write_text("a file stands in the way")
    with pytest.raises(EngineFault, match="cannot be written: give a directory of yours"):
        Engine.start(tmp_path)


def test_a_missing_binary_is_named_with_three_ways_out(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EngineFault, match=r"run `make install`.*install MongoDB 6.*--mongo-uri"):
        find_mongod({"PATH": ""})


def test_a_damaged_database_says_where_to_read_and_gives_the_directory_up(tmp_path, started):
    started.append(Engine.start(tmp_path))
    started[0].stop()
    (home_of(tmp_path) / "db" / "WiredTiger.turtle").write_text("rubbish")
    (home_of(tmp_path) / "db" / "WiredTiger").write_text("rubbish")
    with pytest.raises(EngineFault, match=r"read `.*mongod\.log`"):
        Engine.start(tmp_path)
    with pytest.raises(EngineFault, match=r"read `.*mongod\.log`"):  # not: another server owns
        Engine.start(tmp_path)


def test_a_server_that_stands_alone_is_refused_with_how_to_mend_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    alone = subprocess.Popen(
        [find_mongod(), "--dbpath", tmp_path, "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"],
        stdout=subprocess.DEVNULL,
    )
    try:
        with pytest.raises(EngineFault, match=r"stands alone.*--replSet.*rs\.initiate"):
            connect(f"mongodb://127.0.0.1:{port}/", patience=20)
    finally:
        alone.terminate()
        alone.wait(30)


@pytest.mark.parametrize(
    ("uri", "words"), [("http://x", "cannot be read"), ("mongodb://127.0.0.1:1/", "does not answer")]
)
def test_an_address_that_leads_nowhere_is_refused(uri, words):
    with pytest.raises(EngineFault, match=words):
        connect(uri, patience=0.2)


def test_databases_that_come_and_go_do_not_use_up_the_open_files_of_the_system(tmp_path, started):
    """It held the file of every index it ever opened: at the limit of open files it ended itself, in CI, mid-suite."""
    engine = Engine.start(tmp_path)
    started.append(engine)
    files = Path(f"/proc/{engine.address.pid}/fd")
    if not files.is_dir():
        pytest.skip("only Linux tells which files a process holds")
    with connect(engine.uri) as client:
        for number in range(30):
            Shelf(client[f"one{number}"]).prepare()
            client.drop_database(f"one{number}")
    most = len(list(files.iterdir()))
    assert most > 600
    wait_until(lambda: len(list(files.iterdir())) < 600, seconds=60)
