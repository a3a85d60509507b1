"""What people do with their own rows, and what they cannot do with those of others."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.api.app import create_app
from tests.api.conftest import Api
from tests.api.people import ALERTS
from tests.api.serving import served
from tests.api.tokens import SETTINGS
from tests.api.walking import walk
from typedsql.database import Database, Transaction

ALERT = {"alert_type": "large_transfer", "conditions": {"min_value_eth": "1000.000000000000000001"}}
BY_CHART = {
    "alert_type": "price_level",
    "conditions": {
        "exchange": "kraken",
        "symbol": "ETH/USD",
        "interval": "1h",
        "direction": "above",
        "price": "2500.5",
    },
    "enabled": False,
}


async def test_an_alert_from_its_making_to_its_end(newcomer: httpx.AsyncClient) -> None:
    made = await newcomer.post("/alerts", json=ALERT)
    assert made.status_code == 201
    alert = made.json()
    assert alert["conditions"]["min_value_eth"] == "1000.000000000000000001"
    assert alert["enabled"] is True

    path = made.headers["location"]
    assert (await newcomer.get(path)).json() == alert
    paused = await newcomer.patch(path, json={"enabled": False})
    assert paused.json()["enabled"] is False
    written = await newcomer.put(path, json=BY_CHART)
    assert written.status_code == 200
    assert written.json()["conditions"]["price"] == "2500.5"
    assert written.json()["id"] == alert["id"]
    # Once more is no error: it says so already.
    assert (await newcomer.put(path, json=BY_CHART)).json() == written.json()

    gone = await newcomer.delete(path)
    assert (gone.status_code, gone.content) == (204, b"")
    for answer in (
        await newcomer.get(path),
        await newcomer.put(path, json=ALERT),
        await newcomer.patch(path, json={"enabled": True}),
        await newcomer.delete(path),
    ):
        assert answer.status_code == 404
        assert answer.json()["type"] == "urn:whale-tracker:problem:not-found"


async def test_a_profile_is_made_and_written(newcomer: httpx.AsyncClient) -> None:
    assert (await newcomer.get("/profile")).status_code == 404
    wanted = {"display_name": "Ada", "preferences": {"quote_currency": "CHF"}}
    for profile in (wanted, wanted | {"display_name": None}):
        written = await newcomer.put("/profile", json=profile)
        assert written.status_code == 200
        assert written.json()["display_name"] == profile["display_name"]
        assert written.json()["preferences"]["quote_currency"] == "CHF"
        assert (await newcomer.get("/profile")).json() == written.json()


@pytest.mark.parametrize("page_rows", [1, 2, ALERTS, ALERTS + 1])
async def test_pages_have_each_own_row_once(
    api: Api, me: httpx.AsyncClient, page_rows: int
) -> None:
    async with api.connection() as connection:
        # Of one moment, so that the id alone tells them apart.
        await connection.execute("UPDATE public.alerts SET created_at = now()")
    alerts = await walk(me, "/alerts", page_rows=page_rows)
    assert sorted(each["id"] for each in alerts) == sorted(map(str, api.people.asking.alerts))
    events = await walk(me, "/alert-events", page_rows=page_rows)
    assert sorted(each["id"] for each in events) == sorted(map(str, api.people.asking.events))


async def test_another_persons_cursor_shows_own_rows(api: Api, me: httpx.AsyncClient) -> None:
    async with api.client(api.people.other.id) as other:
        theirs = (await other.get("/alerts", params={"page_rows": 1})).json()
    answer = await me.get("/alerts", params={"cursor": theirs["next_cursor"]})
    assert answer.status_code == 200
    own = {str(each) for each in api.people.asking.alerts}
    assert {each["id"] for each in answer.json()["items"]} <= own


async def _reach(api: Api, client: httpx.AsyncClient) -> list[int]:
    """The statuses of everything that one can try with an alert and an event of the other."""
    alert, event = api.people.other.alerts[0], api.people.other.events[0]
    return [
        answer.status_code
        for answer in (
            await client.get(f"/alerts/{alert}"),
            await client.get(f"/alert-events/{event}"),
            await client.put(f"/alerts/{alert}", json=ALERT),
            await client.patch(f"/alerts/{alert}", json={"enabled": False}),
            await client.delete(f"/alerts/{alert}"),
        )
    ]


async def _rows_of(api: Api, user: UUID) -> list[Any]:
    async with api.connection() as connection:
        return await connection.fetch(
            "SELECT a.*, e.id AS event_id FROM public.alerts AS a"
            " LEFT JOIN public.alert_events AS e ON e.alert_id = a.id"
            " WHERE a.user_id = $1 ORDER BY a.id",
            user,
        )


async def test_rows_of_others_are_not_there(api: Api, me: httpx.AsyncClient) -> None:
    before = await _rows_of(api, api.people.other.id)
    assert await _reach(api, me) == [404, 404, 404, 404, 404]
    assert await _rows_of(api, api.people.other.id) == before


async def test_an_owner_is_not_taken_from_a_body(
    api: Api, newcomer: httpx.AsyncClient, me: httpx.AsyncClient
) -> None:
    other = str(api.people.other.id)
    for answer in (
        await newcomer.post("/alerts", json=ALERT | {"user_id": other}),
        await newcomer.put("/profile", json={"display_name": "Eve", "id": other}),
    ):
        assert answer.status_code == 422
        assert other not in answer.text


async def test_a_token_outlives_its_account(api: Api) -> None:
    async with api.client(uuid4()) as gone:
        assert (await gone.get("/alerts")).json()["items"] == []
        for answer in (
            await gone.post("/alerts", json=ALERT),
            await gone.put("/profile", json={"display_name": "Ghost"}),
        ):
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_without_as_user_they_are(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the same routes in the name of the login see and change every row."""

    @asynccontextmanager
    async def in_the_logins_name(
        db: Database, user: UUID, *, readonly: bool = False
    ) -> AsyncGenerator[Transaction, None]:
        async with db.transaction(readonly=readonly) as tx:
            yield tx

    monkeypatch.setattr(Database, "as_user", in_the_logins_name)
    with served(create_app(SETTINGS, target=api.target)) as url:
        unprotected = Api(url, api.target, api.people)
        alert, event = api.people.other.alerts[0], api.people.other.events[0]
        async with unprotected.client(api.people.asking.id) as client:
            assert (await client.get(f"/alerts/{alert}")).json()["id"] == str(alert)
            assert (await client.get(f"/alert-events/{event}")).json()["id"] == str(event)
            written = await client.patch(f"/alerts/{alert}", json={"enabled": False})
            assert written.json()["enabled"] is False
            restored = await client.patch(f"/alerts/{alert}", json={"enabled": True})
            assert restored.status_code == 200
