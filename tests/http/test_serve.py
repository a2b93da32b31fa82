"""serve and demo, as processes: they start, survive what is killed, drain, and stop."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import warnings
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from fhir_server.store.engine import address_of

PROGRAM = [sys.executable, "-c", "from fhir_server.commands import main; main()"]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def serve(tmp_path):
    """Starts `serve --sandbox` on data of its own; whatever still runs is killed afterwards."""
    started = []

    def serve(*flags, secure=None):
        port = free_port()
        process = subprocess.Popen(
            [*PROGRAM, "serve", "--sandbox", "--data", str(tmp_path), "--port", str(port), *flags],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        origin = f"{'https' if secure else 'http'}://127.0.0.1:{port}"
        until(lambda: is_ready(origin, secure) or process.poll() is not None)
        return process, origin

    yield serve
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        process.stderr.close()
    left = address_of(tmp_path)
    if left:
        os.kill(left.pid, signal.SIGKILL)


def is_ready(origin, secure=None):
    try:
        return requests.get(f"{origin}/health/ready", timeout=2, verify=secure).ok
    except requests.RequestException:
        return False


def until(true, seconds=90):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def children(pid):
    listed = subprocess.run(
        ["ps", "-ww", "--ppid", str(pid), "-o", "pid=,args="], capture_output=True, text=True
    ).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "mongod" not in line]


def certificate(place):
    """A certificate of this machine's own, and its key, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    kinds = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (place / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (place / "key.pem").write_bytes(key.private_bytes(*kinds))
    return str(place / "cert.pem"), str(place / "key.pem")


def speaks(origin, cert, version):
    """Whether the server agrees to this version of TLS and to no other."""
    context = ssl.create_default_context(cafile=cert)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    port = int(origin.rpartition(":")[2])
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 10) as wire,
            context.wrap_socket(wire, server_hostname="127.0.0.1"),
        ):
            return True
    except OSError:
        return False


def test_with_a_certificate_it_speaks_tls_1_2_and_1_3_and_nothing_older(serve, tmp_path):
    """SMART-D18 SMART-D6: and it names itself by https everywhere."""
    cert, key = certificate(tmp_path)
    _, origin = serve("--workers", "1", "--tls-cert", cert, "--tls-key", key, secure=cert)
    versions = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert [False, False, True, True] == [speaks(origin, cert, each) for each in versions]
    told = requests.get(f"{origin}/.well-known/openid-configuration", verify=cert, timeout=10).json()
    assert [origin] * 3 == [told["issuer"], told["token_endpoint"][:-11], told["jwks_uri"][:-10]]
    page = requests.get(f"{origin}/auth/who", verify=cert, timeout=10)
    assert page.headers["Set-Cookie"].startswith("__Host-dmp=") and "Secure" in page.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ["--base-url", "https://dmp.example.org"],
            "needs TLS: give `--tls-cert` and `--tls-key`, or `--behind-proxy`",
        ),
        (["--behind-proxy"], "give `--base-url https://your.name`"),
        (["--behind-proxy", "--base-url", "http://dmp.example.org"], "must begin with `https://`"),
        (["--base-url", "https://dmp.example.org", "--tls-cert", "setup.cfg"], "go together"),
    ],
)
def test_off_loopback_it_starts_with_tls_or_behind_a_proxy_or_not_at_all(tmp_path, flags, words):
    """SMART-D18: nothing is started, nothing listens."""
    port = free_port()
    asked = [*PROGRAM, "serve", "--data", str(tmp_path), "--host", "0.0.0.0", "--port", str(port), *flags]
    refused = subprocess.run(asked, capture_output=True, text=True)
    assert 0 != refused.returncode and words in " ".join(refused.stderr.split()), refused.stderr
    assert not list(tmp_path.iterdir()) and not is_ready(f"http://127.0.0.1:{port}")


def test_an_address_that_is_too_long_is_told_so_by_us_however_long_its_line_is(serve):
    """R4 http.html: 414. What hyper reads of a request line at all, 64 kB, comes to us; past that it says a bare 414."""
    _, origin = serve("--workers", "1", "--open")
    for much, ours in ((8_100, True), (8_200, True), (60_000, True), (70_000, False)):
        got = requests.get(f"{origin}/fhir/Organization?name={'a' * much}", timeout=20)
        assert 414 == got.status_code, much
        assert ours == (got.headers.get("Content-Type", "").startswith("application/fhir+json")), much
        assert not ours or "too-long" == got.json()["issue"][0]["code"]


def test_it_says_where_it_is_and_stops_with_its_engine(serve, tmp_path):
    process, origin = serve()
    assert requests.get(f"{origin}/fhir/metadata", timeout=10).json()["fhirVersion"] == "4.0.1"
    assert requests.get(f"{origin}/health/live", timeout=10).ok
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    said = process.stderr.read()
    assert str(tmp_path / "mongodb") in said
    assert f"{origin}/fhir" in said
    assert f"{origin}/sandbox" in said
    assert address_of(tmp_path) is None


def test_a_server_that_is_stopped_while_it_starts_leaves_no_engine_behind(tmp_path):
    command = [*PROGRAM, "serve", "--sandbox", "--data", str(tmp_path), "--port", str(free_port())]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as starting:
        until(lambda: address_of(tmp_path) is not None)
        starting.terminate()
        said = starting.communicate(timeout=60)[1]
    assert (starting.returncode, address_of(tmp_path)) == (0, None), said


def test_a_stop_lets_what_is_under_way_finish_and_takes_nothing_new(serve):
    process, origin = serve("--workers", "1")
    asked = {"as": "operateur", "scope": "user/*.cruds"}
    token = requests.post(f"{origin}/sandbox/token", json=asked, timeout=20).json()["access_token"]
    body = json.dumps({"resourceType": "Organization", "name": "en cours"}).encode()
    head = (
        f"POST /fhir/Organization HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", int(origin.rpartition(":")[2])), 60) as under_way:
        under_way.sendall(head.encode())
        assert under_way.recv(4096).startswith(b"HTTP/1.1 100"), "it is being served, and its body is waited for"
        under_way.sendall(body[:10])
        process.send_signal(signal.SIGTERM)
        until(lambda: not is_ready(origin), seconds=10)
        under_way.sendall(body[10:])
        assert under_way.recv(4096).startswith(b"HTTP/1.1 201")
    assert process.wait(60) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_stop_is_heard_whichever_thread_runs_at_that_moment(serve):
    """The one that asks for the signal gets it: any other would keep it from a main thread that sleeps."""
    process, _ = serve("--workers", "1")
    (worker,) = children(process.pid)
    threads = [each.read_text() for each in Path(f"/proc/{worker}/task").glob("*/status")]
    masks = [int(re.search(r"SigBlk:\s*(\w+)", each).group(1), 16) for each in threads]
    for number in (signal.SIGTERM, signal.SIGINT):
        assert 1 == sum(not mask & 1 << number - 1 for mask in masks)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_three_times_stops_once(serve, number):
    process, _ = serve("--workers", "1", "--drain", "30")
    (worker,) = children(process.pid)
    begun = time.monotonic()
    for _ in range(3):
        os.kill(worker, number)
    process.send_signal(number)
    assert process.wait(60) == 0
    assert time.monotonic() - begun < 25
    assert "refused to gracefully stop" not in process.stderr.read()


def test_a_killed_engine_is_started_again_and_the_server_works_on(serve, tmp_path):
    process, origin = serve()
    before = address_of(tmp_path)
    os.kill(before.pid, signal.SIGKILL)
    until(lambda: (now := address_of(tmp_path)) is not None and now.pid != before.pid)
    until(lambda: is_ready(origin))
    asked = {"as": "operateur", "scope": "user/*.cruds"}
    token = requests.post(f"{origin}/sandbox/token", json=asked, timeout=20).json()["access_token"]
    header = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{origin}/fhir/Patient/lea-martin", headers=header, timeout=20).status_code == 200
    assert process.poll() is None


def test_a_killed_server_leaves_nobody_who_answers_and_the_next_start_takes_its_data_over(serve, tmp_path):
    process, origin = serve("--workers", "2")
    before = address_of(tmp_path)
    workers = children(process.pid)
    assert len(workers) == 2
    process.kill()
    process.wait(10)
    until(lambda: not is_ready(origin), seconds=5)
    again, new_origin = serve()
    assert is_ready(new_origin)
    assert address_of(tmp_path).pid == before.pid
    assert again.poll() is None


def test_a_second_server_on_the_same_data_is_refused_and_so_is_a_taken_port(serve, tmp_path):
    process, origin = serve()
    second, _ = serve()
    assert second.returncode == 1
    assert "another server owns" in second.stderr.read()
    third = subprocess.run(
        [*PROGRAM, "serve", "--data", str(tmp_path / "other"), "--port", origin.rpartition(":")[2]],
        capture_output=True, text=True,
    )  # fmt: skip
    assert third.returncode == 1
    assert "cannot be had" in third.stderr
    assert process.poll() is None


def test_without_the_flag_a_sandboxs_data_is_not_served(serve, tmp_path):
    process, _ = serve()
    process.terminate()
    process.wait(60)
    plain = subprocess.run(
        [*PROGRAM, "serve", "--data", str(tmp_path), "--port", str(free_port())], capture_output=True, text=True
    )
    assert plain.returncode == 1
    assert "passwords everybody knows" in plain.stderr
    assert address_of(tmp_path) is None


def test_a_start_prints_where_things_are_and_nothing_else(serve):
    process, _ = serve()
    process.terminate()
    assert [line.split()[0] for line in process.communicate(timeout=60)[1].splitlines()] == [
        "data", "FHIR", "sandbox", "stopped",
    ]  # fmt: skip


def test_a_worker_that_finds_no_database_says_so_in_a_line():
    environ = os.environ | {"FHIR_SERVER_MONGO_URI": f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs0"}
    command = [sys.executable, "-c", "from fhir_server.commands.serve import application; application()"]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("a worker did not start: MongoDB does not answer")
    assert len(ended.stderr.splitlines()) == 1


def demo(*flags):
    return subprocess.run([*PROGRAM, "demo", *flags], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_the_demonstration_plays_in_under_thirty_seconds_as_the_readme_tells_it_and_stops_what_it_started():
    begun = time.monotonic()
    played = demo("--exit", "--port", str(free_port()))
    took = time.monotonic() - begun
    assert played.returncode == 0, played.stdout[-4000:] + played.stderr[-2000:]
    assert took < 30 * max(1, os.getloadavg()[0] / os.cpu_count())  # on a machine that does nothing else besides
    assert "all as expected" in played.stdout
    assert "NO  " not in played.stdout
    # `make tour` puts what a run printed into the README; ids and times are those of that run
    assert whatever_run(tour()).splitlines() == whatever_run(played.stdout).strip().splitlines()


def tour():
    """What the README says that `make demo` printed."""
    return Path("README.md").read_text("utf-8").partition("<!-- tour:begin -->\n```\n")[2].partition("\n```")[0]


def whatever_run(told):
    """Without what differs from run to run: ids, the time of day, the seconds it took."""
    return re.sub(r"[0-9a-f]{4}…[0-9a-f]{4}|\d\d:\d\d:\d\d|\d+\.\d s", "…", told)


def test_the_demonstration_fails_and_names_the_step_when_a_sandbox_does_not_answer_as_expected(serve):
    _, origin = serve()
    asked = {"as": "lea", "scope": "openid patient/*.rs patient/Patient.u patient/Consent.cruds"}
    token = requests.post(f"{origin}/sandbox/token", json=asked, timeout=20).json()["access_token"]
    opening = [{"name": name, "valueBoolean": True} for name in ("breakGlass", "emergencyDispatch", "feeding")]
    requests.post(
        f"{origin}/fhir/Patient/lea-martin/$open-record", timeout=20,
        data=json.dumps({"resourceType": "Parameters", "parameter": opening}),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"},
    ).raise_for_status()  # fmt: skip
    played = demo("--against", origin)
    assert played.returncode == 1
    assert "NO  It deposits the letter of discharge all the same" in played.stdout
    assert "did not come as expected" in played.stdout
    assert f"{origin}/sandbox/reset" in played.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["told to end", "its terminal was closed"])
def test_a_demonstration_that_is_ended_leaves_no_server_behind(number):
    origin = f"http://127.0.0.1:{(port := free_port())}"
    playing = subprocess.Popen(
        [*PROGRAM, "demo", "--port", str(port)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    until(lambda: is_ready(origin))
    playing.send_signal(number)
    assert playing.wait(60) == 128 + number
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{origin}/health/live", timeout=5)


def test_the_demonstration_says_when_nothing_answers_where_it_was_sent():
    played = demo("--against", f"http://127.0.0.1:{free_port()}")
    assert (played.returncode, "nothing answers at" in played.stderr) == (1, True)


def test_the_hospitals_script_says_that_the_record_is_not_open_then_deposits(serve):
    _, origin = serve()
    script = [sys.executable, "examples/hospital/submit.py", origin]
    refused = subprocess.run(script, capture_output=True, text=True)
    assert (refused.returncode, "refused    403" in refused.stderr) == (1, True)
    asked = {"as": "lea", "scope": "openid patient/*.rs patient/Patient.u patient/Consent.cruds"}
    token = requests.post(f"{origin}/sandbox/token", json=asked, timeout=20).json()["access_token"]
    body = {"resourceType": "Parameters", "parameter": [
        {"name": name, "valueBoolean": True} for name in ("breakGlass", "emergencyDispatch", "feeding")
    ]}  # fmt: skip
    requests.post(
        f"{origin}/fhir/Patient/lea-martin/$open-record", timeout=20, data=json.dumps(body),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"},
    ).raise_for_status()  # fmt: skip
    for algorithm in ("ES384", "RS384"):
        stored = subprocess.run([*script, "--algorithm", algorithm], capture_output=True, text=True)
        assert stored.returncode == 0, stored.stderr
        assert stored.stdout.count("stored     http") == 3


@pytest.mark.parametrize("flags", [[], ["--client", "x", "--keys", "/nowhere.json"], ["--keys", "setup.cfg"]])
def test_the_hospitals_script_says_in_a_sentence_what_is_missing(flags):
    script = [sys.executable, "examples/hospital/submit.py", f"http://127.0.0.1:{free_port()}", *flags]
    said = subprocess.run(script, capture_output=True, text=True)
    assert (1, 1, True) == (said.returncode, len(said.stderr.splitlines()), said.stderr.startswith("failed     "))
