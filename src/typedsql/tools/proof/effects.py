"""Whether a statement only reads, so that running it a second time changes nothing."""

from typing import Any, Final

import msgspec

from typedsql.tools.proof.node_tree import Node, walk

# src/include/nodes/nodes.h of PostgreSQL 18.
_SELECT: Final = 1

# pg_proc calls them volatile since they say something else at each call, or look at the server
# or wait. They leave nothing behind: unlike nextval, set_config, setseed, currval (which reads
# what the session did before), pg_notify, advisory locks, large objects and signals.
HARMLESS: Final = (
    "clock_timestamp",
    "gen_random_uuid",
    "pg_blocking_pids",
    "pg_current_wal_flush_lsn",
    "pg_current_wal_insert_lsn",
    "pg_current_wal_lsn",
    "pg_database_size",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_last_wal_receive_lsn",
    "pg_last_wal_replay_lsn",
    "pg_last_xact_replay_timestamp",
    "pg_lock_status",
    "pg_relation_size",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "pg_table_size",
    "pg_tablespace_size",
    "pg_total_relation_size",
    "pg_xact_status",
    "random",
    "random_normal",
    "timeofday",
    "uuidv4",
    "uuidv7",
)

# pg_proc calls every aggregate immutable: its steps are functions of their own. The tree of a
# stored view may name an operator without its function.
_READ: Final = """
WITH volatile AS (
    SELECT p.oid FROM pg_catalog.pg_proc AS p
    WHERE
        p.provolatile = 'v'
        AND NOT (
            p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY($1::text[])
        )
)
SELECT
    ARRAY(
        SELECT v.oid FROM volatile AS v
        UNION
        SELECT a.aggfnoid FROM pg_catalog.pg_aggregate AS a
        INNER JOIN volatile AS v
            ON v.oid IN (a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
    )::bigint[],
    ARRAY(
        SELECT o.oid FROM pg_catalog.pg_operator AS o
        INNER JOIN volatile AS v ON o.oprcode = v.oid
    )::bigint[]
"""

_FUNCTIONS: Final = ("funcid", "opfuncid", "aggfnoid", "winfnoid")


class Effects(msgspec.Struct, frozen=True):
    """What may leave something behind when it is called, in one database."""

    functions: frozenset[int]
    operators: frozenset[int]

    @classmethod
    async def load(cls, connection: Any) -> "Effects":
        """Read the catalogs in one query. The rows need no privilege."""
        functions, operators = await connection.fetchrow(_READ, HARMLESS)
        return cls(frozenset(functions), frozenset(operators))

    def reads_only(self, queries: list[Node]) -> bool:
        """Of all queries that a statement was rewritten to; False of a command, which has none.

        It has to be a SELECT without a modifying CTE or row locks, at any depth, that calls no
        function that may leave something behind. Functions are taken to be as volatile as they
        say, and so are CHECKs of domains. What row level security adds is in it only as far
        as it binds the role that asks.
        """
        return bool(queries) and not any(
            self._leaves_something(node) for query in queries for node in walk(query)
        )

    def _leaves_something(self, node: Node) -> bool:
        if node.kind == "QUERY":
            return node.number("commandType") != _SELECT or bool(node.nodes("rowMarks"))
        if node.kind == "NEXTVALUEEXPR":
            return True
        if any(name in node.fields and node.number(name) in self.functions for name in _FUNCTIONS):
            return True
        if "opno" in node.fields:
            return node.number("opno") in self.operators
        return "opnos" in node.fields and not self.operators.isdisjoint(node.numbers("opnos"))
