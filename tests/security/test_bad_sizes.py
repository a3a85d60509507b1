"""More than there is room for: parameters, text and what an index holds."""

import asyncio
from typing import Final

import asyncpg
import pytest

from tests.queries.transfers import hash_of, transfer
from tests.security.attempts import value
from tests.security.refused import (
    CANARY,
    failure_of,
    insert,
    look_at,
    new,
    stored,
    undisturbed,
)
from typedsql import batching
from typedsql.database import Database
from typedsql.errors import CodeError, DataError
from whaledb.queries import whale_transactions

MANY: Final = 64 * 1024 * 1024
"""Characters of a text that is too long for anything."""


@pytest.mark.case(41)
async def test_more_parameters_than_the_protocol_has(app: Database) -> None:
    numbers = [1] * 40_000
    async with undisturbed(app):
        failure = await failure_of(value(app, "SELECT CAST($1 AS INT8)", *numbers))
        assert isinstance(failure, CodeError)
        assert str(failure) == ("raw.statement: the number of query arguments cannot exceed 32767")
        # The control: as an array they are one parameter.
        assert await value(app, "SELECT cardinality(CAST($1 AS INT8[]))", numbers) == len(numbers)


@pytest.mark.case(41)
async def test_64_mb_of_text(
    app: Database, owner_of_none: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "ALONE_AT_ONCE", 1)
    long = CANARY * (MANY // len(CANARY))
    told = "check constraint whale_transactions_from_address_format"
    rows = [transfer(1), transfer(2, from_address=long), transfer(3)]
    refused: list[DataError] = []
    async with undisturbed(app):
        first, failure, last = await asyncio.gather(*(failure_of(insert(app, row)) for row in rows))
        report = await whale_transactions.merge_rows(
            app, [new(4, from_address=long)], on_rejected=lambda _, error: refused.append(error)
        )
    assert first is last is None
    look_at(failure, "whale_transactions.insert", "from_address", told)
    assert report.rejected == 1
    look_at(refused[0], "whale_transactions.merge_rows", "from_address", told)
    assert await stored(owner_of_none) == {hash_of(1), hash_of(3)}
    # The control: where nothing is too long for the column, the server has room for it.
    assert await value(app, "SELECT length(CAST($1 AS TEXT))", long) == MANY


@pytest.mark.case(41)
async def test_a_text_too_long_for_an_index(app: Database, owner: asyncpg.Connection) -> None:
    await owner.execute("CREATE TABLE public.words (word TEXT PRIMARY KEY)")
    try:
        async with undisturbed(app):
            sql = "INSERT INTO public.words (word) SELECT $1 || md5(CAST(n AS TEXT))"
            insert = f"{sql} FROM generate_series(1, 1) AS g (n)"
            failure = await failure_of(value(app, insert, CANARY * 100_000))
            look_at(failure, "raw.statement", "p1", "program limit exceeded")
        assert await owner.fetchval("SELECT count(*) FROM public.words") == 0
    finally:
        await owner.execute("DROP TABLE public.words")
