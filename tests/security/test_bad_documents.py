"""Documents that JSON or the server cannot hold, at every entrance that takes one."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import asyncpg
import pytest
import pytest_asyncio
from msgspec import Struct

from tests.failures import everything_of
from tests.security.attempts import value
from tests.security.people import ALICE
from tests.security.refused import CANARY, failure_of, look_at, undisturbed
from typedsql import batching
from typedsql.bulk import BulkMerge
from typedsql.database import Database
from typedsql.errors import DataError
from typedsql.query import Batched, ExactlyOneValue, Executor
from typedsql.statements import Statement
from whaledb.queries import alerts, smc_patterns

DEPTH: Final = 20_000
TOO_DEEP: Final = "it is nested too deeply"
NOT_JSON: Final = "a JSON document cannot hold NaN or Infinity"
TOO_LONG: Final = "a JSON document cannot hold an integer of more than 4,300 characters"


class Anything(Struct):
    member: Any


def deep(around: Callable[[Any], Any]) -> dict[str, Any]:
    """A document of a canary in so many layers."""
    document: Any = CANARY
    for _ in range(DEPTH):
        document = around(document)
    return {"member": document}


def endless() -> dict[str, Any]:
    document: dict[str, Any] = {"member": CANARY}
    document["itself"] = document
    return document


BAD: Final = [
    pytest.param(
        lambda: {"member": f"{CANARY}\0"},
        "a document cannot contain a NUL character",
        marks=pytest.mark.case(30),
        id="NUL",
    ),
    pytest.param(
        lambda: {f"{CANARY}\ud800": 1},
        "a text with half of a surrogate pair has no UTF-8",
        marks=pytest.mark.case(31),
        id="lone surrogate",
    ),
    pytest.param(
        lambda: {"member": int(CANARY) * 10**5_000},
        "the dict cannot be written as JSON",
        marks=pytest.mark.case(32),
        id="int too long to be written",
    ),
    pytest.param(
        lambda: {"member": [Decimal(f"{CANARY}E+4293")]},
        TOO_LONG,
        marks=pytest.mark.case(32),
        id="Decimal too long to be read",
    ),
    pytest.param(
        lambda: {"member": -int(CANARY) * 10**4_292},
        TOO_LONG,
        marks=pytest.mark.case(32),
        id="int too long to be read",
    ),
    pytest.param(
        lambda: deep(lambda inner: {"a": inner}),
        TOO_DEEP,
        marks=pytest.mark.case(40),
        id="objects 20,000 deep",
    ),
    pytest.param(
        lambda: deep(lambda inner: [inner]),
        TOO_DEEP,
        marks=pytest.mark.case(40),
        id="lists 20,000 deep",
    ),
    pytest.param(
        lambda: deep(Anything), TOO_DEEP, marks=pytest.mark.case(40), id="Structs 20,000 deep"
    ),
    pytest.param(endless, TOO_DEEP, marks=pytest.mark.case(40), id="endless"),
    pytest.param(
        lambda: {"member": [float("nan"), CANARY]},
        NOT_JSON,
        marks=pytest.mark.case(41),
        id="NaN",
    ),
    pytest.param(
        lambda: {"member": {CANARY: Decimal("-Infinity")}},
        NOT_JSON,
        marks=pytest.mark.case(41),
        id="infinity",
    ),
]


def by_hand(name: str, sql: str, **more: Any) -> Statement:
    names: dict[str, Any] = {"parameters": ("id", "document"), "declared": ("id", "document")}
    return Statement(
        name=f"notes.{name}", sql=sql, prose="", location="", **{"suffix": "<!"} | names | more
    )


class Note(Struct, frozen=True):
    id: int
    document: Any


INSERT: Final = by_hand(
    "insert", "INSERT INTO public.notes (id, document) VALUES ($1, $2) RETURNING id"
)
NOTES: Final = Batched(
    ExactlyOneValue[int](INSERT),
    by_hand(
        "insert_many",
        """
        INSERT INTO public.notes (id, document)
        SELECT g.id, g.document FROM unnest($1::BIGINT[], $2::JSONB[]) AS g (id, document)
        RETURNING array_position($1, id), id
        """,
        suffix="",
    ),
    key=("id",),
)
MERGING: Final = BulkMerge(
    by_hand(
        "merge_rows",
        """
        WITH merged AS (
            INSERT INTO public.notes (id, document)
            SELECT s.id, s.document FROM pg_temp.notes_staging AS s
            ON CONFLICT (id) DO NOTHING
            RETURNING id
        )
        SELECT count(*) AS inserted, CAST(0 AS BIGINT) AS updated FROM merged AS m
        """,
        suffix="^",
        parameters=(),
        declared=(),
        staging="notes",
        columns=(("inserted", "int8"), ("updated", "int8")),
    ),
    Note,
    table="public.notes",
    key=("id",),
)


@pytest_asyncio.fixture(loop_scope="session")
async def notes(owner: asyncpg.Connection) -> AsyncGenerator[asyncpg.Connection]:
    """The owner's connection, while there is a table of documents."""
    await owner.execute("CREATE TABLE public.notes (id BIGINT PRIMARY KEY, document JSONB)")
    yield owner
    await owner.execute("DROP TABLE public.notes")


async def ids(notes: asyncpg.Connection) -> list[int]:
    return [row["id"] for row in await notes.fetch("SELECT id FROM public.notes ORDER BY id")]


async def add_pattern(db: Executor, metadata: dict[str, Any]) -> None:
    await smc_patterns.insert(
        db,
        exchange="kraken",
        symbol="ETH-USD",
        pattern_type="fvg",
        time_frame="1h",
        detected_at=datetime(2026, 3, 1, tzinfo=UTC),
        price_level=Decimal(2000),
        status="active",
        metadata=metadata,
    )


async def by_itself(app: Database, document: dict[str, Any]) -> None:
    await add_pattern(app, document)


async def in_a_transaction(app: Database, document: dict[str, Any]) -> None:
    async with app.transaction() as tx:
        await add_pattern(tx, {"good": 1})
        await add_pattern(tx, document)


async def in_a_bulk_transaction(app: Database, document: dict[str, Any]) -> None:
    async with app.bulk_transaction() as tx:
        await add_pattern(tx, {"good": 1})
        await add_pattern(tx, document)


@pytest.mark.parametrize(("make", "told"), BAD)
async def test_a_typed_function_refuses_it(
    app: Database, owner: asyncpg.Connection, make: Callable[[], Any], told: str
) -> None:
    bad = make()
    async with undisturbed(app):
        for entrance in (by_itself, in_a_transaction, in_a_bulk_transaction):
            failure = await failure_of(entrance(app, bad))
            look_at(failure, "smc_patterns.insert", "metadata", told)
    assert await owner.fetchval("SELECT count(*) FROM public.smc_patterns") == 0


@pytest.mark.parametrize(("make", "told"), BAD)
async def test_it_is_refused_in_a_users_name(
    app: Database, owner: asyncpg.Connection, make: Callable[[], Any], told: str
) -> None:
    async def add_alert(conditions: dict[str, Any]) -> None:
        async with app.as_user(ALICE) as tx:
            await alerts.insert_mine(
                tx, alert_type="large_transfer", conditions={"min_value_eth": 7}, enabled=True
            )
            await alerts.insert_mine(
                tx, alert_type="large_transfer", conditions=conditions, enabled=True
            )

    before = await owner.fetchval("SELECT count(*) FROM public.alerts")
    look_at(await failure_of(add_alert(make())), "alerts.insert_mine", "conditions", told)
    assert await owner.fetchval("SELECT count(*) FROM public.alerts") == before
    async with app.as_user(ALICE) as tx:
        assert len(await alerts.list_mine(tx, max_rows=9)) == 1


@pytest.mark.parametrize(("make", "told"), BAD)
async def test_of_calls_that_are_sent_together_it_fails_alone(
    app: Database,
    notes: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[], Any],
    told: str,
) -> None:
    monkeypatch.setattr(batching, "ALONE_AT_ONCE", 1)
    documents: list[Any] = [{"member": number} for number in range(12)]
    documents[7] = make()

    async def add(number: int) -> None:
        assert await NOTES.run(app, number, documents[number]) == number

    async with undisturbed(app):
        failures = await asyncio.gather(*(failure_of(add(number)) for number in range(12)))
    look_at(failures.pop(7), "notes.insert", "document", told)
    assert failures == [None] * 11
    assert await ids(notes) == [*range(7), *range(8, 12)]


@pytest.mark.parametrize(("make", "told"), BAD)
async def test_of_rows_that_are_merged_it_is_rejected_alone(
    app: Database, notes: asyncpg.Connection, make: Callable[[], Any], told: str
) -> None:
    rows = [Note(1, {"member": 1}), Note(2, make()), Note(3, {"member": 3})]
    refused: list[DataError] = []
    async with undisturbed(app):
        failure = await failure_of(MERGING.run(app, rows, None, None, {"lanes": 1}))
        look_at(failure, "notes.merge_rows", "document", told)
        assert await ids(notes) == []
        report = await MERGING.run(
            app, rows, None, lambda _, error: refused.append(error), {"lanes": 1}
        )
    assert (report.inserted, report.rejected) == (2, 1)
    look_at(refused[0], "notes.merge_rows", "document", told)
    assert refused[0].column == "document"
    assert await ids(notes) == [1, 3]


@pytest.mark.case(30)
@pytest.mark.case(40)
@pytest.mark.case(41)
async def test_the_driver_with_pythons_json_does_not(owner: asyncpg.Connection) -> None:
    """The control: an error of no database, and the server's that quotes the document."""
    with pytest.raises(RecursionError):
        json.dumps(deep(lambda inner: {"a": inner}))
    for bad in ({"member": CANARY, "other": float("nan")}, {"member": f"{CANARY}\0"}):
        with pytest.raises(asyncpg.DataError) as caught:
            await owner.fetchval("SELECT CAST($1 AS JSONB)", json.dumps(bad))
        assert CANARY in everything_of(caught.value)


@pytest.mark.case(40)
async def test_a_text_that_the_server_reads_as_a_document(app: Database) -> None:
    """It goes as text, and is too deep for the server alone."""
    text = f"{'[' * 200_000}{CANARY}{']' * 200_000}"
    async with undisturbed(app):
        failure = await failure_of(value(app, "SELECT CAST(CAST($1 AS TEXT) AS JSONB)", text))
    look_at(failure, "raw.statement", "p1", "statement too complex")
    # The control: less deep it is read.
    short = f"{'[' * 500}{CANARY}{']' * 500}"
    assert len(await value(app, "SELECT CAST(CAST($1 AS TEXT) AS JSONB)", short)) == len(short)
