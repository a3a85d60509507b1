"""What callers give is data: it never becomes SQL, nor a pattern, nor an ordering."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.security import attempts
from tests.security.people import ALERT, ALICE
from typedsql.database import Database
from typedsql.errors import ChoiceRefused, CodeError, Error
from typedsql.statements import Statement
from typedsql.tools.reading.findings import Finding
from typedsql.tools.reading.source import SourceFile
from typedsql.tools.statement_rules import refuse_session_state, refuse_wildcards
from whaledb.project import PROJECT
from whaledb.queries import alerts, users, whale_transactions
from whaledb.rows import WhaleTransaction

QUERIES = PROJECT.root / PROJECT.queries_dir

Rule = Callable[[SourceFile, Statement], Any]


def refused(root: Path, sql: str, rule: Rule) -> list[str]:
    """By which rules the generator refuses a statement of a file."""
    path = root / "queries" / "things.sql"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"-- name: list_things(word)\n{sql}\n", encoding="utf-8")
    return [finding.rule for finding in findings(SourceFile.read(path, root), rule)]


def findings(source: SourceFile, rule: Rule) -> list[Finding]:
    found = list(source.findings)
    for statement in source.statements.values():
        found += rule(source, statement)
    return found


STACKED = [
    "SELECT 1; commit; SELECT count(*) FROM public.alerts",
    "SELECT 1; COMMIT;",
    "COMMIT; SELECT count(*) FROM public.alerts",
    "SELECT 1; SELECT 2",
]


@pytest.mark.case(19)
@pytest.mark.parametrize("sql", STACKED)
async def test_stacked_statements_are_refused(app: Database, sql: str) -> None:
    for attempt in (attempts.execute, attempts.fetch):
        with pytest.raises(Error) as refusal:
            async with app.as_user(ALICE) as tx:
                await attempt(tx, sql)
        assert refusal.value.sqlstate == "42601"
    # None of it was run: the user goes on, after a savepoint that took the refusal.
    async with app.as_user(ALICE) as tx:
        with pytest.raises(CodeError):
            async with tx.transaction() as savepoint:
                await attempts.execute(savepoint, sql)
        assert await attempts.value(tx, "SELECT auth.uid()") == ALICE
        assert len(await alerts.list_enabled(tx, max_rows=10)) == 1


@pytest.mark.case(19)
async def test_the_driver_lets_stacked_statements_through(owner: asyncpg.Connection) -> None:
    """The control: its execute() without arguments runs them all, and the identity is gone."""
    await owner.execute("BEGIN")
    await owner.execute(f'SET LOCAL "request.jwt.claims" = \'{{"sub": "{ALICE}"}}\'')
    await owner.execute("SET LOCAL ROLE authenticated")
    assert await owner.fetchval("SELECT count(*) FROM public.alerts") == 1
    await owner.execute(STACKED[0])
    assert await owner.fetchval("SELECT count(*) FROM public.alerts") == 2
    assert not owner.is_in_transaction()


@pytest.mark.case(19)
def test_a_file_with_stacked_statements_is_refused(tmp_path: Path) -> None:
    where = "SELECT t.id FROM public.things AS t WHERE t.word = :word"
    assert refused(tmp_path, f"{where};", refuse_session_state) == []
    for sql in (f"{where}; COMMIT;", f"{where}; COMMIT; {where};"):
        assert refused(tmp_path, sql, refuse_session_state) != []
    # By itself it is refused by another rule.
    (tmp_path / "queries" / "things.sql").write_text("-- name: go()!\nCOMMIT;\n")
    source = SourceFile.read(tmp_path / "queries" / "things.sql", tmp_path)
    assert [item.rule for item in findings(source, refuse_session_state)] == ["session-state"]


ORDERINGS: list[Any] = [
    "value_eth",
    "newest; DROP TABLE public.alerts",
    "(SELECT pg_sleep(10))",
    "newest ",
    "",
    None,
    1,
    ["newest"],
]


@pytest.mark.case(26)
@pytest.mark.parametrize("order_by", ORDERINGS, ids=repr)
async def test_an_ordering_that_is_not_declared_is_refused(app: Database, order_by: Any) -> None:
    async with app.as_user(ALICE) as tx:
        assert await listed(tx, "largest") == []
        with pytest.raises(ValueError, match="order_by must be one of 'newest', 'largest'"):
            await listed(tx, order_by)
    # Nothing is sent: on a transaction that has ended, what would be sent is another error.
    with pytest.raises(ChoiceRefused):
        await listed(tx, order_by)
    with pytest.raises(CodeError, match="has ended"):
        await listed(tx, "largest")


async def listed(db: Any, order_by: Any) -> list[WhaleTransaction]:
    return await whale_transactions.list_transfers(db, chain_id=1, max_rows=1, order_by=order_by)


SEARCHED = ["a%b", "axxb", "a_b", "axb", "a\\b", "a\\%b"]
ESCAPED = "replace(replace(replace({word}, '\\', '\\\\'), '%', '\\%'), '_', '\\_')"


@pytest.mark.case(27)
def test_no_statement_takes_a_pattern_from_its_caller(tmp_path: Path) -> None:
    seen = 0
    for path in sorted(QUERIES.glob("*.sql")):
        source = SourceFile.read(path, PROJECT.root)
        assert [finding.rule for finding in findings(source, refuse_wildcards)] == []
        seen += len(source.statements)
    assert seen > 100
    # The control, in the project's own generator: without the escape it refuses such a file.
    search = "SELECT t.id FROM public.things AS t WHERE t.word LIKE {pattern} || '%';"
    bare = search.format(pattern=":word")
    assert refused(tmp_path, bare, refuse_wildcards) == ["wildcard"]
    escaped = search.format(pattern=ESCAPED.format(word=":word"))
    assert refused(tmp_path, escaped, refuse_wildcards) == []


@pytest.mark.case(27)
@pytest.mark.parametrize("word", SEARCHED)
async def test_wildcards_stand_for_themselves(app: Database, word: str) -> None:
    async def found(condition: str) -> list[str]:
        rows = await attempts.fetch(
            app, f"SELECT t.word FROM unnest($1::TEXT[]) AS t (word) WHERE {condition}",
            SEARCHED, word,
        )  # fmt: skip
        return [row["word"] for row in rows]

    for condition in (
        f"t.word LIKE '%' || {ESCAPED.format(word='$2::TEXT')} || '%'",
        "strpos(t.word, $2::TEXT) > 0",
        "starts_with(t.word, $2::TEXT)",
    ):
        assert await found(condition) == [word]
    # The control: as a pattern the first finds more, and those with a backslash not themselves.
    unescaped = await found("t.word LIKE '%' || $2::TEXT || '%'")
    assert (unescaped == [word]) == (word in ("axxb", "axb"))


HOSTILE = [
    "'; DROP TABLE public.alerts; --",
    "x'; SELECT set_config('role', 'postgres', FALSE); COMMIT; --",
    "$$; DELETE FROM public.alerts; $$",
    "\\'; TRUNCATE public.alerts CASCADE; --",
    "/* */ :id $1 %s {0} ; COMMIT",
    "' OR '1'='1",
    "ALICE' UNION SELECT id FROM auth.users --",
]


@pytest.mark.case(28)
@pytest.mark.parametrize("text", HOSTILE)
async def test_parameters_that_hold_sql_are_data(
    app: Database, owner: asyncpg.Connection, text: str
) -> None:
    async with app.as_user(ALICE) as tx:
        assert await users.update_display_name(tx, id=ALICE, display_name=text) == 1
        profile = await users.get(tx, id=ALICE)
        assert profile is not None
        assert profile.display_name == text
    async with app.transaction() as tx:
        assert await whale_transactions.list_by_address(tx, address=text, max_rows=9) == []
    with pytest.raises(Error) as refusal:
        async with app.as_user(ALICE) as tx:
            await alerts.insert_mine(tx, **(ALERT | {"alert_type": text}))
    assert refusal.value.sqlstate == "23514"
    assert await owner.fetchval("SELECT count(*) FROM public.alerts") == 2
    assert await owner.fetchval("SELECT display_name FROM public.users WHERE id = $1", ALICE) == (
        text
    )


@pytest.mark.case(28)
async def test_put_into_the_text_it_would_be_run(owner: asyncpg.Connection) -> None:
    """The control: the same text where SQL is made of strings, as nothing here does."""
    text = "x'; DELETE FROM public.alerts; --"
    await owner.execute(f"UPDATE public.users SET display_name = '{text}' WHERE id = '{ALICE}'")
    assert await owner.fetchval("SELECT count(*) FROM public.alerts") == 0
