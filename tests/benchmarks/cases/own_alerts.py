"""A page of a user's own alerts among a million, and what it costs that the database decides.

The first case times `alerts.list_mine` alone, in transactions that are open already: in one of
them row level security applies, in the control the same claims are set and the owner of the
table asks, to whom it does not. The second times a whole block of `db.as_user` with that page in
it, beside a transaction that reads the same page by the account's id.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final
from uuid import UUID

import asyncpg

import whaledb
from tests.benchmarks.cases.agreement import Disagreement
from tests.benchmarks.frame import OURS, Bench, Case, Contenders, Goal, repeated
from tests.plans import indexes
from typedsql.database import Database
from typedsql.statements import VARIANTS_FOLDER, load_statements
from typedsql.transaction import Transaction
from whaledb.project import PROJECT
from whaledb.queries import alerts
from whaledb.rows import Alert

ALERTS: Final = 1_000_000
ALERTS_OF_ONE: Final = 50
"""Of every account but the one that is measured."""
OWN_ALERTS: Final = 200
PAGE_ROWS: Final = 50
CALLS: Final = 100
"""In a sample."""
USER: Final = UUID("a11ce000-0000-4000-8000-000000000001")
WITHOUT: Final = "the owner, same claims"
BLOCK: Final = "transaction, by the account's id"
INDEX: Final = "idx_alerts_user_id"
IDLE_LIMIT_S: Final = 600.0
LOADING_LIMIT_S: Final = 600.0

# Foreign keys are not looked up while it is filled: every account is there.
FILL: Final = f"""
SET LOCAL session_replication_role = replica;
TRUNCATE public.alerts, public.users, auth.users CASCADE;
INSERT INTO auth.users (id)
SELECT CAST(md5('account ' || n) AS UUID) FROM generate_series(1, {{accounts}}) AS n;
INSERT INTO auth.users (id) VALUES ('{USER}');
INSERT INTO public.alerts (user_id, alert_type, conditions, created_at)
SELECT
    CASE
        WHEN n % {{own_every}} = 0 THEN '{USER}'
        ELSE CAST(md5('account ' || (1 + n % {{accounts}})) AS UUID)
    END,
    (ARRAY['large_transfer', 'address_activity', 'pattern'])[1 + n % 3],
    CASE n % 3
        WHEN 0 THEN jsonb_build_object('min_value_eth', 1 + n % 997, 'chain_id', 1)
        WHEN 1 THEN jsonb_build_object('address', '0x' || md5('address ' || n) || 'abcdef01')
        ELSE jsonb_build_object('symbol', 'S' || n % 97, 'min_confidence', 0.5)
    END,
    TIMESTAMPTZ '2026-01-01Z' + n * INTERVAL '1 s'
FROM generate_series(1, {{alerts}}) AS n;
"""
EMPTY: Final = "TRUNCATE public.alerts, public.users, auth.users CASCADE"
CLAIMS: Final = "SELECT set_config('request.jwt.claims', $1, TRUE)"


@asynccontextmanager
async def filled(bench: Bench) -> AsyncGenerator[str, None]:
    """The alerts are there, and gone afterwards; what there is, in a sentence."""
    # Each of two pages is whole, however little is asked for.
    count = bench.scaled(ALERTS, least=10 * OWN_ALERTS)
    accounts = count // ALERTS_OF_ONE
    connection = await asyncpg.connect(
        **bench.empty.asyncpg_arguments(), command_timeout=LOADING_LIMIT_S
    )
    try:
        async with connection.transaction():
            await connection.execute(
                FILL.format(accounts=accounts, alerts=count, own_every=count // OWN_ALERTS)
            )
        await connection.execute("VACUUM (ANALYZE) public.alerts")
        await connection.execute("CHECKPOINT")
        used = {name: await plan(connection, name) for name in ("authenticated", None)}
        assert set(used.values()) == {frozenset({INDEX})}, used
        yield (
            f"{count} alerts of {accounts + 1} accounts, {OWN_ALERTS} of the one that asks for"
            f" {PAGE_ROWS}; both plans use {INDEX}"
        )
    finally:
        await connection.execute(EMPTY)
        await connection.close()


async def plan(connection: Any, role: str | None) -> frozenset[str]:
    """The indexes that the generic plan of the statement uses, for the role or the owner."""
    file = PROJECT.root / PROJECT.queries_dir / VARIANTS_FOLDER / "alerts.sql"
    statement = load_statements(file)["list_mine__plain"]
    async with connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        if role is not None:
            await connection.execute(f"SET LOCAL ROLE {role}")
        await connection.execute(f"PREPARE planned AS {statement.sql}")
        found = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE planned ({PAGE_ROWS})")
        await connection.execute("DEALLOCATE planned")
    return frozenset(indexes(json.loads(found)[0]["Plan"]))


async def read_mine(tx: Transaction) -> list[Alert]:
    return await alerts.list_mine(tx, max_rows=PAGE_ROWS)


async def in_a_users_name(db: Database) -> list[Alert]:
    async with db.as_user(USER) as tx:
        return await read_mine(tx)


async def in_a_transaction(db: Database) -> list[Alert]:
    async with db.transaction() as tx:
        return await alerts.list_by_user(tx, user_id=USER, max_rows=PAGE_ROWS)


async def agree(reads: Mapping[str, Callable[[], Awaitable[list[Alert]]]]) -> None:
    """Raises Disagreement where one does not read the page that the others read."""
    found = {name: await read() for name, read in reads.items()}
    for name, rows in found.items():
        if len(rows) != PAGE_ROWS or rows != found[OURS]:
            raise Disagreement(f"{name} read {len(rows)} alerts, or others than {OURS}")


@asynccontextmanager
async def statements(bench: Bench) -> AsyncGenerator[Contenders, None]:
    async with AsyncExitStack() as stack:
        note = await stack.enter_async_context(filled(bench))
        db = await stack.enter_async_context(whaledb.connect(bench.empty))
        user = await stack.enter_async_context(db.as_user(USER, idle_timeout_s=IDLE_LIMIT_S))
        owner = await stack.enter_async_context(db.transaction())
        claims = json.dumps({"sub": str(USER), "role": "authenticated"})
        await owner.driver_connection.fetchval(CLAIMS, claims)
        reads = {OURS: partial(read_mine, user), WITHOUT: partial(read_mine, owner)}
        yield await contenders(bench, reads, note)


@asynccontextmanager
async def blocks(bench: Bench) -> AsyncGenerator[Contenders, None]:
    async with AsyncExitStack() as stack:
        note = await stack.enter_async_context(filled(bench))
        db = await stack.enter_async_context(whaledb.connect(bench.empty))
        reads = {OURS: partial(in_a_users_name, db), BLOCK: partial(in_a_transaction, db)}
        yield await contenders(bench, reads, note)


async def contenders(
    bench: Bench, reads: Mapping[str, Callable[[], Awaitable[list[Alert]]]], note: str
) -> Contenders:
    await agree(reads)
    calls = bench.scaled(CALLS)
    return Contenders(
        {name: repeated(read, calls) for name, read in reads.items()}, calls, {}, [note]
    )


CASES = (
    Case(
        name="own_alerts/statement",
        title="A page of one's own alerts under row level security",
        unit="pages",
        control=WITHOUT,
        open=statements,
        goals=(Goal("list_mine_time_vs_without_rls", OURS, WITHOUT, "time", "at most", 1.2),),
        rounds=40,
    ),
    Case(
        name="own_alerts/block",
        title="A page of one's own alerts, with the transaction around it",
        unit="blocks",
        control=BLOCK,
        open=blocks,
        rounds=20,
    ),
)
