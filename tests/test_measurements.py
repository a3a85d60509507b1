"""The measurements that documents quote run, small, and put back what they change."""

from functools import partial

import asyncpg
import pytest

from tests.benchmarks import growth
from tests.measure import serialising
from tests.measure.indexes.alternatives import ALTERNATIVES
from tests.measure.indexes.loading import Change, Loader
from tests.measure.indexes.tables import CANDLES, TRANSFERS, MeasuredTable
from tests.measure.indexes.uses import uses
from typedsql.settings import ConnectionTarget

SMALL_ROWS = 300
BLOCK_ROWS = 60
SERIALISED_WAYS = 7
CHECKS = """
SELECT k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint AS k
WHERE k.conrelid = 'public.whale_transactions'::REGCLASS ORDER BY k.conname
"""


async def test_growth_stores_what_each_contender_is_given(target: ConnectionTarget) -> None:
    told: list[growth.Point] = []
    grown = await growth.run(
        target, rows=SMALL_ROWS, block_rows=BLOCK_ROWS, seed=1, on_point=told.append
    )
    assert grown.points == told
    assert [point.rows for point in told] == [180, 360]
    assert all(set(point.seconds) == set(growth.CONTENDERS) for point in told)
    assert grown.relations["whale_transactions_pkey"] > 0
    assert growth.conclusion(grown).count("rows/s") == len(growth.CONTENDERS)


async def test_measuring_an_index_leaves_the_table_as_it_was(
    connection: asyncpg.Connection,
) -> None:
    loader = Loader(connection, TRANSFERS, SMALL_ROWS)
    await loader.prepare(1)
    before = await loader.indexes()
    checks = await connection.fetch(CHECKS)
    for name, index in before.items():
        await loader.sample(name, loader.without(index))
        assert name not in loader.loaded[name].bytes_per_row
    for name, change in ALTERNATIVES.items():
        await loader.sample(name, change)
    assert await loader.indexes() == before
    assert await connection.fetch(CHECKS) == checks
    await loader.sample("as it is", Change())
    assert set(before) < set(loader.loaded["as it is"].bytes_per_row)


@pytest.mark.parametrize("table", [TRANSFERS, CANDLES], ids=lambda table: table.name)
async def test_each_statement_is_measured_or_said_not_to_be(
    connection: asyncpg.Connection, table: MeasuredTable
) -> None:
    loader = Loader(connection, table, SMALL_ROWS)
    await loader.prepare(1)
    await loader.load()
    await connection.execute("SET enable_seqscan = off")
    stored = partial(connection.fetchval, f"SELECT count(*) FROM public.{table.name}")
    found, left_out = await uses(connection, table, SMALL_ROWS, repeats=1)
    assert await stored() == SMALL_ROWS
    assert {use.index for use in found} >= {
        index for index in await loader.indexes() if "key" in index
    }
    assert all(": " in line for line in left_out)
    # The control: a hidden index is not used.
    hidden = [use for use in found if use.without_it is not None]
    assert hidden
    assert all(use.index not in use.without_it.indexes for use in hidden if use.without_it)


async def test_each_way_to_write_a_page_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    found = await serialising.measure(rows=20, rounds=2, seed=1)
    assert len(found) == SERIALISED_WAYS
    told = capsys.readouterr().out
    assert "seed 1, 2 rounds" in told
    assert told.count("times as long (half from") == SERIALISED_WAYS

    async def another() -> bytes:
        return b'{"items":[],"next_cursor":"abc"}'

    ways = serialising.ways(serialising.made_up(2, 1))
    with pytest.raises(RuntimeError, match="models writes another page"):
        await serialising.agree(ways | {"models": another})
