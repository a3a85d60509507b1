"""A person's alerts. Row level security leaves everybody else's out, and so does no code here."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel, ConfigDict

from tests.api.app.database import Db
from tests.api.app.identity import User
from tests.api.app.pages import PageQuery, answer
from tests.api.app.problems import not_found
from tests.api.app.strict_json import StrictRoute
from whaledb.queries import alerts
from whaledb.schemas import AlertCreate, AlertRead, Page
from whaledb.schemas.cursors import AlertsBefore

Alert = Annotated[AlertCreate, Body()]
"""A body: older releases of FastAPI take a union for a parameter of the query."""

router = APIRouter(prefix="/alerts", tags=["alerts"], route_class=StrictRoute)


class AlertPage(Page[AlertRead]):
    """Some alerts, and where the next ones begin."""


class Switch(BaseModel):
    """Pauses or resumes an alert."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    enabled: bool


@router.post("", status_code=HTTPStatus.CREATED, response_model=AlertRead)
async def create_alert(alert: Alert, user: User, db: Db) -> Response:
    """Add an alert."""
    async with db.as_user(user) as tx:
        made = await alerts.insert_mine(tx, **alert.arguments())
    # Behind the block: a client hears of it once it is committed.
    return answer(made, HTTPStatus.CREATED, {"Location": f"/alerts/{made.id}"})


@router.get("", response_model=AlertPage)
async def list_alerts(query: Annotated[PageQuery, Query()], user: User, db: Db) -> Response:
    """My alerts, newest first."""
    async with db.as_user(user, readonly=True) as tx:
        found = await alerts.list_mine(tx, **query.arguments(AlertsBefore))
    return query.page_of(found, AlertsBefore)


@router.get("/{alert_id}", response_model=AlertRead)
async def get_alert(alert_id: UUID, user: User, db: Db) -> Response:
    """One of my alerts."""
    async with db.as_user(user, readonly=True) as tx:
        found = await alerts.get(tx, id=alert_id)
    if found is None:
        raise not_found("alert")
    return answer(found)


@router.put("/{alert_id}", response_model=AlertRead)
async def replace_alert(alert_id: UUID, alert: Alert, user: User, db: Db) -> Response:
    """Write one of my alerts anew, as a whole."""
    async with db.as_user(user) as tx:
        await alerts.update(tx, id=alert_id, **alert.arguments())
        # update affects no row as well where the alert says so already.
        written = await alerts.get(tx, id=alert_id)
    if written is None:
        raise not_found("alert")
    return answer(written)


@router.patch("/{alert_id}", response_model=AlertRead)
async def switch_alert(alert_id: UUID, switch: Switch, user: User, db: Db) -> Response:
    """Pause or resume one of my alerts."""
    async with db.as_user(user) as tx:
        await alerts.update_enabled(tx, id=alert_id, enabled=switch.enabled)
        written = await alerts.get(tx, id=alert_id)
    if written is None:
        raise not_found("alert")
    return answer(written)


@router.delete("/{alert_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete_alert(alert_id: UUID, user: User, db: Db) -> None:
    """Remove one of my alerts, and what it fired."""
    async with db.as_user(user) as tx:
        deleted = await alerts.delete(tx, id=alert_id)
    if not deleted:
        raise not_found("alert")
