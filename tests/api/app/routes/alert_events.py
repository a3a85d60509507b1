"""What a person's alerts fired on."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from tests.api.app.database import Db
from tests.api.app.identity import User
from tests.api.app.pages import PageQuery, answer
from tests.api.app.problems import not_found
from whaledb.queries import alert_events
from whaledb.schemas import AlertEventRead, Page
from whaledb.schemas.cursors import AlertEventsBefore

router = APIRouter(prefix="/alert-events", tags=["alerts"])


class EventQuery(PageQuery):
    """Which events."""

    standing: bool | None = None
    """True: those that stand; false: those that were taken back; not given: both."""


@router.get("", response_model=Page[AlertEventRead])
async def list_events(query: Annotated[EventQuery, Query()], user: User, db: Db) -> Response:
    """What my alerts fired on, newest first."""
    async with db.as_user(user, readonly=True) as tx:
        found = await alert_events.list_mine(
            tx, standing=query.standing, **query.arguments(AlertEventsBefore)
        )
    return query.page_of(found, AlertEventsBefore)


@router.get("/{event_id}", response_model=AlertEventRead)
async def get_event(event_id: UUID, user: User, db: Db) -> Response:
    """One event of mine."""
    async with db.as_user(user, readonly=True) as tx:
        found = await alert_events.get(tx, id=event_id)
    if found is None:
        raise not_found("event")
    return answer(found)
