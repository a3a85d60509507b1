"""Every generated function gives the same on both kinds of connection, or refuses the same.

Connections for queries read numbers as text, those of bulk transactions by the driver's own
binary codec: what a program gets must not depend on which of them it was given.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final, NamedTuple, get_type_hints
from uuid import UUID

import msgspec
import pytest

import whaledb.queries
from typedsql.database import Database
from typedsql.errors import DataError, Error
from typedsql.query import RowStream
from typedsql.transaction import Transaction
from whaledb.documents import Preferences

AT: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
HASH: Final = "0x" + "ab" * 32
BLOCK_HASH: Final = "0x" + "cd" * 32
NEXT_HASH: Final = "0x" + "ef" * 32
NEW_HASH: Final = "0x" + "01" * 32
ADDRESS: Final = "0x" + "12" * 20
VALUE: Final = Decimal("1234.567890123456789012")
USER, ALERT, EVENT, ZONE, PATTERN, LETTER, NEW = (UUID(int=number) for number in range(1, 8))
KNOWN_IDS: Final = frozenset({USER, ALERT, EVENT, ZONE, PATTERN, LETTER, NEW})

SEED: Final = f"""
INSERT INTO public.blocks (hash, chain_id, number, parent_hash, block_timestamp, min_value_eth,
    complete)
VALUES ('{BLOCK_HASH}', 1, 100, '{NEXT_HASH}', '{AT}', 0.5, true);
INSERT INTO public.whale_transactions (hash, chain_id, block_hash, block_number,
    block_timestamp, from_address, to_address, value_eth, value_usd, price_source, priced_at,
    gas_price, gas_used, succeeded, whale_score)
VALUES ('{HASH}', 1, '{BLOCK_HASH}', 100, '{AT}', '{ADDRESS}', NULL, {VALUE}, 99.10, 'test',
    '{AT}', 20000000000, 21000, true, 0.7500);
INSERT INTO public.ingest_cursors (stream, chain_id, number, hash)
VALUES ('stream', 1, 100, '{BLOCK_HASH}');
INSERT INTO public.ingest_claims (stream, chain_id, holder, claimed_at, expires_at)
VALUES ('stream', 1, 'worker', now(), now());
INSERT INTO public.dead_letters (id, source, item, payload, payload_sha256, reason)
VALUES ('{LETTER}', 'source', 'item', 'x', sha256('x'), 'bad');
INSERT INTO public.liquidity_zones (id, price_level, size, side, strength, exchange, symbol)
VALUES ('{ZONE}', 2000.50, 1E-18, 'bid', 0.25, 'e', 's');
INSERT INTO public.smc_patterns (id, exchange, symbol, pattern_type, time_frame, detected_at,
    price_level, confidence_score, status, metadata)
VALUES ('{PATTERN}', 'e', 's', 'p', '1h', '{AT}', 2000.25, 0.5, 'active', '{{"a": 1.10}}');
SELECT public.ensure_market_data_months('2026-03-01Z', '2026-04-30Z');
INSERT INTO public.market_data (exchange, symbol, interval, open_time, open, high, low, close,
    volume, trade_count)
VALUES ('e', 's', '1h', '{AT}', 2000.00, 2000.10, 1999.9, 2000, 12345678901234567890.123, 3);
INSERT INTO auth.users (id) VALUES ('{USER}');
INSERT INTO public.users (id, display_name, preferences)
VALUES ('{USER}', 'somebody', '{{"min_value_eth": 1.5}}');
INSERT INTO public.alerts (id, user_id, alert_type, conditions) VALUES
    ('{ALERT}', '{USER}', 'large_transfer', '{{"min_value_eth": 100.5}}');
INSERT INTO public.alert_events (id, alert_id, user_id, chain_id, block_number, block_hash,
    transaction_hash, trace_path, fired_at)
VALUES ('{EVENT}', '{ALERT}', '{USER}', 1, 100, '{BLOCK_HASH}', '{HASH}', '', '{AT}');
"""

IDS: Final = {
    "alert_events": EVENT,
    "alerts": ALERT,
    "dead_letters": LETTER,
    "liquidity_zones": ZONE,
    "smc_patterns": PATTERN,
    "users": USER,
}
ARGUMENTS: Final[dict[str, Any]] = {
    "address": ADDRESS, "again": True, "alert_id": ALERT, "alert_ids": [ALERT],
    "alert_type": "large_transfer", "block_hash": BLOCK_HASH, "block_hashes": [BLOCK_HASH],
    "block_number": 100, "block_numbers": [100], "block_timestamp": AT, "canonical": True,
    "chain_id": 1, "close": VALUE, "closes": [VALUE], "complete": True,
    "conditions": {"min_value_eth": Decimal("7.50")}, "confidence_score": Decimal("0.25"),
    "confidence_scores": [Decimal("0.25")], "detected_at": AT, "detected_ats": [AT],
    "display_name": "another", "enabled": True, "exchange": "e", "fencing_token": 1,
    "finality": "safe", "first": AT, "first_number": 1, "from_address": ADDRESS,
    "from_addresses": [ADDRESS], "gas_price": 1, "gas_prices": [1], "gas_used": 21_000,
    "hash": HASH,
    "hashes": [HASH], "high": VALUE, "highs": [VALUE], "holder": "worker", "interval": "1h",
    "item": "another", "kept_hashes": [HASH], "last": AT, "last_number": 200, "lease_s": 1.5,
    "low": VALUE, "lows": [VALUE], "max_price": Decimal(3000), "max_rows": 5, "metadata": {},
    "metadatas": [{"b": Decimal("2.50")}], "min_price": Decimal(1000),
    "min_value_eth": Decimal("0.10"), "min_whale_score": Decimal("0.5"), "number": 100,
    "open": VALUE, "open_time": AT, "open_times": [AT], "opens": [VALUE], "order_by": "largest",
    "orphaned_at": None, "parent_hash": NEXT_HASH, "pattern_ids": [PATTERN],
    "pattern_type": "p", "pattern_types": ["p"], "payload": b"x",
    "preferences": Preferences(min_value_eth=Decimal("2.5")), "price": Decimal(2000),
    "price_level": Decimal("2000.50"), "price_levels": [Decimal("2000.50")],
    "price_source": "test", "price_usd": VALUE, "priced_at": AT, "reason": "bad",
    "side": "bid", "sides": ["bid"], "since": AT - timedelta(days=1), "size": VALUE,
    "sizes": [VALUE], "source": "source", "sqlstate": "22023", "standing": True,
    "status": "mitigated", "statuses": ["mitigated"], "stream": "stream",
    "strength": Decimal("0.5"), "strengths": [Decimal("0.5")], "succeeded": True,
    "symbol": "s", "time_frame": "1h", "tip_hash": HASH, "tip_number": 200, "to_address": None,
    "to_addresses": [None], "trace_path": "", "trace_paths": [""], "traced": False,
    "trade_count": 4, "trade_counts": [None], "transaction_hashes": [HASH],
    "until": AT + timedelta(days=1), "user_id": USER, "value_eth": VALUE, "value_usd": VALUE,
    "values_eth": [VALUE], "volume": VALUE, "volumes": [VALUE], "whale_score": Decimal("0.5"),
    "within": Decimal(10),
}  # fmt: skip
# Where one of these names stands for something else, or a row would be there already.
CALLS: Final[dict[str, dict[str, Any]]] = {
    "blocks.delete": {"hash": BLOCK_HASH},
    "blocks.get": {"hash": BLOCK_HASH},
    "blocks.list_displaced": {"after_number": 1},
    "blocks.list_known": {"hashes": [BLOCK_HASH]},
    "blocks.merge": {"hash": NEXT_HASH, "number": 101},
    "blocks.merge_batch": {
        "hashes": [NEXT_HASH],
        "numbers": [101],
        "parent_hashes": [BLOCK_HASH],
        "block_timestamps": [AT],
        "complete": [True],
        "traced": [False],
    },
    "blocks.orphan_branch": {"hashes": [BLOCK_HASH]},
    "blocks.raise_finality": {"hash": BLOCK_HASH},
    "liquidity_zones.insert": {"symbol": "new"},
    "market_data.insert": {"symbol": "new"},
    "smc_patterns.insert": {"symbol": "new"},
    "smc_patterns.list_active_near_price": {"price_level": Decimal(2000)},
    "users.insert": {"id": NEW},
    "users.merge_account": {"id": NEW},
    "whale_transactions.insert": {"hash": NEW_HASH},
    "whale_transactions.insert_many": {"hash": NEW_HASH},
    "whale_transactions.merge_blocks": {
        "block_timestamps": [AT],
        "gas_used": [None],
        "hashes": [NEW_HASH],
        "succeeded": [True],
    },
    "whale_transactions.merge_batch": {"gas_used": [None], "succeeded": [True]},
    "whale_transactions.reprice_at": {
        "after_timestamp": AT - timedelta(days=1),
        "after_hash": "",
        "after_block_hash": "",
        "after_trace_path": "",
    },
    "whale_transactions.reprice_from_market": {
        "after_timestamp": AT - timedelta(days=1),
        "after_hash": "",
        "after_block_hash": "",
        "after_trace_path": "",
    },
}
# Of a sequence, or measured by the clock: the same in kind alone.
NEVER_THE_SAME: Final = {"ingest_claims.claim", "ingest_cursors.list_status"}
# There is no account to own what they add.
REFUSED: Final = {"alerts.insert_mine", "users.insert"}
MOST_WITHOUT_RESULT: Final = 20
LEAST_WITH_NUMBERS: Final = 55
BAD_NUMBERS: Final = (1.5, "1.5", True, Decimal("sNaN"), Decimal("1E131072"))


class Call(NamedTuple):
    """A generated function and what it is called with."""

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]


def calls() -> Iterator[Call]:
    for module in iter_modules(whaledb.queries.__path__):
        found = vars(import_module(f"whaledb.queries.{module.name}"))
        for name, function in found.items():
            own = inspect.isfunction(function) and function.__module__.endswith(f".{module.name}")
            if not own or name.startswith("_"):
                continue
            first, *parameters = inspect.signature(function).parameters.values()
            # A bulk merge takes connections of its own, and rows that are iterated.
            if get_type_hints(function)[first.name] is Database:
                continue
            full = f"{module.name}.{name}"
            given = ARGUMENTS | {"id": IDS.get(module.name)} | CALLS.get(full, {})
            arguments = {
                each.name: [given[each.name]] if name.endswith("_many") else given[each.name]
                for each in parameters
                if each.name in given or each.default is each.empty
            }
            yield Call(full, function, arguments)


Begin = Callable[[], AbstractAsyncContextManager[Transaction]]


async def outcome(begin: Begin, call: Call, arguments: dict[str, Any]) -> Any:
    """What the call returned, or the error that it raised; nothing of it is stored."""
    try:
        async with begin() as transaction:
            made = call.function(transaction, **arguments)
            if isinstance(made, RowStream):
                found: Any = [row async for row in made]
            else:
                found = await made
            raise Undo(found)
    except Undo as undo:
        return undo.found
    except Error as error:
        return type(error), error.sqlstate


class Undo(Exception):
    """Rolls back, and hands over what was found."""

    def __init__(self, found: Any) -> None:
        self.found = found


def told(value: Any, started: datetime) -> Any:
    """The value with its type; what the server makes anew each time by its kind alone."""
    if isinstance(value, msgspec.Struct):
        return type(value), [told(item, started) for item in msgspec.structs.astuple(value)]
    if isinstance(value, list | tuple):
        return [told(item, started) for item in value]
    if isinstance(value, dict):
        return {key: told(item, started) for key, item in value.items()}
    if isinstance(value, datetime) and value >= started:
        return datetime, "now"
    if isinstance(value, UUID) and value not in KNOWN_IDS:
        return UUID, "new"
    # 1.0 is 1.00 for ==, and not for who shows it.
    return type(value), str(value) if isinstance(value, Decimal) else value


@pytest.fixture
async def seeded(db: Database) -> Database:
    async with db.transaction() as tx:
        await tx.driver_connection.execute(SEED)
    return db


def kinds(value: Any) -> Any:
    """What is left of `told` without its values."""
    if isinstance(value, list):
        return [kinds(item) for item in value]
    return value[0] if isinstance(value, tuple) else value


async def test_every_function_returns_the_same_on_both(seeded: Database) -> None:
    started = datetime.now(UTC) - timedelta(minutes=1)
    refused: set[str] = set()
    without_result: set[str] = set()
    with_numbers: set[str] = set()
    for call in calls():
        found = [
            await outcome(begin, call, call.arguments)
            for begin in (seeded.transaction, seeded.bulk_transaction)
        ]
        queries, bulk = (told(each, started) for each in found)
        if call.name in NEVER_THE_SAME:
            queries, bulk = kinds(queries), kinds(bulk)
        assert queries == bulk, call.name
        if isinstance(found[0], tuple):
            refused.add(call.name)
        if found[0] is None or found[0] == []:
            without_result.add(call.name)
        if "Decimal" in repr(queries):
            with_numbers.add(call.name)
    # The arguments find what they look for, or nothing would have been compared.
    assert refused == REFUSED
    assert len(without_result) <= MOST_WITHOUT_RESULT, without_result
    assert len(with_numbers) >= LEAST_WITH_NUMBERS, with_numbers


async def test_bad_numbers_are_refused_on_both_by_every_function_that_takes_one(
    seeded: Database,
) -> None:
    tried = 0
    for call in calls():
        for name, value in call.arguments.items():
            many = isinstance(value, list)
            if not isinstance(value[0] if many else value, Decimal):
                continue
            bad = BAD_NUMBERS[tried % len(BAD_NUMBERS)]
            tried += 1
            arguments = call.arguments | {name: [bad] if many else bad}
            for begin in (seeded.transaction, seeded.bulk_transaction):
                found = await outcome(begin, call, arguments)
                assert isinstance(found, tuple), (call.name, name, bad, found)
                assert issubclass(found[0], DataError), (call.name, name, bad, found)
    assert tried >= LEAST_WITH_NUMBERS
