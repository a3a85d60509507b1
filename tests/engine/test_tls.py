"""Encryption and certificates: what is taken, and what is settled before any connection.

Who is refused is in tests/security/test_tls_refusals.py.
"""

import ssl
from pathlib import Path

import pytest

from tests.tls_servers import Certificates, certificates, is_encrypted, tls_server, with_tls
from typedsql.errors import ConfigurationError
from typedsql.settings import ConnectionTarget, resolve_target
from typedsql.tls import SYSTEM_STORE

__all__ = ["certificates", "tls_server"]


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


async def test_the_system_store_does_not_know_a_private_authority(
    tls_server: ConnectionTarget,
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await is_encrypted(with_tls(tls_server, "verify-full", SYSTEM_STORE, "localhost"))


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
    certain = resolve(URL, tmp_path, PGSSLROOTCERT="system")
    assert (certain.sslmode, certain.sslrootcert) == ("verify-full", SYSTEM_STORE)
    open_to_all = resolve(URL, tmp_path, PGSSLROOTCERT="system", PGSSLMODE="prefer")
    assert open_to_all.sslmode == "prefer"
    here = resolve("postgresql://u@localhost/d", tmp_path, PGSSLROOTCERT="system")
    assert (here.sslmode, here.sslrootcert) == (None, None)
    assert "does not exist" in refusal(URL, tmp_path, PGSSLROOTCERT=str(tmp_path / "missing"))
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
