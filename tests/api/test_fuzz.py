"""A small part of what `python -m tests.api.fuzz` does, and that it notices what is wrong."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from fastapi import Response

from tests.api import fuzz as fuzzing
from tests.api.app import create_app
from tests.api.fuzz import Outcome, fuzz
from tests.api.people import prepare
from tests.api.tokens import SETTINGS
from typedsql.database import Database, Transaction
from typedsql.settings import ConnectionTarget
from whaledb.queries import alerts

CALLS = 150
SEED = 7


async def test_it_finds_nothing(target: ConnectionTarget) -> None:
    people = await prepare(target)
    app = create_app(SETTINGS, target=target)
    outcome = await asyncio.to_thread(fuzz, app, people, calls=CALLS, seed=SEED)
    assert outcome.is_right, outcome.lines()
    assert outcome.calls >= CALLS
    assert {200, 201, 204, 404, 422} <= outcome.statuses.keys()
    assert set(outcome.operations) == {
        f"{method.upper()} {path}"
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }


async def test_it_finds_rows_of_others_and_failures(
    target: ConnectionTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: requests run in the login's name, and one of the routes fails."""

    @asynccontextmanager
    async def in_the_logins_name(
        db: Database, user: UUID, *, readonly: bool = False
    ) -> AsyncGenerator[Transaction, None]:
        async with db.transaction(readonly=readonly) as tx:
            yield tx

    async def fails(*_: object, **__: object) -> None:
        raise RuntimeError

    people = await prepare(target)
    monkeypatch.setattr(Database, "as_user", in_the_logins_name)
    monkeypatch.setattr(alerts, "list_mine", fails)
    app = create_app(SETTINGS, target=target)

    @app.get("/teapot")
    async def teapot() -> Response:
        return Response("short and stout", 418, media_type="text/plain")

    outcome = await asyncio.to_thread(fuzz, app, people, calls=CALLS, seed=SEED)
    assert not outcome.is_right
    assert any(leak.startswith("GET /alerts/{alert_id}: 200") for leak in outcome.leaks)
    assert any(leak.startswith("GET /alert-events/{event_id}: 200") for leak in outcome.leaks)
    assert any(each.startswith("GET /teapot: 418") for each in outcome.undocumented)
    assert any(error.startswith("GET /alerts: 500") for error in outcome.server_errors)


@pytest.mark.parametrize("wrong", ["server_errors", "leaks", "undocumented"])
def test_what_is_wrong_is_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    outcome = Outcome(calls=1)

    async def campaign(calls: int, seed: int) -> Outcome:
        return outcome

    monkeypatch.setattr(fuzzing, "campaign", campaign)
    assert fuzzing.main(["--calls", "1", "--seed", "5"]) == 0
    getattr(outcome, wrong).append("GET /things: wrong")
    assert fuzzing.main(["--calls", "1", "--seed", "5"]) == 1
    printed = capsys.readouterr().out
    assert "seed: 5" in printed and "GET /things: wrong" in printed
