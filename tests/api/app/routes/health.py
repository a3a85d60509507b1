"""Whether the process lives, and whether it can serve: for whoever starts and stops it."""

import logging
from http import HTTPStatus
from typing import Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from tests.api.app.database import Db
from tests.api.app.problems import Refused
from typedsql.health import check_health

READY_TIMEOUT_S: Final = 2.0

router = APIRouter(prefix="/health", tags=["health"])
_LOGGER = logging.getLogger(__name__)


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """The database answers, and is migrated as this release needs it."""

    status: Literal["ready"] = "ready"


@router.get("/live")
async def live() -> Alive:
    """Does not ask the database: a process is not to be restarted because that is down."""
    return Alive()


@router.get("/ready")
async def ready(db: Db) -> Ready:
    """Says no more than that: why a database is not ready is in the log."""
    health = await check_health(db, timeout_s=READY_TIMEOUT_S)
    if health.status != "healthy":
        _LOGGER.error("not ready: %s", health.reason)
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "The database is not ready.")
    return Ready()
