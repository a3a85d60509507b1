"""explain: the plan of a named query, which is not run, or run and undone."""

import asyncpg
import pytest

from tests.cli.commands import DATA, whaledb
from typedsql.settings import ConnectionTarget

pytestmark = pytest.mark.versions

ZONE = ("symbol=ETH-USD", "exchange=kraken", "side=bid", "price_level=2000.5", "size=1")
RECENT = ("explain", "whale_transactions.list_recent", "max_rows=5")


async def test_an_index_is_named_where_there_is_one_and_a_scan_where_there_is_none(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "INSERT INTO public.liquidity_zones (price_level, size, side, exchange, symbol)"
        " SELECT n, 1, 'bid', 'kraken', 'ETH-USD' FROM generate_series(1, 20000) AS n"
    )
    await connection.execute("ANALYZE public.liquidity_zones")
    words = ("explain", "liquidity_zones.get", "id=6f1f0f62-8b0e-4d3e-8f3c-1d2e3f405162")
    found = whaledb(*words, target=target)
    assert found.code == 0, found.err
    assert "Index Scan using liquidity_zones_pkey" in found.out
    assert found.out.endswith("\nIndexes: liquidity_zones_pkey\n")
    assert found.err == "An estimate: it was not run; --analyze runs and measures it\n"

    await connection.execute(
        "ALTER TABLE public.liquidity_zones DROP CONSTRAINT liquidity_zones_pkey"
    )
    without = whaledb(*words, target=target)
    assert "Seq Scan on liquidity_zones" in without.out
    assert without.out.endswith("\nIndexes: none\nRead from end to end: liquidity_zones\n")


def test_json_holds_the_plan_as_postgresql_writes_it(target: ConnectionTarget) -> None:
    words = ("explain", "liquidity_zones.get", "id=6f1f0f62-8b0e-4d3e-8f3c-1d2e3f405162", "--json")
    plain = whaledb(*words, target=target)
    assert (plain.code, plain.err) == (0, "")
    found = plain.json()
    assert (found["query"], found["analyzed"]) == ("liquidity_zones.get", False)
    (plan,) = found["plan"]
    assert plan["Plan"]["Node Type"]
    assert "Execution Time" not in plan
    (measured,) = whaledb(*words, "--analyze", target=target).json()["plan"]
    assert measured["Execution Time"] >= 0


async def test_a_write_is_not_run_and_with_analyze_it_is_undone(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    count = "SELECT count(*) FROM public.liquidity_zones"
    plain = whaledb("explain", "liquidity_zones.insert", *ZONE, target=target)
    assert plain.code == 0, plain.err
    assert plain.out.startswith("Insert on liquidity_zones")
    assert "actual" not in plain.out
    analyzed = whaledb("explain", "liquidity_zones.insert", *ZONE, "--analyze", target=target)
    assert analyzed.code == 0, analyzed.err
    assert "(actual " in analyzed.out
    assert "Execution Time" in analyzed.out
    assert analyzed.err == (
        "It was run, in a transaction that is rolled back: of its effects only those on"
        " sequences, and those outside the database, stay\n"
    )
    assert await connection.fetchval(count) == 0
    # The control: the same words as a query do store a row.
    assert whaledb("query", "liquidity_zones.insert", *ZONE, target=target).code == 0
    assert await connection.fetchval(count) == 1
    # Which analysing now shows, too: it really runs the statement.
    again = whaledb("explain", "liquidity_zones.insert", *ZONE, "--analyze", target=target)
    assert again.code == 1
    assert "already has this value" in again.err
    assert whaledb("explain", "liquidity_zones.insert", *ZONE, target=target).code == 0


async def test_a_sequence_that_analyzing_advances_stays_so_as_is_said(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "CREATE SEQUENCE public.taken;"
        "CREATE FUNCTION public.take() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM nextval('public.taken'); RETURN NEW; END $$;"
        "CREATE TRIGGER take BEFORE INSERT ON public.liquidity_zones"
        " FOR EACH ROW EXECUTE FUNCTION public.take()"
    )
    words = ("explain", "liquidity_zones.insert", *ZONE)
    taken = "SELECT is_called FROM public.taken"
    assert whaledb(*words, target=target).code == 0
    assert await connection.fetchval(taken) is False
    analyzed = whaledb(*words, "--analyze", target=target)
    assert "only those on sequences" in analyzed.err
    assert await connection.fetchval(taken) is True
    assert await connection.fetchval("SELECT count(*) FROM public.liquidity_zones") == 0


@pytest.mark.parametrize(
    "words",
    [
        ("blocks.count", "chain_id=1"),
        ("blocks.stream_canonical", "chain_id=1", "first_number=0"),
        ("whale_transactions.get_by_hash", "chain_id=1", "hash=0x00"),
        ("alerts.delete", "id=6f1f0f62-8b0e-4d3e-8f3c-1d2e3f405162"),
        (
            "alerts.insert",
            "user_id=6f1f0f62-8b0e-4d3e-8f3c-1d2e3f405162",
            "alert_type=large_transfer",
            'conditions={"min_value_eth": 1.5}',
            "enabled=true",
        ),
    ],
    ids=lambda words: words[0],
)
def test_every_kind_of_statement_has_a_plan(
    words: tuple[str, ...], target: ConnectionTarget
) -> None:
    done = whaledb("explain", *words, target=target)
    assert done.code == 0, done.err
    assert "cost=" in done.out


async def test_a_plan_is_shown_where_nothing_may_be_written(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        f'ALTER DATABASE "{target.database}" SET default_transaction_read_only = on'
    )
    assert whaledb("explain", "liquidity_zones.insert", *ZONE, target=target).code == 0
    words = ("explain", "liquidity_zones.insert", *ZONE, "--analyze")
    refused = whaledb(*words, target=target)
    assert (refused.code, refused.out) == (1, "")
    assert "is read-only" in refused.err


def test_wrong_words_are_told_as_by_query() -> None:
    misspelt = whaledb("explain", "whale_transactions.get_by_hsh")
    assert (misspelt.code, misspelt.out) == (2, "")
    assert "did you mean whale_transactions.get_by_hash" in misspelt.err
    missing = whaledb("explain", "whale_transactions.get_by_hash", "chain_id=1")
    assert (missing.code, missing.out) == (2, "")
    assert "hash is missing (text)" in missing.err


def test_a_number_beyond_64_bits_is_wrong_usage(target: ConnectionTarget) -> None:
    for command in ("query", "explain"):
        done = whaledb(command, "blocks.count", f"chain_id={2**63}", target=target)
        assert (done.code, done.out) == (2, "")
        assert "chain_id was refused: value out of int8 range" in done.err
    assert whaledb("query", "blocks.count", f"chain_id={2**63 - 1}", target=target).code == 0


def test_an_unmigrated_database_is_said_to_be_that(empty_database: ConnectionTarget) -> None:
    done = whaledb("explain", "blocks.count", "chain_id=1", target=empty_database)
    assert (done.code, done.out) == (2, "")
    assert "`whaledb migrate`" in done.err


def test_what_was_ingested_is_in_the_measured_plan(target: ConnectionTarget) -> None:
    assert whaledb("ingest", "blocks", str(DATA / "blocks.ndjson"), target=target).code == 0
    done = whaledb(*RECENT, "min_value_eth=100", "--analyze", "--json", target=target)
    (plan,) = done.json()["plan"]
    assert plan["Plan"]["Actual Rows"] == 3
