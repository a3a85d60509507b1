"""`ingest blocks`: the main job, as the command line does it."""

import gzip
import json
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest

from tests.cli.commands import DATA, whaledb
from typedsql.settings import ConnectionTarget

KEYS = {
    "blocks",
    "transactions_seen",
    "transactions_written",
    "already_present",
    "dead_letters",
    "seconds",
}


async def test_the_real_blocks_are_stored_to_the_last_digit(
    target: ConnectionTarget, connection: asyncpg.Connection, shared_data: Path
) -> None:
    path = str(shared_data / "ethereum" / "mainnet-blocks.ndjson.gz")
    first = whaledb("ingest", "blocks", path, "--json", target=target)
    assert (first.code, first.err) == (0, "")
    assert set(first.json()) == KEYS
    assert first.json()["transactions_written"] == 2

    words = ("ingest", "blocks", path, "--min-value-eth", "0", "--json")
    assert whaledb(*words, target=target).json()["transactions_written"] == 632
    expected = json.loads((shared_data / "ethereum" / "expected.json").read_text())
    total = await connection.fetchval("SELECT sum(value_eth) FROM public.whale_transactions")
    blocks = expected["mainnet-blocks.ndjson.gz"].values()
    assert total.scaleb(18) == sum(int(block["sum_value_wei"]) for block in blocks)
    changed = "SELECT max(updated_at) FROM public.whale_transactions"
    before = await connection.fetchval(changed)
    third = whaledb(*words, target=target).json()
    assert (third["transactions_written"], third["already_present"]) == (0, 634)
    assert await connection.fetchval(changed) == before
    creations = "SELECT count(*) FROM public.whale_transactions WHERE to_address IS NULL"
    assert await connection.fetchval(creations) == 2


async def test_bad_items_are_named_kept_and_make_it_a_failed_job(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    path = DATA / "bad-items.ndjson"
    done = whaledb("ingest", "blocks", str(path), "--json", target=target)
    assert done.code == 1
    summary = done.json()
    assert summary["dead_letters"] == 3
    assert summary["blocks"] > 0
    told = done.err.splitlines()
    assert len(told) == 4
    assert all(line.startswith(f"{path}, line ") for line in told[:3])
    assert told[3].startswith("Bad items: 3, kept in dead_letters")
    assert await connection.fetchval("SELECT count(*) FROM public.dead_letters") == 3


def test_standard_input_and_plain_words(target: ConnectionTarget) -> None:
    data = (DATA / "blocks.ndjson").read_bytes()
    piped = whaledb("ingest", "blocks", "-", target=target, stdin=data)
    assert (piped.code, piped.err) == (0, "")
    assert piped.out.startswith("Blocks: ")
    packed = whaledb("ingest", "blocks", "-", "--json", target=target, stdin=gzip.compress(data))
    assert packed.code == 0, packed.err
    assert packed.json()["transactions_written"] == 0


def test_a_missing_file_is_said_before_anything_is_written(target: ConnectionTarget) -> None:
    done = whaledb("ingest", "blocks", str(DATA / "blocks.ndjson"), "/nowhere", target=target)
    assert (done.code, done.out) == (2, "")
    assert "/nowhere" in done.err
    count = whaledb("query", "blocks.count", "chain_id=1", "--json", target=target)
    assert count.json() == {"value": 0}


@pytest.mark.parametrize("amount", ["NaN", "-1", "Infinity", "1E200000"])
def test_a_threshold_that_is_no_amount_is_refused(target: ConnectionTarget, amount: str) -> None:
    done = whaledb("ingest", "blocks", "-", f"--min-value-eth={amount}", target=target)
    assert (done.code, done.out) == (2, "")
    assert "amount of ether" in done.err


def test_a_fraction_of_ether_is_exact() -> None:
    from whaledb.cli.ingest import ether

    assert ether("0.000000000000000001") == Decimal(1) / 10**18
