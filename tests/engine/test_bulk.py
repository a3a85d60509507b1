"""Merging many rows: what is refused, what bounds it, and what a caller's mistake says."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any, Final

import asyncpg
import pytest
import pytest_asyncio

from tests.databases import Databases
from tests.engine.bulk_things import Thing, connected, locked, merge, stored, waiting
from typedsql.bulk import MergeReport, rows
from typedsql.bulk.chunks import FIRST_CHUNK_ROWS, READ_ROWS, Filling
from typedsql.bulk.limits import Limits
from typedsql.database import Database
from typedsql.errors import CodeError, DataError, TimeoutExpired, TransientError

MANY: Final = 1_000
DEADLINE_S: Final = 30
"""Against hanging only."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database(databases: Databases) -> AsyncGenerator[Database]:
    async with connected(databases) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def db(database: Database) -> Database:
    async with database.connection() as connection:
        await connection.execute("TRUNCATE public.things")
    return database


def things(count: int, word: str = "word") -> list[Thing]:
    return [Thing(id=number, word=word) for number in range(count)]


async def test_one_bad_row_in_a_hundred_is_rejected_alone(db: Database) -> None:
    rows = things(MANY)
    for at in range(0, MANY, 100):
        rows[at] = Thing(id=at, word="bad")
    refused: list[tuple[Thing, DataError]] = []

    async def keep(row: Thing, error: DataError) -> None:
        refused.append((row, error))

    for expected in ({"inserted": 990}, {"unchanged": 990}):
        refused.clear()
        report = await merge(db, rows, on_rejected=keep, chunk_rows=300)
        assert report == MergeReport(
            **{"given": MANY, "inserted": 0, "updated": 0, "unchanged": 0, "rejected": 10}
            | expected
        )
        assert [row.id for row, _ in refused] == list(range(0, MANY, 100))
        assert {error.constraint for _, error in refused} == {"things_word_check"}
    assert sorted(await stored(db)) == [row.id for row in rows if row.word != "bad"]
    # The control: a COPY by itself stores none of them.
    async with db.bulk_transaction() as bulk:
        await bulk.driver_connection.execute("TRUNCATE public.things")
    with pytest.raises(Exception, match="violates check constraint"):
        async with db.bulk_transaction() as bulk:
            await bulk.driver_connection.copy_records_to_table(
                "things", columns=["id", "word"], records=[(row.id, row.word) for row in rows]
            )
    assert await stored(db) == {}


class Ordinal:
    """A whole number to the driver, and to nobody else."""

    def __index__(self) -> int:
        return 7


WRONG: Final[dict[str, dict[str, Any]]] = {
    "column id was refused: expected int, got float": {"id": 5.5},
    "column id was refused: expected int, got list": {"id": [5]},
    "column word was refused: text cannot contain a NUL character": {"word": "\0 secret"},
    "column word must not be NULL": {"word": None},
    "foreign key things_kind_fkey has no matching row": {"kind": "secret"},
    "column cost was refused: expected Decimal or int": {"cost": 1.5},
    "column cost was refused: value out of numeric range": {"cost": Decimal("1E131072")},
    "column cost was refused: Python writes no int of more than 4,300 digits": {"cost": 10**4_300},
    "column id was refused: value out of int8 range": {"id": 2**63},
    "column word was refused: expected str, got int": {"word": 7},
    "column word was refused: a text with half of": {"word": "\ud800 secret"},
    "column word was refused: expected str, got list": {"id": Ordinal(), "word": ["secret"]},
}


@pytest.mark.versions
@pytest.mark.parametrize("straight", [True, False])
async def test_rows_that_cannot_be_stored(db: Database, straight: bool) -> None:
    rows = things(100)
    expected: dict[int, str] = {}
    for at, (told, values) in enumerate(WRONG.items(), start=1):
        rows[8 * at] = Thing(**{"id": 8 * at, "word": "word"} | values)
        expected[id(rows[8 * at])] = told
    if not straight:
        await merge(db, rows[:1])
    refused: list[tuple[Thing, DataError]] = []
    report = await merge(db, rows, on_rejected=lambda *given: refused.append(given))
    assert (report.given, report.rejected) == (100, len(WRONG))
    assert report.unchanged == (0 if straight else 1)
    assert {id(row) for row, _ in refused} == expected.keys()
    for row, error in refused:
        assert expected[id(row)] in str(error)
        for shown in (error, error.__cause__, error.__context__):
            assert "secret" not in str(shown)
    assert sorted(await stored(db)) == [row.id for row in rows if id(row) not in expected]


def test_ints_and_decimals_of_a_column_are_not_compared_with_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each time the int would be converted: a long one among some hundred takes half a minute."""
    seen: list[set[type]] = []

    def watched(look: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def looked(values: Any) -> Any:
            seen.append(set(map(type, values)))
            return look(values)

        return looked

    monkeypatch.setattr(rows, "max", watched(max), raising=False)
    monkeypatch.setattr(rows, "min", watched(min), raising=False)
    most = 10**4_300 - 1
    for column, fits in (
        ([Decimal(1), most, None, -most, Decimal(2)], True),
        ([Decimal(1), most + 1, None, Decimal(2)], False),
        ([Decimal(1), -most - 1, Decimal(2)], False),
        ([Decimal("1E131072"), 1], False),
        ([most, None], True),
        ([-most - 1, None], False),
        ([None], True),
    ):
        assert rows._numbers(column) is fits
    assert seen
    assert all(len(kinds) == 1 for kinds in seen)


async def test_a_column_of_another_type_than_before_is_none_of_a_row(db: Database) -> None:
    await merge(db, things(1))
    async with db.connection() as connection:
        await connection.execute("ALTER TABLE public.things ALTER id TYPE INTEGER")
        try:
            report = await merge(db, things(3))
            with pytest.raises(TransientError, match="the types of the table's columns changed"):
                await connection.execute("ALTER TABLE public.things ALTER id TYPE BIGINT")
                await merge(db, things(5), attempts=1)
        finally:
            await connection.execute("ALTER TABLE public.things ALTER id TYPE BIGINT")
    assert (report.inserted, report.unchanged) == (2, 1)
    assert len(await stored(db)) == 3


async def test_without_a_callback_the_first_refused_row_ends_it(db: Database) -> None:
    rows = things(10)
    rows[7] = Thing(id=7, word="bad")
    for _ in range(2):
        with pytest.raises(DataError) as refusal:
            await merge(db, rows, chunk_rows=4)
        assert refusal.value.constraint == "things_word_check"
        assert sorted(await stored(db)) == [0, 1, 2, 3]
    assert "0 rows were inserted" in refusal.value.__notes__[0]


async def test_progress_counts_what_is_committed(db: Database) -> None:
    seen: list[tuple[int, int]] = []

    async def note(report: MergeReport) -> None:
        seen.append((report.given, len(await stored(db))))

    await merge(db, iter(things(10)), on_progress=note, chunk_rows=4)
    assert seen == [(4, 4), (8, 8), (10, 10)]


async def test_what_a_callback_raises_ends_it(db: Database) -> None:
    def stop(report: MergeReport) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        await merge(db, things(100), on_progress=stop, chunk_rows=10)
    assert len(await stored(db)) in (10, 20)


async def test_a_callback_that_is_cancelled_by_itself_ends_it(db: Database) -> None:
    async def tell(_: MergeReport) -> None:
        raise asyncio.CancelledError

    # Two chunks, of which the second would be lost, and many, of which the third would wait.
    for count in (20, 100):
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(CodeError, match="cancelled by what it awaited"):
                await merge(db, things(count), on_progress=tell, chunk_rows=10)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_generator_of_rows_is_closed(db: Database, asynchronous: bool) -> None:
    closed: list[str] = []

    def plain(name: str) -> Generator[Thing, None, None]:
        try:
            yield from (Thing(id=number, word="bad") for number in range(100))
        finally:
            closed.append(name)

    async def rows(name: str) -> AsyncGenerator[Thing, None]:
        with closing(plain(name)) as inner:
            for thing in inner:
                yield thing

    make = rows if asynchronous else plain
    with pytest.raises(DataError):
        await merge(db, make("merged"), chunk_rows=10)
    # The control: a loop leaves it open, for as long as anything refers to it.
    left: Any = make("looped")
    if asynchronous:
        async for _ in left:
            break
    else:
        for _ in left:
            break
    assert closed == ["merged"]


async def test_what_the_rows_raise_ends_it(db: Database) -> None:
    async def rows() -> AsyncGenerator[Thing, None]:
        for thing in things(25):
            yield thing
            await asyncio.sleep(0)
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        await merge(db, rows(), chunk_rows=10)
    assert len(await stored(db)) <= 20


async def test_rows_are_read_no_further_than_two_chunks_beyond_the_one_that_is_stored(
    db: Database,
) -> None:
    read = 0

    def rows() -> Iterator[Thing]:
        nonlocal read
        for thing in things(MANY):
            read += 1
            yield thing

    async with locked(db) as observer:
        task = asyncio.create_task(merge(db, rows(), chunk_rows=50))
        await waiting(observer)
        await asyncio.sleep(0.05)
        assert read == 150
    assert (await task).inserted == MANY
    assert read == MANY


async def test_a_synchronous_iterable_lets_others_run(db: Database) -> None:
    turns = 0
    seen: list[int] = []

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def rows() -> Iterator[Thing]:
        for thing in things(MANY):
            seen.append(turns)
            yield thing

    task = asyncio.create_task(other())
    await merge(db, rows(), chunk_rows=MANY)
    task.cancel()
    assert seen[-1] > seen[0]


def test_a_chunk_is_bounded_in_bytes_and_waiting_rows_too() -> None:
    filling: Filling[str] = Filling(Limits(chunk_rows=3, chunk_bytes=100))
    filling.add(1, "a", 99)
    assert not filling.full
    filling.add(2, "b", 1)
    assert filling.full
    keys, rows = filling.cut()
    assert (set(keys), rows) == ({1, 2}, ["a", "b"])
    for word in "cdef":
        assert not filling.full
        filling.add(1, word, 1)
    assert filling.full
    cut = []
    while filling:
        cut.append(filling.cut()[1])
    assert cut == [["c"], ["d"], ["e"], ["f"]]


def test_rows_are_read_by_parts_that_fit_the_chunk() -> None:
    filling: Filling[str] = Filling(Limits(chunk_rows=3_000, chunk_bytes=100_000))
    given = 0
    cut: list[int] = []
    parts: list[int] = []
    while len(cut) < 3:
        parts.append(filling.room_rows)
        words = [f"{number:02}" for number in range(given, given + filling.room_rows)]
        given += len(words)
        filling.add_all(words, words, 2 * len(words), len)
        if filling.full:
            cut.append(len(filling.cut()[1]))
    assert cut == [FIRST_CHUNK_ROWS, 2 * FIRST_CHUNK_ROWS, 3_000]
    assert parts[:9] == [1, 2, 4, 8, 16, 32, 64, READ_ROWS, READ_ROWS]
    filling.add_all(["long"], ["x" * 30_000], 30_000, len)
    assert filling.room_rows == 2
    # Rows that were expected to be small: after them one is read at a time.
    filling.add_all(["a", "b"], ["y" * 90_000] * 2, 180_000, len)
    assert filling.full
    assert sum(map(len, filling.cut()[1])) == 210_000
    assert filling.room_rows == 1


def test_a_key_that_comes_again_waits_wherever_it_comes() -> None:
    filling: Filling[str] = Filling(Limits(chunk_rows=10))
    filling.add_all([3, 1, 3], ["c", "a", "c again"], 9, len)
    filling.add_all([2, 1], ["b", "a again"], 8, len)
    filling.add_all([[4]], ["no key"], 6, len)
    assert sorted(filling.cut()[1]) == ["a", "b", "c", "no key"]
    assert filling.cut()[1] == ["a again", "c again"]
    assert not filling


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"chunk_rows": 0}, "the limit chunk_rows of a merge has to be a number above 0"),
        ({"lanes": True}, "the limit lanes"),
        ({"attempts": 1.5}, "the limit attempts"),
        ({"chunk": 1}, "a merge has no limit chunk: there are chunk_rows"),
    ],
)
def test_limits_that_cannot_be_kept(limits: dict[str, Any], told: str) -> None:
    with pytest.raises(CodeError, match=told):
        Limits.of(limits)


async def test_a_source_that_fails_leaves_word_of_what_was_stored(db: Database) -> None:
    told = asyncio.Event()

    def see(report: MergeReport) -> None:
        if report.inserted == 10:
            told.set()

    async def broken() -> AsyncGenerator[Thing]:
        for thing in things(10):
            yield thing
        await asyncio.wait_for(told.wait(), DEADLINE_S)
        raise OSError("the feed ended")

    with pytest.raises(OSError, match="the feed ended") as failure:
        await merge(db, broken(), chunk_rows=2, on_progress=see)
    assert "before that 10 rows were inserted" in failure.value.__notes__[0]
    assert len(await stored(db)) == 10


async def test_rows_of_another_type_and_a_transaction_are_refused(db: Database) -> None:
    with pytest.raises(CodeError, match="expected rows of type Thing, got dict"):
        await merge(db, [{"id": 1}])
    with pytest.raises(CodeError, match="expected an iterable of Thing, got Thing"):
        await merge(db, Thing(id=1, word="word"))
    async with db.transaction() as tx:
        with pytest.raises(CodeError, match="give it the database, not a transaction"):
            await merge(tx, things(1))


async def test_a_chunk_ends_within_its_limit(db: Database) -> None:
    async with locked(db):
        with pytest.raises(TimeoutExpired):
            await merge(db, things(10), chunk_timeout_s=0.2)
    assert await stored(db) == {}


async def test_where_row_security_forbids_copy_the_statement_stores_all(db: Database) -> None:
    role = f"merger_{secrets.token_hex(6)}"
    async with db.connection() as connection:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(
            f"CREATE ROLE {role}; GRANT SELECT, INSERT, UPDATE ON public.things TO {role};"
            "ALTER TABLE public.things ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY own ON public.things TO {role} USING (word <> 'theirs');"
            f"ALTER DATABASE {name} SET role = {role}"
        )
        try:
            async with Database.connect(
                db.target, project=db.project, migrations="ignore"
            ) as as_role:
                report = await merge(as_role, things(3), chunk_rows=2)
                # The control: this is what a straight COPY meets there.
                with pytest.raises(asyncpg.FeatureNotSupportedError):
                    async with as_role.bulk_transaction() as bulk:
                        await bulk.driver_connection.copy_records_to_table(
                            "things", columns=["id", "word"], records=[(7, "w")]
                        )
        finally:
            await connection.execute(
                f"ALTER DATABASE {name} RESET role; DROP OWNED BY {role}; DROP ROLE {role}"
            )
    assert report.inserted == 3
    assert sorted(await stored(db)) == [0, 1, 2]
