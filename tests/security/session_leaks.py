"""The control of leaks.py: the same users with SET ROLE and claims for the session.

As one would do it with the driver alone, and with care: what was set is taken back in a
`finally`, and the driver's pool resets its connections. A pooler of transactions gives the
session to another client between two statements all the same, and a caller who is cancelled
leaves it as it is.
"""

import json
import random
from typing import Any, Final

import asyncpg

from tests.security.leaks import Person, settle
from tests.security.traffic import CONNECTIONS, Traffic, send
from tests.security.ways import Way, ask, observer

CLAIM: Final = "SELECT set_config('request.jwt.claims', $1, FALSE)"
ROWS: Final = "SELECT a.user_id FROM public.alerts AS a"

FOREIGN_ROWS: Final = "a row of another"
FOREIGN_IDENTITY: Final = "an identity outside of a user's name"


async def campaign(way: Way, *, seed: int, requests: int) -> Traffic:
    """Send so many requests by a way to a migrated database without anybody in it."""
    traffic = Traffic()
    async with observer(way.direct) as owner:
        people = await settle(owner)
    async with asyncpg.create_pool(
        **way.target.asyncpg_arguments(),
        max_size=CONNECTIONS,
        min_size=1,
        # Behind a pooler there would be errors of names instead.
        statement_cache_size=0,
    ) as pool:

        async def request(chance: random.Random) -> None:
            person = chance.choice(people)
            async with pool.acquire() as connection:
                if chance.random() < 0.65:
                    await _in_the_name_of(connection, person, traffic)
                else:
                    await _in_nobodys_name(connection, traffic)

        await send(request, way, traffic, seed=seed, requests=requests, ours=False)
    return traffic


async def _in_the_name_of(connection: Any, person: Person, traffic: Traffic) -> None:
    await connection.execute("SET ROLE authenticated")
    try:
        await connection.fetchval(CLAIM, json.dumps({"sub": str(person.id)}))
        rows = await connection.fetch(ROWS)
        traffic.leaks[FOREIGN_ROWS] += sum(row["user_id"] != person.id for row in rows)
    finally:
        await connection.fetchval(CLAIM, "")
        await connection.execute("RESET ROLE")


async def _in_nobodys_name(connection: Any, traffic: Traffic) -> None:
    session = await ask(connection)
    traffic.leaks[FOREIGN_IDENTITY] += session.has_identity() or session.role == "authenticated"
