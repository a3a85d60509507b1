"""Servers with TLS and without, and certificates that fit and do not; fixtures to import."""

import dataclasses
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import asyncpg
import pytest

from tests.servers import throwaway_server
from typedsql.settings import ConnectionTarget

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
