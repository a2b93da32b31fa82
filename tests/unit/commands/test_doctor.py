"""doctor: each thing that can be wrong is found, and comes with a way to mend it."""

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fhir_server.commands import doctor, main
from fhir_server.commands.doctor import Finding
from fhir_server.store.engine import EngineFault


def meminfo(tmp_path, kilobytes):
    path = tmp_path / "meminfo"
    path.write_text(f"MemTotal: 9 kB\nMemAvailable:   {kilobytes} kB\n")
    return path


@pytest.mark.parametrize(("version", "state"), [((3, 10, 9), "broken"), ((3, 11, 0), "well"), ((3, 13, 1), "well")])
def test_an_old_python_is_broken(version, state):
    assert state == doctor.python(version).state


def test_a_missing_library_is_named():
    found = doctor.packages(("flask", "no-such-library"))
    assert ("broken", "missing: no-such-library", "run `make install`") == (found.state, found.seen, found.mend)
    assert "well" == doctor.packages().state


def test_a_missing_mongod_is_broken():
    def nowhere():
        raise EngineFault("no `mongod` was found: install it")

    assert [Finding("mongod", "broken", "none found", "install it")] == list(doctor.mongod(nowhere))


@pytest.mark.parametrize(
    ("says", "state", "seen"),
    [
        ("db version v6.0.5", "well", "6.0.5"),
        ("db version v4.4.1", "broken", "4.4.1"),
        ("something else", "broken", "does not say its version"),
    ],
)
def test_the_version_of_mongod_is_read(tmp_path, says, state, seen):
    binary = tmp_path / "mongod"
    binary.write_text(f"#!/bin/sh\necho '{says}'\n")
    binary.chmod(0o755)
    (found,) = doctor.mongod(lambda: binary)
    assert state == found.state
    assert seen in found.seen


def test_a_mongod_that_does_not_run_is_broken(tmp_path):
    binary = tmp_path / "mongod"
    binary.write_bytes(b"\x7fELFrubbish")
    binary.chmod(0o755)
    (found,) = doctor.mongod(lambda: binary)
    assert "broken" == found.state


def test_missing_system_libraries_are_named_with_their_debian_packages(tmp_path, monkeypatch):
    ldd = tmp_path / "ldd"
    ldd.write_text(
        "#!/bin/sh\necho '  libcurl.so.4 => not found'\necho '  libssl.so.3 => not found'\necho ' libc.so.6 => /lib/libc.so.6'\n"
    )
    ldd.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    (found,) = doctor.mongod(lambda: tmp_path / "mongod")
    assert "missing: libcurl.so.4, libssl.so.3" == found.seen
    assert "apt-get install libcurl4 libssl3" in found.mend


@pytest.mark.parametrize(("kilobytes", "state"), [(100_000, "broken"), (700_000, "doubtful"), (4_000_000, "well")])
def test_little_memory_is_seen(tmp_path, kilobytes, state):
    assert state == doctor.memory(meminfo(tmp_path, kilobytes)).state


def test_memory_that_cannot_be_read_is_doubtful(tmp_path):
    assert "doubtful" == doctor.memory(tmp_path / "none").state


def test_a_clock_in_the_past_is_broken():
    assert "broken" == doctor.clock(1_000_000_000.0).state
    assert "broken" != doctor.clock(2_000_000_000.0).state


def test_a_full_disk_is_broken(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10**6})())
    assert "broken" == doctor.disk(tmp_path / "not" / "yet").state


def test_a_directory_that_cannot_be_written_is_broken(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert "broken" == doctor.data(tmp_path).state


def pem(place, name, key=None, days=30):
    """A certificate and its key, in PEM, under names of their own."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(
            subject, subject, key.public_key(), 1, now - timedelta(days=60), now + timedelta(days=days)
        )
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    (place / f"{name}.crt").write_bytes(made)
    kinds = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (place / f"{name}.key").write_bytes(key.private_bytes(*kinds))


@pytest.mark.parametrize(
    ("cert", "key", "state", "seen"),
    [
        ("a.crt", "a.key", "well", "good until"),
        ("a.crt", "b.key", "broken", "do not fit together"),
        ("a.key", "a.key", "broken", "do not fit together"),
        ("old.crt", "old.key", "broken", "ended on"),
        ("soon.crt", "soon.key", "doubtful", "ends on"),
    ],
)
def test_a_certificate_without_its_key_or_out_of_its_time_is_found(tmp_path, cert, key, state, seen):
    for name, days in (("a", 90), ("b", 90), ("old", -1), ("soon", 3)):
        pem(tmp_path, name, days=days)
    found = doctor.certificate(str(tmp_path / cert), str(tmp_path / key))
    assert (state, True) == (found.state, seen in found.seen)


def test_serve_does_not_start_with_a_certificate_without_its_key(tmp_path):
    pem(tmp_path, "a")
    pem(tmp_path, "b")
    flags = ["--tls-cert", str(tmp_path / "a.crt"), "--tls-key", str(tmp_path / "b.key"), "--data", str(tmp_path / "d")]
    answer = CliRunner().invoke(main, ["serve", *flags])
    assert (1, True) == (answer.exit_code, answer.output.startswith("Error: `--tls-cert` and `--tls-key`"))
    assert not (tmp_path / "d").exists()


def test_few_open_files_are_broken(monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda _: (512, 512))
    assert "broken" == doctor.files().state


def test_it_exits_1_when_something_is_broken_and_names_the_flag(monkeypatch):
    monkeypatch.setattr(doctor, "examine", lambda _: iter(()))
    answer = CliRunner().invoke(main, ["doctor", "--open"])
    assert 1 == answer.exit_code
    assert "--open" in answer.output
    assert 0 == CliRunner().invoke(main, ["doctor"]).exit_code
