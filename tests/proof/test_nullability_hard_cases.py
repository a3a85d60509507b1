"""Statements worked out by hand: what is claimed, and what the data say."""

import asyncpg
import pytest

from tests.proof import hard
from tests.proof.hard import Case
from typedsql.tools.proof import RULES, Prover

CASES = [case for stem in hard.FILES for case in hard.read(stem)]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_hard_case(asked: "asyncpg.Connection", prover: Prover, case: Case) -> None:
    claimed, seen = await hard.ask(asked, prover, case)

    assert claimed == case.verdict.replace("~", "?")
    # Whoever says that a column can be NULL has to show it.
    assert seen == case.verdict.replace("~", "N")


def test_every_rule_says_what_holds() -> None:
    assert [name for name, function in RULES.items() if not function.__doc__] == []


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 120


@pytest.mark.asyncio(loop_scope="session")
async def test_the_statements_that_other_tools_were_asked_are_exact(
    asked: "asyncpg.Connection", prover: Prover, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = hard.read("field")

    assert len(cases) == 17
    assert await hard.exact(asked, prover, cases) == (51, 51)
    # The control: a broken rule has fewer of them right.
    monkeypatch.setitem(RULES, "outer-join", lambda *_: frozenset())
    right, _ = await hard.exact(asked, prover, cases)
    assert right < 51


@pytest.mark.asyncio(loop_scope="session")
async def test_a_broken_rule_is_noticed(
    asked: "asyncpg.Connection", prover: Prover, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The control of the cases: a prover that takes no notice of outer joins fails them.
    case = next(case for case in CASES if case.name == "field: left join")
    monkeypatch.setitem(RULES, "outer-join", lambda *_: frozenset())

    claimed, seen = await hard.ask(asked, prover, case)

    assert claimed == "NNN"
    assert seen == "NN?"


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("sql", "because"),
    [
        ("SELECT u FROM other", "hard.other.u is nullable"),
        ("SELECT y FROM other", None),
        ("SELECT d FROM thing", None),
        ("SELECT strict_null(1)", None),
        ("SELECT doc -> 'a' FROM thing", None),
        ("SELECT upper(u) FROM other", "hard.other.u is nullable"),
        ("SELECT coalesce(u, doc ->> 'a') FROM other, thing", None),
        ("SELECT CASE WHEN y > 1 THEN y END FROM other", "a CASE without ELSE"),
        ("SELECT nullif(y, 1) FROM other", "NULLIF"),
        ("SELECT o.y FROM thing LEFT JOIN other o USING (id)", "an outer join may find no row"),
        ("SELECT n FROM thing GROUP BY ROLLUP (n)", "a grouping set leaves it out"),
        ("SELECT (SELECT y FROM other WHERE id = 1)", "the subquery may find no row"),
        ("SELECT max(y) FROM other", "there may be no rows to aggregate"),
        ("INSERT INTO other (id, y) VALUES (9, 9) RETURNING old.y", "there is no old row"),
    ],
)
async def test_why_a_column_is_known_to_be_nullable(
    asked: "asyncpg.Connection", prover: Prover, sql: str, because: str | None
) -> None:
    column = (await prover.prove(asked, sql)).columns[0]

    if because is None:
        assert column.nullable_because is None
    else:
        assert column.nullable_because is not None
        assert because in column.nullable_because


@pytest.mark.asyncio(loop_scope="session")
async def test_where_columns_come_from_and_what_nulls_them(
    asked: "asyncpg.Connection", prover: Prover
) -> None:
    proof = await prover.prove(
        asked,
        "SELECT j.id, j.n, j.y, j.u, j.y + 1, e.child, w.id FROM joined j "
        "LEFT JOIN edge e ON e.child = j.id JOIN wallet w ON w.id = j.id",
    )
    columns = proof.columns
    named = [
        prover.facts.name(*column.origin).removeprefix("hard.") if column.origin else None
        for column in columns
    ]

    assert named == ["thing.id", "thing.n", "other.y", "other.u", None, "edge.child", "wallet.id"]
    assert [column.not_null_inside for column in columns] == [True, True, True, False] + [True] * 3
    # The same join is the same, seen through the view; another join is another.
    assert columns[2].nulled_by == columns[3].nulled_by == columns[4].nulled_by != frozenset()
    assert columns[5].nulled_by not in (frozenset(), columns[2].nulled_by)
    assert columns[0].nulled_by == columns[6].nulled_by == frozenset()
