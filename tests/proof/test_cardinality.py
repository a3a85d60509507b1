"""How many rows a statement is proven to return, and what real data says of it."""

import itertools
from collections.abc import AsyncGenerator, Iterator
from typing import Any, NamedTuple

import asyncpg
import pytest
import pytest_asyncio

from tests.databases import Databases
from tests.proof.cardinality_case import Case
from tests.proof.cardinality_of_keys import JOINS, KEYS
from tests.proof.cardinality_of_queries import SELECTS, WRITES
from tests.proof.cardinality_schema import DATA, SCHEMA
from typedsql.settings import ConnectionTarget
from typedsql.tools.proof import Prover
from typedsql.tools.proof.capture import capture
from typedsql.tools.proof.cardinality.counting import Cardinality, cardinality
from typedsql.tools.proof.cardinality.keys import Keys

CASES = {
    f"{group}: {name}": case
    for group, cases in (("keys", KEYS), ("joins", JOINS), ("selects", SELECTS), ("writes", WRITES))
    for name, case in cases.items()
}

ARGUMENTS: dict[str, list[Any]] = {
    "int4": [0, 1, 2, 3, None],
    "int8": [1, 3, 0, None],
    "numeric": [1, 7, None],
    "text": ["a", "A", "b", None],
    "int4[]": [[0, 1, 2], []],
    "int8[]": [[0, 1, 2], []],
    "tid": [(0, 1)],
    "bool": [True, False],
}


class Laboratory(NamedTuple):
    """A database with the tables of the cases, and what is known of it."""

    connection: "asyncpg.Connection"
    keys: Keys
    prover: Prover

    async def claim(self, sql: str) -> Cardinality:
        _, queries = await capture(self.connection, sql)
        nullable = self.prover.proof(queries).nullable_parameters
        return cardinality(queries, self.keys, nullable_parameters=nullable)


@pytest_asyncio.fixture(scope="module")
async def laboratory(databases: Databases) -> AsyncGenerator[Laboratory]:
    async with databases.fresh() as target:
        connection = await asyncpg.connect(**target.asyncpg_arguments())
        try:
            await connection.execute(SCHEMA)
            await connection.execute(DATA)
            keys, prover = await Keys.load(connection), await Prover.load(connection)
            yield Laboratory(connection, keys, prover)
        finally:
            await connection.close()


def arguments(prepared: Any) -> Iterator[tuple[Any, ...]]:
    return itertools.product(*(ARGUMENTS[kind.name] for kind in prepared.get_parameters()))


async def numbers_of_rows(connection: "asyncpg.Connection", case: Case) -> list[int]:
    """For each choice of arguments, how many rows came back."""
    prepared = await connection.prepare(case.sql)
    found: list[int] = []
    for chosen in arguments(prepared):
        transaction = connection.transaction()
        await transaction.start()
        try:
            if case.before:
                await connection.execute(case.before)
            rows = await prepared.fetch(*chosen)
            returns = bool(prepared.get_attributes())
            found.append(len(rows) if returns else int(prepared.get_statusmsg().split()[-1]))
        except (asyncpg.IntegrityConstraintViolationError, asyncpg.CardinalityViolationError):
            pass
        finally:
            await transaction.rollback()
    return found


@pytest.mark.parametrize("name", CASES)
async def test_case(laboratory: Laboratory, name: str) -> None:
    case = CASES[name]
    found = await laboratory.claim(case.sql)
    assert found == Cardinality(
        least=case.least, most=case.most, bounded=case.bounded, reason=found.reason
    )
    seen = await numbers_of_rows(laboratory.connection, case)
    assert seen
    assert min(seen) >= case.least
    assert case.most is None or max(seen) <= case.most
    if case.most is None and not case.caution:
        assert max(seen) > 1, "the data does not show why there is no proof"


async def test_a_collation_in_which_other_bytes_are_equal(
    empty_database: ConnectionTarget,
) -> None:
    # The embedded server has no ICU, whose collations these are: the catalog is told so,
    # and the queries are only analysed.
    connection = await asyncpg.connect(**empty_database.asyncpg_arguments())
    try:
        await connection.execute(
            """
            CREATE TABLE word (c TEXT UNIQUE, i TEXT);
            CREATE COLLATION loose FROM "C";
            ALTER TABLE word ALTER i TYPE TEXT COLLATE loose;
            CREATE UNIQUE INDEX word_i ON word (i);
            UPDATE pg_catalog.pg_collation SET collisdeterministic = FALSE
            WHERE collname = 'loose'
            """
        )
        keys, prover = await Keys.load(connection), await Prover.load(connection)
        word = Laboratory(connection, keys, prover)
        expected = {
            "SELECT i FROM word WHERE c = $1": 1,
            'SELECT i FROM word WHERE c = $1 COLLATE "C"': 1,
            "SELECT i FROM word WHERE c = $1 COLLATE loose": None,
            "SELECT c FROM word WHERE i = $1": 1,
            'SELECT c FROM word WHERE i = $1 COLLATE "C"': None,
            'SELECT c COLLATE "C" FROM word WHERE i = $1 GROUP BY c COLLATE "C"': 1,
            "SELECT count(*) FROM word WHERE c = $1 COLLATE loose GROUP BY c": None,
            "SELECT count(*) FROM word WHERE c = $1 GROUP BY c": 1,
        }
        found = {sql: (await word.claim(sql)).most for sql in expected}
    finally:
        await connection.close()
    assert found == expected


async def test_reasons_say_what_is_missing(laboratory: Laboratory) -> None:
    expected = {
        "SELECT 1 FROM o WHERE k_id = $1": "unique index o_pkey of public.o is fixed by equality",
        "SELECT 1 FROM part WHERE id = $1": (
            "no unique key of public.part is fixed: part_pkey needs day"
        ),
        "SELECT 1 FROM m WHERE k_id = $1": (
            "no unique key of public.m is fixed: m_pkey needs id; m_open needs its WHERE"
        ),
        "SELECT 1 FROM bare": "public.bare has no unique key that holds within a transaction",
        "SELECT 1 FROM parent WHERE id = 1": (
            "no unique key of public.parent covers the tables that inherit from it"
        ),
        "SELECT 1 FROM k LIMIT 1": "LIMIT 1",
    }
    for sql, reason in expected.items():
        assert (await laboratory.claim(sql)).reason == reason
