"""Where a server writes its log: the first place to look when something failed in it."""

from typing import Any

import asyncpg

from typedsql.embedded.folder import ServerFolder
from typedsql.settings import ConnectionTarget
from typedsql.supabase import is_direct, is_shared_pooler

_SETTINGS = """
SELECT
    current_setting('log_destination') AS destination,
    current_setting('logging_collector')::boolean AS collector
"""
# Members of pg_monitor alone may ask for it; it is relative to the data directory.
_FILE = "SELECT pg_catalog.pg_current_logfile()"
_FOLDER = "SELECT current_setting('data_directory', true)"


async def find_server_log(connection: Any, target: ConnectionTarget) -> str:
    """Where the log of the server behind `connection` is, in words; changes nothing.

    The file's path is the server's machine's, and only known to a role that may ask for it.
    """
    if target.embedded_dir is not None:
        return str(ServerFolder(target.embedded_dir).log)
    if is_direct(target.host) or is_shared_pooler(target.host):
        return "Supabase's dashboard, under Logs, Postgres"
    settings = await connection.fetchrow(_SETTINGS)
    destination: str = settings["destination"]
    if settings["collector"]:
        path = await _asked(connection, _FILE)
        if path is None:
            return "files on the server; a member of pg_monitor may ask which"
        folder = None if path.startswith("/") else await _asked(connection, _FOLDER)
        return f"{folder}/{path} on the server" if folder else f"{path} on the server"
    if "syslog" in destination:
        return "the system log of the server's machine (syslog)"
    if "eventlog" in destination:
        return "the event log of the server's machine"
    return "its standard error: see journalctl, or docker logs"


async def _asked(connection: Any, statement: str) -> str | None:
    """What the server says, None where this role may not ask."""
    try:
        answer: str | None = await connection.fetchval(statement)
    except asyncpg.InsufficientPrivilegeError:
        return None
    return answer
