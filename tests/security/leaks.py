"""Requests of many users at once, under faults: nobody sees or writes what is another's.

Each person's alerts carry a number of that person's, so what comes back says whose it is, and
at the end the table says who wrote it. Callers are cancelled, backends are ended and statements
cancelled at random moments. What has to hold: no row of another, no identity where none was
asked for, at the end none in any session of the server, and no complaint of a name that only
another session has (26000, 42P05, 34000, 42P03, 3B001). tests/security/session_leaks.py is the
control.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple
from uuid import UUID

from tests.security.traffic import (
    CONNECTIONS,
    HURRY_S,
    PATIENCE_S,
    Stopped,
    Traffic,
    send,
)
from tests.security.ways import Session, Way, observer, rest, who_am_i
from typedsql.database import Database, UserTransaction
from typedsql.errors import Error
from typedsql.query import Executor
from whaledb.queries import alerts, users

PEOPLE: Final = 8
ALERTS_OF_EACH: Final = 4
MANY: Final = 500
SETTLE: Final = """
WITH people AS (
    INSERT INTO auth.users (id) SELECT p.id FROM unnest($1::UUID[]) AS p (id) RETURNING id
),
profiles AS (
    INSERT INTO public.users (id) SELECT p.id FROM unnest($1::UUID[]) AS p (id)
)
INSERT INTO public.alerts (user_id, alert_type, conditions)
SELECT p.id, 'large_transfer', jsonb_build_object('min_value_eth', p.number)
FROM unnest($1::UUID[]) WITH ORDINALITY AS p (id, number)
CROSS JOIN generate_series(1, $2)
RETURNING id, user_id
"""
MISPLACED: Final = """
SELECT count(*) FROM public.alerts AS a
INNER JOIN unnest($1::UUID[]) WITH ORDINALITY AS p (id, number) ON a.user_id = p.id
WHERE a.conditions <> jsonb_build_object('min_value_eth', p.number)
"""


class Person(NamedTuple):
    id: UUID
    number: int
    """In the conditions of each of the person's alerts."""
    kept: UUID
    """An alert that nobody deletes."""


async def settle(owner: Any) -> list[Person]:
    """The people, each with an account, a profile and alerts."""
    ids = [UUID(int=number) for number in range(1, PEOPLE + 1)]
    rows = await owner.fetch(SETTLE, ids, ALERTS_OF_EACH)
    kept = {row["user_id"]: row["id"] for row in rows}
    return [Person(id, number, kept[id]) for number, id in enumerate(ids, 1)]  # noqa: A001


async def campaign(way: Way, *, seed: int, requests: int) -> Traffic:
    """Send so many requests by a way to a migrated database without anybody in it."""
    traffic = Traffic()
    deaths = way.deaths()
    async with observer(way.direct) as owner:
        people = await settle(owner)
        expected = await owner.fetchval("SHOW statement_timeout")
        async with way.connect(max_size=CONNECTIONS, gateway_max_size=CONNECTIONS) as db:
            requesting = Requests(db, people, traffic, way.target.user, expected)
            await send(requesting.send, way, traffic, seed=seed, requests=requests)
            await _come_to_rest(db, traffic)
            for session in await way.sessions(db):
                requesting.expect_nobody(session, "in a session at the end", any_login=True)
        misplaced = await owner.fetchval(MISPLACED, [person.id for person in people])
        traffic.leaks["written in another's name"] += misplaced
    traffic.leaks = +traffic.leaks
    traffic.close(deaths=way.deaths() - deaths)
    return traffic


async def _come_to_rest(db: Database, traffic: Traffic) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await db.drain()
            while any(  # noqa: ASYNC110 - the pool has no event for it
                pool.statistics().in_use or pool.statistics().waiting for pool in db._pools()
            ):
                await asyncio.sleep(0.01)
    except TimeoutError:
        traffic.wrong["connections that did not come back"] += 1


Act = Callable[["Requests", UserTransaction, Person, Person], Awaitable[None]]


class Requests:
    """What people ask of the library, and the library's own work between."""

    def __init__(
        self,
        db: Database,
        people: list[Person],
        traffic: Traffic,
        login: str,
        statement_timeout: str,
    ) -> None:
        self._db = db
        self._people = people
        self._traffic = traffic
        self._login = login
        self._statement_timeout = statement_timeout

    async def send(self, chance: random.Random) -> None:
        """One request, chosen by chance."""
        person, other = chance.sample(self._people, 2)
        if chance.random() < 0.65:
            await self._in_the_name_of(person, other, chance)
        else:
            await chance.choice(WORK)(self, person)

    def expect_nobody(self, session: Session, where: str, *, any_login: bool = False) -> None:
        """Count it as a leak unless the session is as it was opened."""
        if session.has_identity() or (session.role != self._login and not any_login):
            self._leak(f"an identity {where}")
        if session.role in ("authenticated", "anon"):
            self._leak(f"a role {where}")
        if session.statement_timeout != self._statement_timeout:
            self._leak(f"a limit {where}")

    async def _in_the_name_of(self, person: Person, other: Person, chance: random.Random) -> None:
        readonly, is_slow = chance.random() < 0.2, chance.random() < 0.06
        limit_s = HURRY_S if is_slow else 15.0
        async with self._db.as_user(
            person.id, readonly=readonly, statement_timeout_s=limit_s
        ) as tx:
            await self._expect(tx, person)
            for act in chance.choices(READS if readonly else ACTS, k=chance.randint(1, 3)):
                await act(self, tx, person, other)
            if is_slow:
                await rest.run(tx, 30.0)
            if chance.random() < 0.1:
                raise Stopped
            await self._expect(tx, person)

    async def _expect(self, tx: Executor, person: Person) -> None:
        session = await who_am_i.run(tx)
        if session.role != "authenticated" or session.user_id != person.id:
            self._leak("an identity in a user's name that is another")

    def _leak(self, what: str) -> None:
        self._traffic.leaks[what] += 1

    def _of(self, person: Person, rows: list[Any]) -> None:
        """They are all the person's, and the one that is never deleted is among them."""
        for row in rows:
            if row.user_id != person.id or row.conditions != _conditions(person):
                self._leak("a row of another")
        if person.kept not in {row.id for row in rows}:
            self._traffic.wrong["a row of one's own that is not there"] += 1

    # In a user's name.

    async def _read_mine(self, tx: UserTransaction, me: Person, other: Person) -> None:
        self._of(me, await alerts.list_mine(tx, max_rows=MANY))

    async def _read_all(self, tx: UserTransaction, me: Person, other: Person) -> None:
        self._of(me, [row async for row in alerts.stream_enabled(tx)])
        if [row.id async for row in users.stream_all(tx)] != [me.id]:
            self._leak("a profile of another")

    async def _read_others(self, tx: UserTransaction, me: Person, other: Person) -> None:
        found = [
            await alerts.get(tx, id=other.kept),
            await users.get(tx, id=other.id),
            *await alerts.list_by_user(tx, user_id=other.id, max_rows=MANY),
        ]
        if any(row is not None for row in found):
            self._leak("a row of another")

    async def _add(self, tx: UserTransaction, me: Person, other: Person) -> None:
        row = await alerts.insert_mine(tx, **_alert(me))
        if row.user_id != me.id:
            self._leak("a row written for another")

    async def _change_mine(self, tx: UserTransaction, me: Person, other: Person) -> None:
        for row in await alerts.list_mine(tx, max_rows=3):
            if await alerts.update(tx, id=row.id, **_alert(me)) > 1:
                self._leak("a row of another that was changed")

    async def _change_others(self, tx: UserTransaction, me: Person, other: Person) -> None:
        changed = await alerts.update(tx, id=other.kept, **_alert(me))
        changed += await alerts.update_enabled(tx, id=other.kept, enabled=False)
        if changed or await alerts.delete(tx, id=other.kept):
            self._leak("a row of another that was changed")

    async def _delete_mine(self, tx: UserTransaction, me: Person, other: Person) -> None:
        rows = [row for row in await alerts.list_mine(tx, max_rows=MANY) if row.id != me.kept]
        for row in rows[ALERTS_OF_EACH:]:
            await alerts.delete(tx, id=row.id)

    async def _add_for_another(self, tx: UserTransaction, me: Person, other: Person) -> None:
        await alerts.insert(tx, user_id=other.id, **_alert(me))
        self._leak("a row written for another")

    async def _try_for_another(self, tx: UserTransaction, me: Person, other: Person) -> None:
        with suppress(Error):
            async with tx.transaction() as savepoint:
                await self._add_for_another(savepoint, me, other)

    # The library's own work, in nobody's name.

    async def _look(self, person: Person) -> None:
        self.expect_nobody(await who_am_i.run(self._db), "outside of a user's name")

    async def _look_in_transactions(self, person: Person) -> None:
        for begin in (self._db.transaction, self._db.bulk_transaction):
            async with begin() as tx:
                self.expect_nobody(await who_am_i.run(tx), "outside of a user's name")
                self._of(person, await alerts.list_by_user(tx, user_id=person.id, max_rows=MANY))

    async def _look_again(self, person: Person) -> None:
        async def work(tx: Executor) -> Session:
            await alerts.insert(tx, user_id=person.id, **_alert(person))
            return await who_am_i.run(tx)

        session = await self._db.run_transaction(work)
        self.expect_nobody(session, "outside of a user's name")

    async def _read_coalesced(self, person: Person) -> None:
        found = await asyncio.gather(*(users.get(self._db, id=each.id) for each in self._people))
        if [row and row.id for row in found] != [each.id for each in self._people]:
            self._leak("an identity outside of a user's name")

    async def _stream(self, person: Person) -> None:
        rows = [row async for row in alerts.stream_enabled(self._db)]
        if not {each.kept for each in self._people} <= {row.id for row in rows}:
            self._leak("an identity outside of a user's name")

    async def _fail(self, person: Person) -> None:
        await users.insert(self._db, id=person.id, display_name=None, preferences={})

    async def _as_a_visitor(self, person: Person) -> None:
        async with self._db.as_user(None, role="anon", readonly=True) as tx:
            session = await who_am_i.run(tx)
            if session.role != "anon" or session.user_id is not None:
                self._leak("an identity of a visitor")
            await alerts.list_mine(tx, max_rows=MANY)
            self._leak("what a visitor may not read")


READS: Final[tuple[Act, ...]] = (
    Requests._read_mine,
    Requests._read_all,
    Requests._read_others,
)
ACTS: Final[tuple[Act, ...]] = (
    *READS,
    Requests._add,
    Requests._change_mine,
    Requests._change_others,
    Requests._delete_mine,
    Requests._add_for_another,
    Requests._try_for_another,
)
WORK: Final[tuple[Callable[[Requests, Person], Awaitable[None]], ...]] = (
    Requests._look,
    Requests._look_in_transactions,
    Requests._look_again,
    Requests._read_coalesced,
    Requests._stream,
    Requests._fail,
    Requests._as_a_visitor,
)


def _conditions(person: Person) -> dict[str, Any]:
    return {"min_value_eth": person.number}


def _alert(person: Person) -> dict[str, Any]:
    return {
        "alert_type": "large_transfer",
        "conditions": _conditions(person),
        "enabled": True,
    }
