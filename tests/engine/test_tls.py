"""Encryption and certificates: who is refused, on real servers."""

import dataclasses
import shutil
import ssl
import subprocess
from collections.abc import Generator
from pathlib import Path

import asyncpg
import pytest

from tests.servers import throwaway_server
from typedsql.errors import ConfigurationError
from typedsql.settings import ConnectionTarget, resolve_target
from typedsql.tls import SYSTEM_STORE

OPENSSL_LIMIT_SECONDS = 60
# The wheel's PostgreSQL is built without TLS; distributions build theirs with it.
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


@dataclasses.dataclass(frozen=True)
class Certificates:
    authority: Path
    stranger: Path
    certificate: Path
    key: Path


def openssl(*arguments: str | Path) -> None:
    subprocess.run(
        ["openssl", *map(str, arguments)],
        check=True,
        capture_output=True,
        timeout=OPENSSL_LIMIT_SECONDS,
    )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("authority", "stranger"):
        openssl(
            *("req", "-x509", *new_key, "-subj", f"/CN={name}", "-days", "2"),
            *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"),
        )
    openssl(
        *("req", *new_key, "-subj", "/CN=localhost"),
        *("-keyout", folder / "server.key", "-out", folder / "server.csr"),
    )
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    openssl(
        *("x509", "-req", "-in", folder / "server.csr", "-days", "2", "-set_serial", "1"),
        *("-CA", folder / "authority.crt", "-CAkey", folder / "authority.key"),
        *("-extfile", folder / "names", "-out", folder / "server.crt"),
    )
    return Certificates(
        authority=folder / "authority.crt",
        stranger=folder / "stranger.crt",
        certificate=folder / "server.crt",
        key=folder / "server.key",
    )


@pytest.fixture(scope="module")
def tls_server(certificates: Certificates) -> Generator[ConnectionTarget, None, None]:
    if not PROGRAMS:
        pytest.skip("no PostgreSQL of the system's in /usr/lib/postgresql, to have TLS")
    programs = PROGRAMS[-1].parent
    files = {"server.crt": certificates.certificate, "server.key": certificates.key}
    with throwaway_server(
        int(programs.parent.name), programs, settings={"ssl": "on"}, files=files
    ) as target:
        yield target


@pytest.fixture(scope="module")
def plain_server() -> Generator[ConnectionTarget, None, None]:
    with throwaway_server(18) as target:
        yield target


async def is_encrypted(target: ConnectionTarget) -> bool:
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        encrypted: bool = await connection.fetchval(
            "SELECT s.ssl FROM pg_catalog.pg_stat_ssl AS s WHERE s.pid = pg_backend_pid()"
        )
        return encrypted
    finally:
        await connection.close()


def with_tls(
    target: ConnectionTarget, mode: str | None, authority: Path | None = None, host: str = ""
) -> ConnectionTarget:
    return dataclasses.replace(
        target, sslmode=mode, sslrootcert=authority, host=host or target.host
    )


@pytest.mark.parametrize("mode", [None, "prefer", "require"])
async def test_an_unverified_mode_still_encrypts(
    tls_server: ConnectionTarget, mode: str | None
) -> None:
    assert await is_encrypted(with_tls(tls_server, mode))
    assert not await is_encrypted(with_tls(tls_server, "disable"))


async def test_the_right_authority_and_name_are_taken(
    tls_server: ConnectionTarget, certificates: Certificates
) -> None:
    target = with_tls(tls_server, "verify-full", certificates.authority, "localhost")
    assert await is_encrypted(target)


async def test_a_wrong_authority_is_refused(
    tls_server: ConnectionTarget, certificates: Certificates
) -> None:
    for mode in ("verify-ca", "verify-full"):
        target = with_tls(tls_server, mode, certificates.stranger, "localhost")
        with pytest.raises(ssl.SSLCertVerificationError):
            await is_encrypted(target)
    # The control: `require` takes anybody.
    assert await is_encrypted(with_tls(tls_server, "require", None, "localhost"))


async def test_a_wrong_name_is_refused_by_verify_full_alone(
    tls_server: ConnectionTarget, certificates: Certificates
) -> None:
    # The certificate is for localhost, and says nothing of 127.0.0.1.
    with pytest.raises(ssl.SSLCertVerificationError):
        await is_encrypted(with_tls(tls_server, "verify-full", certificates.authority))
    assert await is_encrypted(with_tls(tls_server, "verify-ca", certificates.authority))


async def test_the_system_store_does_not_know_a_private_authority(
    tls_server: ConnectionTarget,
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await is_encrypted(with_tls(tls_server, "verify-full", SYSTEM_STORE, "localhost"))


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_server_without_tls_is_refused(plain_server: ConnectionTarget, mode: str) -> None:
    authority = SYSTEM_STORE if mode == "verify-full" else None
    with pytest.raises(ConnectionError):
        await is_encrypted(with_tls(plain_server, mode, authority))
    # The control: without the demand it falls back to plaintext.
    assert not await is_encrypted(with_tls(plain_server, None))


# What is settled before any connection


def resolve(url: str, home: Path, **environ: str) -> ConnectionTarget:
    return resolve_target(url, project="shop", environ={"HOME": str(home)} | environ)


def refusal(url: str, home: Path, **environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        resolve(url, home, **environ)
    return str(caught.value)


URL = "postgresql://u@db.example.com/d"


def test_an_authority_without_a_mode_means_verify_full(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").touch()
    target = resolve(f"{URL}?sslrootcert=~/ca.crt", tmp_path)
    assert (target.sslmode, target.sslrootcert) == ("verify-full", tmp_path / "ca.crt")


def test_require_with_an_authority_verifies_it_as_in_libpq(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").touch()
    target = resolve(f"{URL}?sslmode=require&sslrootcert={tmp_path}/ca.crt", tmp_path)
    assert target.sslmode == "verify-ca"


def test_an_authority_that_would_not_be_checked_is_refused(tmp_path: Path) -> None:
    for mode in ("disable", "allow", "prefer"):
        message = refusal(f"{URL}?sslmode={mode}&sslrootcert=system", tmp_path)
        assert "verify-full" in message


def test_the_system_store_demands_verify_full(tmp_path: Path) -> None:
    for mode in ("require", "verify-ca"):
        assert "verify-full" in refusal(f"{URL}?sslmode={mode}&sslrootcert=system", tmp_path)
    assert resolve(f"{URL}?sslrootcert=system", tmp_path).sslrootcert == SYSTEM_STORE


def test_a_file_called_system_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "system").touch()
    monkeypatch.chdir(tmp_path)
    target = resolve(f"{URL}?sslrootcert=./system", tmp_path)
    assert target.sslrootcert == tmp_path / "system"


def test_libpq_variables_complete_what_a_url_leaves_open(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").touch()
    authority = str(tmp_path / "ca.crt")
    completed = resolve(URL, tmp_path, PGSSLMODE="verify-full", PGSSLROOTCERT=authority)
    assert (completed.sslmode, completed.sslrootcert) == ("verify-full", tmp_path / "ca.crt")
    said = resolve(f"{URL}?sslmode=disable", tmp_path, PGSSLMODE="require", PGSSLROOTCERT="system")
    assert (said.sslmode, said.sslrootcert) == ("disable", None)
    assert "PGSSLMODE must be one of" in refusal(URL, tmp_path, PGSSLMODE="maybe")
    # A socket is not encrypted, whatever is said for networks.
    socket = resolve("postgresql://u@/d?host=/tmp", tmp_path, PGSSLMODE="require")
    assert (socket.sslmode, socket.asyncpg_arguments()["ssl"]) == (None, "disable")


def test_the_default_authority_is_that_of_libpq(tmp_path: Path) -> None:
    assert "PGSSLROOTCERT" in refusal(f"{URL}?sslmode=verify-full", tmp_path)
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").touch()
    target = resolve(f"{URL}?sslmode=verify-full", tmp_path)
    assert target.sslrootcert == tmp_path / ".postgresql" / "root.crt"


def test_an_authority_that_is_missing_or_no_certificate_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.crt"
    assert str(missing) in refusal(f"{URL}?sslrootcert={missing}", tmp_path)
    garbage = tmp_path / "garbage.crt"
    garbage.write_text("no certificate")
    target = resolve(f"{URL}?sslrootcert={garbage}", tmp_path)
    with pytest.raises(ConfigurationError, match="PEM") as caught:
        target.asyncpg_arguments()
    assert str(garbage) in str(caught.value)
