"""Every get_ and list_ statement, each variant of it, reads by an index its comment names.

Planned as a worker's sixth call is: generically, without the values of the parameters.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest

from tests.plans import indexes, nodes
from typedsql.statements import VARIANTS_FOLDER, Statement, load_statements
from whaledb.project import PROJECT

pytestmark = pytest.mark.versions

# Enough rows that reading a table as a whole costs more than reading an index.
SEED: Final = """
INSERT INTO public.whale_transactions (
    hash, chain_id, block_hash, block_number, block_timestamp, from_address, to_address,
    value_eth, gas_price, whale_score
)
SELECT
    '0x' || encode(sha256(int8send(n)), 'hex'),
    1,
    '0x' || encode(sha256(int8send(-n / 50)), 'hex'),
    n / 50,
    '2026-01-01Z'::TIMESTAMPTZ + n / 50 * INTERVAL '12 s',
    '0x' || left(encode(sha256(int8send(n % 997)), 'hex'), 40),
    '0x' || left(encode(sha256(int8send(n % 991)), 'hex'), 40),
    n % 1009,
    1,
    (n % 1000) / 1000.0
FROM generate_series(1, 20000) AS n;
INSERT INTO public.blocks (
    hash, chain_id, number, parent_hash, block_timestamp, min_value_eth, complete
)
SELECT
    '0x' || encode(sha256(int8send(n)), 'hex'), 1, n,
    '0x' || encode(sha256(int8send(n - 1)), 'hex'), now(), 0, true
FROM generate_series(1, 5000) AS n;
INSERT INTO public.ingest_cursors (stream, chain_id, number, hash)
SELECT 'file:' || n, 1, n, '0x' || encode(sha256(int8send(n)), 'hex')
FROM generate_series(1, 5000) AS n;
INSERT INTO public.ingest_claims (stream, chain_id, holder, claimed_at, expires_at)
SELECT 'rpc:' || n, 1, 'worker:1', now(), now() FROM generate_series(1, 5000) AS n;
INSERT INTO public.dead_letters (source, item, payload, payload_sha256, reason, first_seen_at)
SELECT 'file:' || n % 20, 'line ' || n, '', sha256(''), 'bad', now() - n * INTERVAL '1 s'
FROM generate_series(1, 5000) AS n;
INSERT INTO public.liquidity_zones (price_level, size, side, exchange, symbol)
SELECT n % 500, 1, (ARRAY['bid', 'ask'])[1 + n / 500 % 2], 'e' || n / 1000 % 4, 's' || n / 4000
FROM generate_series(0, 19999) AS n;
INSERT INTO public.smc_patterns (
    exchange, symbol, pattern_type, time_frame, detected_at, price_level, status
)
SELECT
    'e', 's' || n % 20, 'p' || n % 7, '1h', '2026-01-01Z'::TIMESTAMPTZ + n * INTERVAL '1 h',
    n % 5003, (ARRAY['active', 'expired', 'mitigated'])[1 + n % 3]
FROM generate_series(1, 20000) AS n;
SELECT public.ensure_market_data_months('2026-01-01Z', '2026-12-31Z');
INSERT INTO public.market_data (
    exchange, symbol, interval, open_time, open, high, low, close, volume
)
SELECT 'e', 's' || s, '1h', '2026-01-01Z'::TIMESTAMPTZ + n * INTERVAL '1 h', 1, 1, 1, 1, 1
FROM generate_series(0, 8759) AS n, generate_series(1, 4) AS s;
INSERT INTO auth.users (id) SELECT gen_random_uuid() FROM generate_series(1, 2000);
INSERT INTO public.users (id) SELECT id FROM auth.users;
INSERT INTO public.alerts (user_id, alert_type, conditions)
SELECT
    u.id,
    (ARRAY['large_transfer', 'address_activity', 'price_level', 'pattern'])[k.kind],
    CASE k.kind
        WHEN 1 THEN jsonb_build_object('min_value_eth', 1 + u.n)
        WHEN 2 THEN jsonb_build_object(
            'address', '0x' || left(encode(sha256(int8send(u.n % 997)), 'hex'), 40)
        )
        WHEN 3 THEN jsonb_build_object(
            'exchange', 'e', 'symbol', 's' || u.n % 20, 'interval', '1h',
            'direction', (ARRAY['above', 'below'])[1 + u.n % 2], 'price', u.n
        )
        ELSE jsonb_build_object('symbol', 's' || u.n % 20)
    END
FROM
    (SELECT id, row_number() OVER (ORDER BY id) AS n FROM auth.users) AS u,
    generate_series(1, 4) AS k (kind),
    generate_series(1, 3);
INSERT INTO public.alert_events (
    alert_id, user_id, chain_id, block_number, block_hash, transaction_hash, trace_path, fired_at,
    updated_at
)
SELECT
    a.id, a.user_id, 1, a.n, '0x' || encode(sha256(int8send(a.n)), 'hex'),
    '0x' || encode(sha256(int8send(a.n)), 'hex'), '', now() - a.n * INTERVAL '1 s',
    now() - a.n * INTERVAL '1 s'
FROM (SELECT id, user_id, row_number() OVER (ORDER BY id) % 5000 AS n FROM public.alerts) AS a;
ANALYZE;
"""
# The plan of a partitioned table leaves out the months that these exclude.
TIMES: Final = {
    "since": "'2026-02-01Z'",
    "after_open_time": "'2026-02-01Z'",
    "open_time": "'2026-02-15Z'",
    "until": "'2026-03-01Z'",
    "before_open_time": "'2026-03-01Z'",
}
INDEX_NAME: Final = re.compile(r"\b(?:idx_\w+|\w+_pkey|\w+_natural_key)\b")


class Read(NamedTuple):
    """A statement to plan, with the comment of the one that it is a variant of."""

    statement: Statement
    comment: str


def reads() -> Iterator[Read]:
    for path in sorted((PROJECT.root / PROJECT.queries_dir).glob("*.sql")):
        bases = load_statements(path)
        variants = path.parent / VARIANTS_FOLDER / path.name
        others = load_statements(variants) if variants.exists() else {}
        for name, statement in [*bases.items(), *others.items()]:
            if name.startswith(("get", "list_")):
                yield Read(statement, bases[name.partition("__")[0]].prose)


async def generic_plan(connection: Any, statement: Statement) -> Any:
    # What stands for many calls takes an array of each, and looks months up as it runs.
    times = {} if statement.name.endswith("__batch") else TIMES
    arguments = ", ".join(times.get(name, "NULL") for name in statement.parameters)
    async with connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE planned AS {statement.sql}")
        plan = await connection.fetchval(
            f"EXPLAIN (FORMAT JSON) EXECUTE planned{f'({arguments})' if arguments else ''}"
        )
        await connection.execute("DEALLOCATE planned")
    return json.loads(plan)[0]["Plan"]


def finding(read: Read, plan: dict[str, Any]) -> str | None:
    """What in the plan is not as the comment says."""
    named = set(INDEX_NAME.findall(read.comment))
    used = indexes(plan)
    scanned = [node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
    if scanned or not used <= named or not used:
        return f"{read.statement.name} uses {sorted(used)}, reads {scanned} as a whole"
    return None


async def findings(connection: Any) -> list[str]:
    found = [finding(each, await generic_plan(connection, each.statement)) for each in reads()]
    return [each for each in found if each]


async def test_every_read_uses_an_index_that_its_comment_names(connection: Any) -> None:
    await connection.execute(SEED)
    assert await findings(connection) == []

    # The control: without the index the same check finds the statements that need it.
    await connection.execute("DROP INDEX public.idx_whale_transactions_timestamp")
    without = {each.partition(" ")[0] for each in await findings(connection)}
    assert {
        "whale_transactions.list_recent",
        "whale_transactions.list_recent__plain",
    } <= without


async def test_each_ordering_of_transfers_has_its_index(connection: Any) -> None:
    """The comment of list_transfers names two, of which each variant uses the right one."""
    await connection.execute(SEED)
    used: dict[str, set[str]] = {}
    for statement, _ in reads():
        if statement.name.startswith("whale_transactions.list_transfers"):
            used[statement.name] = indexes(await generic_plan(connection, statement))
    assert len(used) == 16
    for name, found in used.items():
        if not name.endswith("__largest"):
            assert found == {"idx_whale_transactions_timestamp"}, name
        elif "all" not in name and "since_and_until" not in name:
            # A period with both ends may be so short that its rows are sorted instead.
            assert found == {"idx_whale_transactions_value_eth"}, name
