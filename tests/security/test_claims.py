"""Claims that say nothing, or nothing that can be read: whoever sets them sees no row.

as_user makes none of these; another program on the same database may.
"""

import asyncpg
import pytest

from tests.security import attempts
from tests.security.attempts import claim
from tests.security.people import ALICE, BOB
from typedsql.database import Database
from typedsql.errors import DataError, IdentityRefused
from typedsql.query import Executor
from whaledb.queries import alerts, users


async def rows(db: Executor) -> int:
    """How many alerts, profiles and events of anybody are to be seen."""
    return (
        len(await alerts.list_enabled(db, max_rows=10))
        + await users.count(db)
        + int(await attempts.value(db, "SELECT count(*) FROM public.alert_events"))
    )


@pytest.mark.case(6)
@pytest.mark.parametrize("claims", ["{}", "", '{"sub": null}', '{"role": "authenticated"}', None])
async def test_claims_without_a_user_show_nothing(app: Database, claims: str | None) -> None:
    async with app.transaction() as tx:
        await claim(tx, claims)
        assert await rows(tx) == 0


@pytest.mark.case(6)
async def test_claims_of_a_user_show_what_is_the_users(
    app: Database, owner: asyncpg.Connection
) -> None:
    """The control of both: well-formed claims show one row of each, no role at all shows two."""
    async with app.transaction() as tx:
        await claim(tx, f'{{"sub": "{ALICE}"}}')
        assert await rows(tx) == 3
    async with app.transaction() as tx:
        await attempts.fetch(tx, "SELECT set_config('request.jwt.claims', '{}', TRUE)")
        assert await rows(tx) == 6


@pytest.mark.case(6)
@pytest.mark.case(7)
@pytest.mark.parametrize("user", [None, "", str(ALICE), "{}", 1])
async def test_as_user_takes_no_user_that_is_no_uuid(app: Database, user: object) -> None:
    with pytest.raises(IdentityRefused):
        async with app.as_user(user):  # type: ignore[arg-type]
            pass
    async with app.as_user(ALICE) as tx:
        assert await rows(tx) == 3


@pytest.mark.case(7)
@pytest.mark.parametrize(
    "claims",
    [
        "{",
        "[1",
        '"',
        '{"sub": "nobody"}',
        '{"sub": ""}',
        '{"sub": 1}',
        '{"sub": ["' + str(ALICE) + '"]}',
        '{"sub": "' + str(ALICE) + "' OR TRUE\"}",
    ],
)
async def test_malformed_claims_are_an_error(app: Database, claims: str) -> None:
    with pytest.raises(DataError) as refusal:
        async with app.transaction() as tx:
            await claim(tx, claims)
            await alerts.list_enabled(tx, max_rows=10)
    assert refusal.value.sqlstate == "22P02"
    # The control: the error is the policy's, which reads them; the owner's read never does.
    async with app.transaction() as tx:
        await attempts.fetch(tx, "SELECT set_config('request.jwt.claims', $1, TRUE)", claims)
        assert len(await alerts.list_enabled(tx, max_rows=10)) == 2


@pytest.mark.case(7)
async def test_further_claims_do_not_say_again_who_one_is(app: Database) -> None:
    for claims in ({"sub": str(BOB)}, {"role": "service_role"}, {"nested": object()}):
        with pytest.raises(IdentityRefused):
            async with app.as_user(ALICE, claims=claims):
                pass
    async with app.as_user(ALICE, claims={"email": "alice@example.com"}) as tx:
        assert await attempts.value(tx, "SELECT auth.jwt() ->> 'email'") == "alice@example.com"
        assert await rows(tx) == 3
