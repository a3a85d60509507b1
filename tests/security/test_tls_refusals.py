"""Cases 45 and 46: who is not who they should be is not connected to."""

import ssl

import asyncpg
import pytest

import whaledb
from tests.engine.resolving import CANARY, refused, resolve
from tests.tls_servers import (
    Certificates,
    certificates,
    is_encrypted,
    plain_server,
    tls_server,
    with_tls,
)
from typedsql.errors import ConnectionFailed
from typedsql.settings import ConnectionTarget
from typedsql.tls import SYSTEM_STORE

__all__ = ["certificates", "plain_server", "tls_server"]

SUPABASE_URLS = (
    f"postgresql://u:{CANARY}@db.abcdefgh.supabase.co/d",
    f"postgresql://u.abcdefgh:{CANARY}@aws-0-eu-west-1.pooler.supabase.com/d",
    f"postgresql://u.abcdefgh:{CANARY}@aws-0-eu-west-1.pooler.supabase.com:6543/d",
)


async def reached(target: ConnectionTarget) -> None:
    """Connect as a worker does."""
    async with whaledb.connect(target, migrations="ignore"):
        pass


@pytest.mark.case(45)
@pytest.mark.parametrize("url", SUPABASE_URLS)
def test_a_supabase_host_is_not_reached_without_a_ca(url: str) -> None:
    for told in (refused(url), refused(DATABASE_URL=url), refused(f"{url}?sslmode=verify-full")):
        assert told.code == "no_authority"
        assert "PGSSLROOTCERT" in told.action
        assert "dashboard" in told.action
        assert CANARY not in str(told)
    assert resolve(f"{url}?sslrootcert=system").sslmode == "verify-full"
    # The control: the same URL with another host is taken, and nothing is verified there.
    host = url.partition("@")[2].partition("/")[0]
    elsewhere = resolve(url.replace(host, "db.example.com"))
    assert elsewhere.asyncpg_arguments()["ssl"] == "prefer"


@pytest.mark.case(45)
@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require"])
@pytest.mark.parametrize("url", SUPABASE_URLS)
def test_a_supabase_host_is_not_reached_by_a_mode_that_verifies_nothing(
    url: str, mode: str
) -> None:
    for told in (refused(f"{url}?sslmode={mode}"), refused(url, PGSSLMODE=mode)):
        assert "use sslmode=verify-full" in str(told)
        assert CANARY not in str(told)


@pytest.mark.case(45)
def test_a_supabase_project_is_not_reached_without_a_ca() -> None:
    project = {"SUPABASE_URL": "https://abcdefgh.supabase.co", "SUPABASE_DB_PASSWORD": CANARY}
    told = refused(**project)
    assert told.code == "no_authority"
    assert CANARY not in str(told)
    assert resolve(**project, PGSSLROOTCERT="system").sslmode == "verify-full"


@pytest.mark.case(46)
async def test_a_wrong_authority_is_refused(
    tls_server: ConnectionTarget, certificates: Certificates
) -> None:
    for mode, authority in (
        ("verify-ca", certificates.stranger),
        ("verify-full", certificates.stranger),
        ("verify-full", SYSTEM_STORE),
    ):
        target = with_tls(tls_server, mode, authority, "localhost")
        with pytest.raises(ConnectionFailed, match="the server's certificate was refused"):
            await reached(target)
        with pytest.raises(ssl.SSLCertVerificationError):
            await is_encrypted(target)
    # The control: `require` takes anybody.
    anybody = with_tls(tls_server, "require", None, "localhost")
    assert await is_encrypted(anybody)
    await reached(anybody)


@pytest.mark.case(46)
async def test_a_wrong_name_is_refused_by_verify_full_alone(
    tls_server: ConnectionTarget, certificates: Certificates
) -> None:
    # The certificate is for localhost, and says nothing of 127.0.0.1.
    with pytest.raises(ConnectionFailed, match="the server's certificate was refused"):
        await reached(with_tls(tls_server, "verify-full", certificates.authority))
    # The control: verify-ca does not look at the name.
    unnamed = with_tls(tls_server, "verify-ca", certificates.authority)
    assert await is_encrypted(unnamed)
    await reached(unnamed)


@pytest.mark.case(46)
@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_server_without_tls_is_refused(plain_server: ConnectionTarget, mode: str) -> None:
    authority = SYSTEM_STORE if mode == "verify-full" else None
    with pytest.raises(ConnectionFailed, match="offers no TLS"):
        await reached(with_tls(plain_server, mode, authority))
    # The control: without the demand the driver falls back to plaintext, and says nothing.
    arguments = with_tls(plain_server, mode, authority).asyncpg_arguments()
    connection = await asyncpg.connect(**arguments | {"ssl": None})
    await connection.close()
    assert not await is_encrypted(with_tls(plain_server, None))
