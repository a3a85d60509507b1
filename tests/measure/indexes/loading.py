"""Copying the same rows again and again into a table whose indexes change in between."""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg

from tests.measure.indexes.tables import MeasuredTable

CHUNK_ROWS: Final = 10_000
"""Rows of one transaction."""

INDEXES: Final = """
SELECT
    c.relname AS name,
    pg_get_indexdef(i.indexrelid) AS definition,
    k.conname IS NOT NULL AS constrained,
    pg_get_constraintdef(k.oid) AS constraint_definition
FROM pg_index AS i
INNER JOIN pg_class AS c ON c.oid = i.indexrelid
LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
WHERE i.indrelid = $1::TEXT::REGCLASS
ORDER BY c.relname
"""
# The indexes of partitions count for that of their table.
SIZE: Final = """
SELECT coalesce(
    (SELECT sum(pg_relation_size(t.relid)) FROM pg_partition_tree(to_regclass($1)) AS t),
    pg_relation_size(to_regclass($1))
)::BIGINT
"""


@dataclass(frozen=True, slots=True)
class Change:
    """What is different about the table while a case is loaded, and how it is undone."""

    do: Sequence[str] = ()
    undo: Sequence[str] = ()


@dataclass(slots=True)
class Loaded:
    """What the loads of one case left behind; the last one is kept, for all are alike."""

    wal_bytes_per_row: float = 0.0
    bytes_per_row: dict[str, float] = field(default_factory=dict)


def processor_s(process: int) -> float:
    """Seconds that the processor has worked for a process of this machine, by Linux's account.

    A machine that does something else meanwhile disturbs these far less than the clock's.
    """
    # The name of the program, which may hold spaces, ends with the last parenthesis.
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Loader:
    """One table, the bytes to copy into it, and the connection that copies them."""

    def __init__(self, connection: asyncpg.Connection, table: MeasuredTable, rows: int) -> None:
        self._connection = connection
        self._process = connection.get_server_pid()
        self._table = table
        self._rows = rows
        self._chunks: list[bytes] = []
        self.loaded: dict[str, Loaded] = {}

    @property
    def qualified(self) -> str:
        return f"public.{self._table.name}"

    async def prepare(self, seed: int) -> None:
        """Makes the rows, and from them the bytes that each load sends."""
        if self._table.prepare:
            await self._connection.execute(self._table.prepare)
        # PREPARE takes no part in CREATE TABLE AS with parameters of the protocol, both are
        # numbers of ours.
        made = self._table.generate.replace("$1", str(seed)).replace("$2", str(self._rows))
        await self._connection.execute("DROP TABLE IF EXISTS public.measured_rows")
        await self._connection.execute(f"CREATE UNLOGGED TABLE public.measured_rows AS {made}")
        self._rows = await self._connection.fetchval("SELECT count(*) FROM public.measured_rows")
        await self._connection.execute("CREATE INDEX ON public.measured_rows (n)")
        columns = ", ".join(self._table.columns)
        low, high = await self._connection.fetchrow(
            "SELECT min(n), max(n) FROM public.measured_rows"
        )
        self._chunks = []
        for first in range(low, high + 1, CHUNK_ROWS):
            buffer = io.BytesIO()
            await self._connection.copy_from_query(
                f"SELECT {columns} FROM public.measured_rows WHERE n >= $1 AND n < $2 ORDER BY n",
                first,
                first + CHUNK_ROWS,
                output=buffer,
                format="binary",
            )
            self._chunks.append(buffer.getvalue())

    async def indexes(self) -> Mapping[str, asyncpg.Record]:
        found = await self._connection.fetch(INDEXES, self.qualified)
        return {row["name"]: row for row in found}

    def without(self, index: asyncpg.Record) -> Change:
        """The change that leaves one index away, a key's with its constraint."""
        name = index["name"]
        if index["constrained"]:
            return Change(
                [f"ALTER TABLE {self.qualified} DROP CONSTRAINT {name}"],
                [
                    f"ALTER TABLE {self.qualified} ADD CONSTRAINT {name}"
                    f" {index['constraint_definition']}"
                ],
            )
        return Change([f"DROP INDEX public.{name}"], [index["definition"]])

    async def load(self) -> None:
        for chunk in self._chunks:
            await self._connection.copy_to_table(
                self._table.name,
                schema_name="public",
                source=io.BytesIO(chunk),
                columns=self._table.columns,
                format="binary",
            )

    async def sample(self, name: str, change: Change) -> float:
        """Processor seconds of the load with the change made; the table is empty afterwards.

        It begins with a checkpoint, so that each load writes as many whole pages to the WAL.
        """
        await self._connection.execute(f"TRUNCATE {self.qualified}")
        for statement in change.do:
            await self._connection.execute(statement)
        await self._connection.execute("CHECKPOINT")
        before = await self._wal_position()
        started = processor_s(self._process)
        await self.load()
        seconds = processor_s(self._process) - started
        kept = self.loaded.setdefault(name, Loaded())
        kept.wal_bytes_per_row = (await self._wal_position() - before) / self._rows
        for relation in [self._table.name, *await self.indexes()]:
            size = await self._connection.fetchval(SIZE, f"public.{relation}")
            kept.bytes_per_row[relation] = size / self._rows
        await self._connection.execute(f"TRUNCATE {self.qualified}")
        for statement in change.undo:
            await self._connection.execute(statement)
        return seconds

    async def _wal_position(self) -> int:
        position: Any = await self._connection.fetchval(
            "SELECT (pg_current_wal_insert_lsn() - '0/0'::PG_LSN)::BIGINT"
        )
        return int(position)
