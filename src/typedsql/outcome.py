"""Whether a transaction whose COMMIT was not answered is stored: asked of the server."""

from typing import Any, Final, Literal

import asyncpg
import msgspec

Outcome = Literal["committed", "aborted", "in progress", "unknown"]

# No row where nothing was written. On a standby, where nothing can be, the functions of the
# write-ahead log would fail, and are not called.
_MARK: Final = """
SELECT
    w.xid::text,
    c.system_identifier,
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline,
    b.stats_reset
FROM (SELECT pg_current_xact_id_if_assigned() AS xid) AS w
CROSS JOIN pg_control_system() AS c
CROSS JOIN pg_stat_bgwriter AS b
WHERE w.xid IS NOT NULL
"""
_SERVER: Final = """
SELECT
    c.system_identifier,
    CASE
        WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
    END AS timeline,
    b.stats_reset
FROM pg_control_system() AS c
CROSS JOIN pg_stat_bgwriter AS b
"""
_STATUS: Final = "SELECT pg_xact_status($1::text::xid8)"


class Mark(msgspec.Struct, frozen=True):
    """What a transaction that wrote is known by, and the server that numbered it.

    Another server numbers its own transactions: one that was promoted has another timeline,
    a copy another system identifier. A crash forgets the numbers of transactions whose log
    was not flushed and gives them out again; it also discards the statistics, whose time of
    reset tells of it.
    """

    xid: str
    system_identifier: int
    timeline: str
    stats_reset: object


async def mark(connection: Any) -> Mark | None:
    """The open transaction's mark, to be asked before its COMMIT; None where it wrote nothing.

    What writes only when it commits, such as NOTIFY, counts as nothing.
    """
    row = await connection.fetchrow(_MARK)
    return None if row is None else Mark(*row)


async def look_up(connection: Any, marked: Mark) -> Outcome:
    """What became of a marked transaction, asked on another connection.

    "unknown": the server forgot, or is not the one that numbered it, or crashed since and the
    number may be another transaction's. "aborted" holds after a crash too: a number whose
    transaction was stored is not given out again.
    """
    server = await connection.fetchrow(_SERVER)
    if (server["system_identifier"], server["timeline"]) != (
        marked.system_identifier,
        marked.timeline,
    ):
        return "unknown"
    try:
        status: str | None = await connection.fetchval(_STATUS, marked.xid)
    except asyncpg.InvalidParameterValueError:
        # A number still to be given out: a crash took back what this one wrote.
        return "aborted"
    if status == "aborted":
        return "aborted"
    if status is None or server["stats_reset"] != marked.stats_reset:
        return "unknown"
    return "committed" if status == "committed" else "in progress"
