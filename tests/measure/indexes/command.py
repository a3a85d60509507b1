"""The command: a durable server of its own, the tables in turn, and the figures as they come."""

import argparse
import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial

import asyncpg

from tests.databases import open_databases
from tests.measure.indexes.alternatives import ALTERNATIVES
from tests.measure.indexes.loading import Change, Loader
from tests.measure.indexes.tables import TABLES, TRANSFERS, MeasuredTable
from tests.measure.indexes.updating import update_costs
from tests.measure.indexes.uses import Use, uses
from tests.measure.pairs import CONTROL, Spread, in_turn, ratios
from tests.servers import throwaway_server
from typedsql.settings import ConnectionTarget

MAJOR = 18
DURABLE = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "1GB"}
"""Durability as it is by default; the tests' servers go without, and so write less."""
STATEMENT_LIMIT_S = 600.0
PARTS = ("costs", "alternatives", "updates", "uses")


def print_costs(
    taken: Mapping[str, list[float]], loader: Loader, rows: int, *, beside: str
) -> None:
    """A line for each case; `beside` says which way round the ratio is."""
    control = loader.loaded[CONTROL]
    print(f"\n{'case':44} {beside:32} {'WAL bytes/row':>14} {'bytes/row':>10}")
    mean = Spread.of([seconds / rows for seconds in taken[CONTROL]])
    print(f"as it is: {mean.text('us of the processor for a row', scale=1e6, digits=1)}")
    print(f"as it is: {control.wal_bytes_per_row:.0f} bytes of WAL for a row")
    for name in taken:
        if name == CONTROL:
            continue
        against = ratios(taken, name)
        spread = Spread.of([1 / one for one in against] if beside.endswith("without") else against)
        wal = control.wal_bytes_per_row - loader.loaded[name].wal_bytes_per_row
        kept = loader.loaded[name].bytes_per_row
        size = control.bytes_per_row.get(name)
        if size is None:
            size = sum(kept.values()) - sum(control.bytes_per_row.values())
            wal = -wal
        text = f"{spread.median:.2f} ({spread.lowest:.2f} to {spread.highest:.2f})"
        print(f"{name:44} {text:32} {wal:14.0f} {size:10.1f}")


def print_uses(found: list[Use], left_out: list[str]) -> None:
    by_index: dict[str, list[Use]] = defaultdict(list)
    for use in found:
        by_index[use.index].append(use)
    for index, its_uses in sorted(by_index.items()):
        print(f"\n{index}")
        for use in its_uses:
            without = use.without_it
            beside = (
                "cannot run, or not in time"
                if without is None
                else f"{without.milliseconds:10.2f} ms {without.pages:8} pages by"
                f" {', '.join(sorted(without.indexes)) or 'the table as a whole'}"
            )
            print(
                f"  {use.statement:60} {use.with_it.milliseconds:8.2f} ms"
                f" {use.with_it.pages:6} pages | without {beside}"
            )
    for line in left_out:
        print(f"  not measured: {line}")


async def measure(server: ConnectionTarget, options: argparse.Namespace) -> None:
    tables = [each for each in TABLES if options.table in (None, each.name)]
    async with open_databases(server) as databases:
        template = await databases.template()
        for table in tables:
            async with AsyncExitStack() as stack:
                target = await stack.enter_async_context(databases.fresh(template))
                connection = await asyncpg.connect(
                    **target.asyncpg_arguments(), command_timeout=STATEMENT_LIMIT_S
                )
                stack.push_async_callback(connection.close)
                await measure_table(connection, table, options)


async def measure_table(
    connection: asyncpg.Connection, table: MeasuredTable, options: argparse.Namespace
) -> None:
    parts = PARTS if options.only is None else (options.only,)
    loader = Loader(connection, table, options.rows)
    await loader.prepare(options.seed)
    rows = await connection.fetchval("SELECT count(*) FROM public.measured_rows")
    print(f"\n{table.name}: {rows} rows, {options.rounds} rounds, seed {options.seed}")
    indexes = await loader.indexes()
    control: dict[str, Change] = {CONTROL: Change()}
    timing = {"rounds": options.rounds, "warm_up": 1, "seed": options.seed}
    if "costs" in parts:
        cases = control | {name: loader.without(index) for name, index in indexes.items()}
        taken = await in_turn(
            {name: partial(loader.sample, name, change) for name, change in cases.items()},
            **timing,
        )
        print_costs(taken, loader, rows, beside="time with / without")
    if "alternatives" in parts and table is TRANSFERS:
        cases = control | dict(ALTERNATIVES)
        taken = await in_turn(
            {name: partial(loader.sample, name, change) for name, change in cases.items()},
            **timing,
        )
        print_costs(taken, loader, rows, beside="time / as it is")
    if "updates" in parts and table is TRANSFERS:
        for line in await update_costs(connection, loader, rows, options.rounds):
            print(line)
    if "uses" in parts:
        await loader.load()
        print_uses(*await uses(connection, table, rows))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.indexes")
    parser.add_argument("--table", choices=[table.name for table in TABLES])
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=20261123)
    options = parser.parse_args()
    settings = ", ".join(f"{name} {value}" for name, value in DURABLE.items())
    print(f"PostgreSQL {MAJOR}, {settings}, data in {tempfile.gettempdir()}")
    with throwaway_server(MAJOR, settings=DURABLE) as server:
        asyncio.run(measure(server, options))
    return 0
