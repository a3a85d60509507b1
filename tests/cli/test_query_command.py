"""`query`: names, parameters, and what comes out."""

from decimal import Decimal

import pytest

from tests.cli.commands import DATA, whaledb
from typedsql.settings import ConnectionTarget
from whaledb.queries import liquidity_zones

CANARY = "canary-d00d"

ZONE = (
    "symbol=ETH-USD",
    "exchange=kraken",
    "side=bid",
    "price_level=2000.5",
    "size=1.000000000000000001",
)


@pytest.fixture
def loaded(target: ConnectionTarget) -> ConnectionTarget:
    """With the small blocks of the ingestion tests in it."""
    done = whaledb("ingest", "blocks", str(DATA / "blocks.ndjson"), "--json", target=target)
    assert done.code == 0, done.err
    return target


def test_without_a_name_it_lists_all_with_parameters_and_summary() -> None:
    listed = whaledb("query")
    assert listed.code == 0
    assert "whale_transactions.get_by_hash(chain_id, hash)\n    The canonical" in listed.out
    items = {item["name"]: item for item in whaledb("query", "--json").json()}
    assert items["whale_transactions.get_by_hash"]["parameters"] == ["chain_id", "hash"]
    assert all(item["summary"] for item in items.values())


def test_a_merge_of_rows_is_none_of_them() -> None:
    done = whaledb("query", "whale_transactions.merge_rows")
    assert done.code == 2
    assert "stores rows that a program gives it: call it from Python" in " ".join(done.err.split())


def test_rows_come_as_json_exact_and_typed(loaded: ConnectionTarget) -> None:
    done = whaledb(
        "query",
        "whale_transactions.list_recent",
        "min_value_eth=100",
        "max_rows=2",
        "--json",
        target=loaded,
    )
    assert (done.code, done.err) == (0, "")
    rows = done.json()
    assert 1 <= len(rows) <= 2
    assert isinstance(rows[0]["value_eth"], str)
    assert Decimal(rows[0]["value_eth"]) >= 100
    assert rows[0]["block_timestamp"].endswith(("Z", "+00:00"))
    assert rows[0]["hash"].startswith("0x")

    one = whaledb(
        "query",
        "whale_transactions.get_by_hash",
        "chain_id=1",
        f"hash={rows[0]['hash'].upper().replace('0X', '0x')}",
        "--json",
        target=loaded,
    ).json()
    assert one == rows[0]


def test_no_row_is_null_and_said(target: ConnectionTarget) -> None:
    words = ("query", "whale_transactions.get_by_hash", "chain_id=1", "hash=0x00")
    assert whaledb(*words, "--json", target=target).json() is None
    told = whaledb(*words, target=target)
    assert (told.code, told.out, told.err) == (0, "", "No row\n")


def test_wide_rows_are_blocks_of_lines_and_nothing_is_cut_short(loaded: ConnectionTarget) -> None:
    words = ("query", "whale_transactions.list_recent", "min_value_eth=0", "max_rows=2")
    rows = whaledb(*words, "--json", target=loaded).json()
    shown = whaledb(*words, target=loaded)
    assert shown.err == f"{len(rows)} rows\n"
    assert "-- 1 --" in shown.out
    for row in rows:
        assert f"hash             {row['hash']}\n" in shown.out
    assert "\x1b" not in shown.out


def test_narrow_rows_are_a_table_within_80_columns(loaded: ConnectionTarget) -> None:
    done = whaledb("query", "dead_letters.count_by_source", "max_rows=5", target=loaded)
    assert (done.out, done.err) == ("", "0 rows\n")
    whaledb("ingest", "blocks", str(DATA / "bad-items.ndjson"), target=loaded)
    done = whaledb(
        "query",
        "dead_letters.count_by_source",
        "max_rows=5",
        target=loaded,
        environment={"COLUMNS": "200"},
    )
    header, rule, row = done.out.splitlines()
    assert header.startswith("source")
    assert set(rule) <= {"-", " "}
    assert "bad-items.ndjson" in row
    assert len(header.split()) == len(rule.split())


def test_a_write_tells_what_it_affected(target: ConnectionTarget) -> None:
    made = whaledb("query", "liquidity_zones.insert", *ZONE, "strength=", "--json", target=target)
    assert made.code == 0, made.err
    zone = made.json()
    assert (zone["size"], zone["strength"]) == ("1.000000000000000001", None)
    words = ("query", "liquidity_zones.delete", f"id={zone['id']}")
    assert whaledb(*words, "--json", target=target).json() == {"affected": 1}
    assert whaledb(*words, target=target).out == "0 rows\n"


def test_a_value_is_an_object_in_json_and_bare_otherwise(target: ConnectionTarget) -> None:
    words = ("query", "liquidity_zones.count", "exchange=kraken", "symbol=ETH-USD")
    assert whaledb(*words, "--json", target=target).json() == {"value": 0}
    assert whaledb(*words, target=target).out == "0\n"


def test_a_stream_stops_where_told(loaded: ConnectionTarget) -> None:
    words = ("query", "blocks.stream_canonical", "chain_id=1", "first_number=0")
    every = whaledb(*words, "--json", target=loaded)
    assert every.err == ""
    assert len(every.json()) > 1
    cut = whaledb(*words, "--json", "--max-rows", "1", target=loaded)
    assert cut.json() == every.json()[:1]
    assert cut.err == "Stopped after 1 row; --max-rows N for more\n"
    exact = whaledb(*words, "--json", "--max-rows", str(len(every.json())), target=loaded)
    assert (exact.json(), exact.err) == (every.json(), "")


def test_a_wrong_name_gets_suggestions_and_connects_nowhere() -> None:
    done = whaledb("query", "whale_transactions.get_by_hsh")
    assert (done.code, done.out) == (2, "")
    assert "did you mean whale_transactions.get_by_hash" in done.err
    assert len(done.err.splitlines()) == 1
    for name, meant in (
        ("whale_transaction.list_recent", "whale_transactions.list_recent?"),
        ("Blocks.Count", "blocks.count?"),
        ("alert.get", "alerts.get?"),
    ):
        assert f"did you mean {meant}" in whaledb("query", name).err
    assert "is a file of queries: name one of them" in whaledb("query", "blocks").err
    for name in ("nothing.like_it", "../etc", "whale_transactions._get", "get_by_hash", ""):
        assert whaledb("query", name).code == 2


WRONG = {
    "missing": (["chain_id=1"], "hash is missing (text)"),
    "unknown": (["chain_id=1", "hash=0x", "colour=red"], "it has no parameter colour"),
    "twice": (["chain_id=1", "chain_id=2", "hash=0x"], "chain_id is given twice"),
    "no equals sign": (["chain_id=1", "hash=0x", CANARY], "a parameter is written name=value"),
    "type": ([f"chain_id={CANARY}", "hash=0x"], "chain_id must be an integer"),
    "fraction": (["chain_id=1.5", "hash=0x"], "chain_id must be an integer"),
    "empty": (["chain_id=", "hash=0x"], "chain_id must be an integer"),
}


@pytest.mark.parametrize(("words", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_parameters_are_named_with_their_type_not_their_value(
    words: list[str], expected: str
) -> None:
    done = whaledb("query", "whale_transactions.get_by_hash", *words)
    assert (done.code, done.out) == (2, "")
    assert expected in done.err
    assert CANARY not in done.err
    assert len(done.err.splitlines()) == 1
    told = whaledb("query", "whale_transactions.get_by_hash", *words, "--json").json()["error"]
    assert (told["kind"], told["query"]) == ("WrongUsage", "whale_transactions.get_by_hash")


HALF = ("whale_transactions.list_recent", "min_value_eth=1", "max_rows=1")


@pytest.mark.parametrize("command", ["query", "explain"])
def test_half_a_group_of_parameters_is_wrong_usage(target: ConnectionTarget, command: str) -> None:
    done = whaledb(command, *HALF, f"before_hash={CANARY}", target=target)
    assert (done.code, done.out) == (2, "")
    assert "list_recent: before_timestamp and before_hash and" in done.err
    assert "belong together: give all of them or none" in done.err
    assert CANARY not in done.err
    assert len(done.err.splitlines()) == 1
    told = whaledb(command, *HALF, f"before_hash={CANARY}", "--json", target=target).json()["error"]
    assert (told["kind"], told["exit_code"]) == ("WrongUsage", 2)
    assert told["query"] == "whale_transactions.list_recent"
    # The control: with none of the group the statement runs.
    assert whaledb(command, *HALF, target=target).code == 0


def test_a_value_that_the_database_refuses_fails_without_being_shown(
    target: ConnectionTarget,
) -> None:
    words = [word.replace("size=1.0", "size=-987654321") for word in ZONE]
    done = whaledb("query", "liquidity_zones.insert", *words, "strength=", target=target)
    assert (done.code, done.out) == (1, "")
    assert "liquidity_zones.insert" in done.err
    assert "987654321" not in done.err
    debugged = whaledb(
        "query", "liquidity_zones.insert", *words, "strength=", "--debug", target=target
    )
    assert "Traceback" in debugged.err
    assert "987654321" not in debugged.err


def test_preferences_are_json_of_known_members(target: ConnectionTarget) -> None:
    account = "id=a11ce000-0000-4000-8000-000000000001"
    assert whaledb("query", "users.merge_account", account, target=target).code == 0
    merge = ("query", "users.merge", account, "display_name=")
    chosen = '{"min_value_eth": 0.123456789012345678, "notify_by": ["push"]}'
    done = whaledb(*merge, f"preferences={chosen}", "--json", target=target)
    assert (done.json(), done.err) == ({"value": True}, "")
    shown = whaledb("query", "users.get", account, "--json", target=target).json()
    assert shown["preferences"] == {"min_value_eth": "0.123456789012345678", "notify_by": ["push"]}
    read = whaledb("query", "users.get", account, target=target).out
    assert '{"min_value_eth":"0.123456789012345678","notify_by":["push"]}' in read
    for wrong, where in (
        (f'{{"chain_id": "{CANARY}"}}', ", which it is not at chain_id"),
        (f'{{"notify_by": ["push", "{CANARY}"]}}', ", which it is not at notify_by[1]"),
        (f'{{"quote_currency": "{CANARY}"}}', ""),
        (f'{{"{CANARY}": 1}}', ""),
        (CANARY, ""),
    ):
        refused = whaledb(*merge, f"preferences={wrong}", target=target)
        assert (refused.code, refused.out) == (2, "")
        assert (
            "preferences must be a JSON object of Preferences (quote_currency, time_zone,"
            f" min_value_eth, chain_id, notify_by){where} (parameters"
        ) in " ".join(refused.err.split())
        assert CANARY not in refused.err


def test_an_unmigrated_database_is_said_to_be_that(empty_database: ConnectionTarget) -> None:
    done = whaledb("query", "alerts.stream_enabled", target=empty_database)
    assert (done.code, done.out) == (2, "")
    assert "`whaledb migrate`" in done.err


def test_the_project_is_the_one_under_test() -> None:
    """The commands above run the generated functions that are imported here."""
    assert liquidity_zones.__name__ == "whaledb.queries.liquidity_zones"
