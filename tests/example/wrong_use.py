"""Calls that are wrong: type checkers must refuse each marked line, and no other."""

from datetime import datetime
from decimal import Decimal

from lending.queries import books, loans, members
from lending.rows import PostalAddress

from typedsql.database import Database
from typedsql.values import Range


async def wrong(db: Database) -> None:
    await books.search(db, max_rows=1, order_by="cheapest")  # WRONG: no such ordering
    await books.search(db, max_rows=1, hall="east")  # WRONG: no such hall
    await books.search(db, max_rows=1, max_price_eur=1.5)  # WRONG: float
    await books.search(db, "E", max_rows=1)  # WRONG: positional
    await books.search(db)  # WRONG: no max_rows
    found = await books.get_with_loan(db, id=1)
    print(found.title)  # WRONG: it may be None
    if found is not None:
        print(found.loan.member_name)  # WRONG: it may be on the shelf
        if found.loan is not None:
            print(found.loan.member_name.upper(), found.loan.period.lower)
            found.loan.id = 2  # WRONG: rows are frozen
    number: int = await books.count(db)
    print(number)
    for book in await books.search(db, max_rows=1):
        print(book.price_eur + Decimal(1))  # WRONG: it may be unknown
        print(book.tags[0].upper())  # WRONG: an element may be NULL
    await loans.update_state(db, id=1, state="lost")  # WRONG: no such state
    period = Range(datetime.min)
    await loans.insert(db, book_id=1, member_id=1, state=None, period=period)  # WRONG: None
    await loans.insert(db, book_id=1, member_id=1, state="lent", period=(1, 2))  # WRONG: tuple
    for row in await loans.list_by_member(db, member_id=1, max_rows=1):
        print(row.history[0].nothing)  # WRONG: no such field
    member = await members.get(db, id=1)
    if member is not None:
        print(member.preferences.language, member.home)
        print(member.home.street)  # WRONG: it may be None
        print(PostalAddress(street="a", postcode="b").street.upper())  # WRONG: NULL inside
    async for streamed in books.stream_all(db):
        print(streamed.id + "1")  # WRONG: int and str
    await books.stream_all(db)  # WRONG: not to be awaited
