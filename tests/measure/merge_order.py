"""What it costs and gives in which order the rows of a chunk are stored.

    python -m tests.measure.merge_order

Stores the same chunks by COPY as they arrive, sorted by hash, by the hash of their block and by its
number, in turn, and tells the processor time of the connection's process and the pages that
three statements read afterwards. A chunk that others may store too has to be sorted, in any
order that depends on its rows alone. It reads /proc, so the server is one of its own, on Linux.
"""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from operator import attrgetter
from typing import Any, Final

import asyncpg
from msgspec.structs import astuple

from tests.benchmarks.growing_rows import Transfers
from tests.databases import open_databases
from tests.measure.indexes.command import DURABLE, MAJOR, STATEMENT_LIMIT_S
from tests.measure.indexes.loading import CHUNK_ROWS, processor_s
from tests.measure.indexes.uses import run
from tests.measure.pairs import CONTROL, Spread, in_turn
from tests.servers import throwaway_server
from typedsql.settings import ConnectionTarget
from typedsql.statements import VARIANTS_FOLDER, load_statements
from whaledb.project import PROJECT
from whaledb.rows import NewWhaleTransaction

Order = Callable[[NewWhaleTransaction], Any]

ORDERS: Final[dict[str, Order | None]] = {
    CONTROL: None,
    "by hash": attrgetter("hash", "chain_id", "block_hash", "trace_path"),
    "by block_hash, hash": attrgetter("block_hash", "hash", "chain_id", "trace_path"),
    "by block_number, hash": attrgetter("block_number", "hash", "chain_id", "trace_path"),
}
BLOCKS_OF_ROWS: Final = ((3, 5), (50, 150))
"""Fewest and most rows of a block."""


async def store(
    connection: asyncpg.Connection, rows: Sequence[NewWhaleTransaction], order: Order | None
) -> float:
    """Processor seconds of storing the rows in the empty table."""
    await connection.execute("TRUNCATE public.whale_transactions")
    await connection.execute("CHECKPOINT")
    process = connection.get_server_pid()
    started = processor_s(process)
    for first in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[first : first + CHUNK_ROWS]
        await connection.copy_records_to_table(
            "whale_transactions",
            columns=NewWhaleTransaction.__struct_fields__,
            records=map(astuple, chunk if order is None else sorted(chunk, key=order)),
        )
    return processor_s(process) - started


async def pages(connection: asyncpg.Connection, row: NewWhaleTransaction) -> str:
    """Pages that statements read about the block of a row and what is near it in time."""
    await connection.execute("VACUUM ANALYZE public.whale_transactions")
    folder = PROJECT.root / PROJECT.queries_dir
    statements = load_statements(folder / "whale_transactions.sql") | load_statements(
        folder / VARIANTS_FOLDER / "whale_transactions.sql"
    )
    values = {
        "chain_id": row.chain_id,
        "block_number": row.block_number,
        "since": row.block_timestamp,
        "until": row.block_timestamp + timedelta(hours=1),
        "max_rows": 100,
    }
    told = []
    for name in ("list_by_block", "list_transfers__plain", "list_volume_by_hour"):
        arguments = [values[each] for each in statements[name].parameters]
        found = await run(connection, statements[name], arguments, hidden=None, repeats=1)
        told.append(f"{name} {found.pages if found else '?'}")
    return ", ".join(told)


async def measure(server: ConnectionTarget, *, rows: int, rounds: int, seed: int) -> None:
    async with (
        open_databases(server) as databases,
        databases.fresh(await databases.template()) as target,
    ):
        connection = await asyncpg.connect(
            **target.asyncpg_arguments(), command_timeout=STATEMENT_LIMIT_S
        )
        try:
            for rows_of_block in BLOCKS_OF_ROWS:
                given = Transfers(seed, rows_of_block=rows_of_block).next(rows)
                print(f"{rows} rows, {rows_of_block[0]} to {rows_of_block[1]} of a block")
                cases = {
                    name: partial(store, connection, given, order) for name, order in ORDERS.items()
                }
                taken = await in_turn(cases, rounds=rounds, warm_up=1, seed=seed)
                for name, sample in cases.items():
                    await sample()
                    spread = Spread.of([seconds / rows for seconds in taken[name]])
                    print(f"  {'as given' if name == CONTROL else name}:")
                    print(f"    {spread.text('us of the processor for a row', scale=1e6)}")
                    print(f"    pages: {await pages(connection, given[rows // 2])}", flush=True)
        finally:
            await connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.merge_order")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=20261123)
    options = parser.parse_args()
    with throwaway_server(MAJOR, settings=DURABLE) as server:
        asyncio.run(measure(server, rows=options.rows, rounds=options.rounds, seed=options.seed))


if __name__ == "__main__":
    main()
