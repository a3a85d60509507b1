"""Calls every function of the lending library against a database that it is alone in.

Where DATABASE_URL says, migrated and empty. Ends with exit code 0 if everything came back
as it should; tests/engine/test_example.py runs it, and type checkers read it.
"""

import asyncio
from contextlib import aclosing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

from lending.documents import PastLoan, Preferences
from lending.project import PROJECT
from lending.queries import books, loans, members
from lending.rows import Book, BookHall, BookWithLoanLoan, Member, PostalAddress

from typedsql.database import Database
from typedsql.errors import DataError, TimeoutExpired
from typedsql.settings import resolve_target
from typedsql.values import Range

HALLS: tuple[BookHall | None, ...] = (None, "north", "south")
MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


async def add_books(db: Database) -> list[Book]:
    """Four copies; of the third nobody knows the price."""
    made: list[Book] = []
    copies: tuple[tuple[str, BookHall, Decimal | None], ...] = (
        ("Emma", "north", Decimal("9.50")),
        ("Emma", "south", Decimal("20.00")),
        ("Ulysses", "north", None),
        ("Zadig", "south", Decimal("5.25")),
    )
    for title, hall, price in copies:
        made.append(
            await books.insert(
                db,
                isbn="9780141439587",
                title=title,
                tags=["classic", None],
                hall=hall,
                price_eur=price,
            )
        )
    assert [book.tags for book in made] == [["classic", None]] * 4
    assert made[2].price_eur is None
    assert await books.count(db) == 4
    return made


async def add_members(db: Database) -> tuple[Member, Member]:
    ann = await members.insert(
        db,
        name="Ann",
        home=PostalAddress(street="High Street 1", postcode=None),
        joined=date(2020, 2, 29),
        preferences=Preferences(language="de"),
    )
    bob = await members.insert(
        db, name="Bob", joined=date(2021, 1, 1), preferences=Preferences(remind_days_before=1)
    )
    assert ann.home == PostalAddress(street="High Street 1", postcode=None)
    assert ann.preferences == Preferences(language="de", remind_days_before=3)
    assert bob.home is None
    assert await members.get(db, id=ann.id) == ann
    assert await members.get(db, id=-1) is None
    assert await members.list_page(db, max_rows=10) == [ann, bob]
    assert await members.list_page(db, after_id=ann.id, max_rows=10) == [bob]
    return ann, bob


async def search(db: Database, made: list[Book]) -> None:
    """Every variant: each filter there or not, in both orders."""
    for prefix in (None, "E", "Z"):
        for hall in HALLS:
            for limit in (None, Decimal(10)):
                fitting = [
                    book
                    for book in made
                    if (prefix is None or book.title.startswith(prefix))
                    and (hall is None or book.hall == hall)
                    and (limit is None or (book.price_eur is not None and book.price_eur <= limit))
                ]
                by_title = await books.search(
                    db, title_prefix=prefix, hall=hall, max_price_eur=limit, max_rows=9
                )
                assert by_title == sorted(fitting, key=lambda book: (book.title, book.id))
                dearest = await books.search(
                    db,
                    title_prefix=prefix,
                    hall=hall,
                    max_price_eur=limit,
                    max_rows=9,
                    order_by="dearest",
                )
                assert dearest == sorted(
                    fitting, key=lambda book: (-(book.price_eur or Decimal(-1)), book.id)
                )
    for wrong in ("cheapest", "", None, ["title"]):
        try:
            await books.search(db, max_rows=1, order_by=cast("Any", wrong))
        except ValueError as refusal:
            assert "dearest" in str(refusal)
        else:
            raise AssertionError(wrong)


async def lend(db: Database, book: Book, member: Member) -> None:
    """A book that is out has a loan; once it is back there is none, as a whole."""
    shelved = await books.get_with_loan(db, id=book.id)
    assert shelved is not None
    assert shelved.loan is None
    made = await loans.insert(
        db, book_id=book.id, member_id=member.id, state="lent", period=Range(MAY)
    )
    assert (made.state, made.period) == ("lent", Range(MAY, None))
    out = await books.get_with_loan(db, id=book.id)
    assert out is not None
    assert out.loan == BookWithLoanLoan(id=made.id, period=Range(MAY), member_name=member.name)
    try:
        await loans.insert(
            db, book_id=book.id, member_id=member.id, state="lent", period=Range(MAY, JUNE)
        )
    except DataError as refusal:
        assert refusal.sqlstate == "23505"
    else:
        raise AssertionError("lent twice")
    assert await loans.update_state(db, id=made.id, state="returned") == 1
    assert await loans.update_state(db, id=-1, state="returned") == 0
    back = await books.get_with_loan(db, id=book.id)
    assert back is not None
    assert back.loan is None
    assert await books.get_with_loan(db, id=-1) is None
    (listed,) = await loans.list_by_member(db, member_id=member.id, max_rows=10)
    assert listed.history == [PastLoan(book_id=book.id, state="returned", since=MAY)]
    assert listed.states == ["returned"]
    fines = await loans.sum_fines(db, member_id=member.id)
    assert (fines, type(fines)) == (Decimal(0), Decimal)


async def at_once(db: Database, made: list[Book], member: Member) -> None:
    """Calls that become one statement give what each gives alone."""
    lent = [
        await loans.insert(
            db, book_id=book.id, member_id=member.id, state="requested", period=Range(JUNE)
        )
        for book in made
    ]
    moved = await asyncio.gather(
        *(loans.update_state(db, id=loan.id, state="lent") for loan in lent),
        loans.update_state(db, id=-1, state="lent"),
    )
    assert moved == [1, 1, 1, 1, 0]
    found = await asyncio.gather(
        *(members.get(db, id=number) for number in (member.id, -1, member.id, member.id))
    )
    assert found == [member, None, member, member]
    second = await loans.insert(
        db, book_id=made[2].id, member_id=member.id, state="requested", period=Range(JUNE)
    )
    back = [loans.update_state(db, id=loan.id, state="returned") for loan in lent[:2]]
    results = await asyncio.gather(
        *back, loans.update_state(db, id=second.id, state="lent"), return_exceptions=True
    )
    assert results[:2] == [1, 1]
    # The other copy is out already, and that is told to whoever lent it alone.
    assert isinstance(results[2], DataError)
    updated = await loans.update_states(db, id=[-1, lent[3].id], state=["lent", "returned"])
    assert [(row.ordinal, row.affected) for row in updated] == [(2, 1)]


async def stream(db: Database, made: list[Book]) -> None:
    assert [book async for book in books.stream_all(db)] == made
    async with aclosing(books.stream_all(db)) as stream:
        async for book in stream:
            assert book == made[0]
            break
    # Its connection is free again: there is only this one.
    assert await books.count(db) == len(made)


async def wait_in_vain(db: Database, other: Database, member: Member) -> None:
    """What `-- @timeout 2s` says, while another connection holds the table."""
    async with other.connection() as connection, connection.transaction():
        await connection.execute("LOCK TABLE public.loans IN ACCESS EXCLUSIVE MODE")
        try:
            await loans.list_by_member(db, member_id=member.id, max_rows=10)
        except TimeoutExpired as refusal:
            assert "loans.list_by_member" in str(refusal)
        else:
            raise AssertionError("a locked table was read")
    assert len(await loans.list_by_member(db, member_id=member.id, max_rows=10)) == 1


async def main() -> None:
    target = resolve_target(None, project=PROJECT.name)
    async with (
        Database.connect(target, project=PROJECT, max_size=1) as db,
        Database.connect(target, project=PROJECT, max_size=1) as other,
    ):
        made = await add_books(db)
        ann, bob = await add_members(db)
        await search(db, made)
        await lend(db, made[0], ann)
        assert await loans.list_by_member(db, member_id=bob.id, max_rows=10) == []
        await stream(db, made)
        await at_once(db, made, bob)
        await wait_in_vain(db, other, ann)
    print("everything came back as it should")


if __name__ == "__main__":
    asyncio.run(main())
