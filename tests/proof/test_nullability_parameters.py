"""Which parameters may be NULL or left out, and which column each of them is of."""

import re

import asyncpg
import pytest

from tests.proof import hard
from typedsql.tools.proof import RULES, Prover

_HEAD = re.compile(r"^-- (.+): ([R?O]+)$", re.MULTILINE)


def _cases() -> list[tuple[str, str, str]]:
    text = (hard.FOLDER / "parameters.sql").read_text(encoding="utf-8")
    parts = _HEAD.split(text)[1:]
    return list(zip(parts[::3], parts[1::3], parts[2::3], strict=True))


CASES = _cases()


async def _verdict(connection: "asyncpg.Connection", prover: Prover, sql: str) -> str:
    proof = await prover.prove(connection, sql)
    prepared = await connection.prepare(sql)
    letters = ""
    for number, _ in enumerate(prepared.get_parameters(), start=1):
        if number in proof.omissible_parameters:
            assert number in proof.nullable_parameters
            letters += "O"
        else:
            letters += "?" if number in proof.nullable_parameters else "R"
    return letters


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(("name", "verdict", "sql"), CASES, ids=[case[0] for case in CASES])
async def test_parameters(
    asked: "asyncpg.Connection", prover: Prover, name: str, verdict: str, sql: str
) -> None:
    assert await _verdict(asked, prover, sql) == verdict


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 25


@pytest.mark.asyncio(loop_scope="session")
async def test_a_broken_rule_is_noticed(
    asked: "asyncpg.Connection", prover: Prover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RULES, "parameter-null", lambda *_: False)

    assert await _verdict(asked, prover, "SELECT 1 WHERE $1::int IS NULL") == "R"


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("sql", "exact", "seen"),
    [
        ("SELECT id FROM other WHERE u = $1", "other.u", "other.u"),
        ("SELECT id FROM other WHERE $1 = u", "other.u", "other.u"),
        ("SELECT id FROM other WHERE u > $1", None, None),
        ("SELECT id FROM other WHERE lower(u) = $1", None, None),
        ("SELECT id FROM other WHERE u = lower($1)", None, None),
        ("SELECT id FROM other WHERE u IN ($1, 'b')", "other.u", "other.u"),
        ("SELECT id FROM other WHERE u = ANY ($1)", "other.u", "other.u"),
        ("SELECT id FROM other WHERE u <> ALL ($1)", None, None),
        ("SELECT j.id FROM joined j WHERE j.u = $1", "other.u", "other.u"),
        ("WITH c AS (SELECT u FROM other) SELECT 1 FROM c WHERE u = $1", "other.u", "other.u"),
        ("INSERT INTO other (id, y, u) VALUES (1, 2, $1)", "other.u", "other.u"),
        ("INSERT INTO other (id, y, u) VALUES (1, 2, lower($1))", None, "other.u"),
        ("INSERT INTO other (id, y, u) VALUES (1, 2, CAST($1::int AS text))", None, "other.u"),
        ("INSERT INTO other (id, x, y) VALUES (1, $1, $1)", "other.y", "other.y"),
        ("INSERT INTO other (id, y) SELECT 1, 2 FROM thing WHERE m = $1", "thing.m", "thing.m"),
        ("UPDATE other SET y = $1 FROM thing WHERE n = $1", "other.y", "other.y"),
        ("UPDATE other SET u = (SELECT $1::text)", None, None),
        ("INSERT INTO simple (id, y, u) VALUES (1, 2, $1)", "other.u", "other.u"),
    ],
)
async def test_the_column_of_a_parameter(
    asked: "asyncpg.Connection", prover: Prover, sql: str, exact: str | None, seen: str | None
) -> None:
    proof = await prover.prove(asked, sql)

    def name(origin: tuple[int, int] | None) -> str | None:
        return prover.facts.name(*origin).removeprefix("hard.") if origin else None

    assert name(proof.parameter_origins.get(1)) == exact
    assert name(proof.parameter_columns.get(1)) == seen
