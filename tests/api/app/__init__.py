"""An API over whaledb: people's alerts and profiles, and what everybody signed in may read.

`uvicorn --factory tests.api.app:create_app`, or `python -m tests.api.app`.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

import whaledb
from tests.api.app import limits, openapi, problems
from tests.api.app.routes import ROUTERS
from tests.api.app.settings import Settings
from typedsql.settings import ConnectionTarget

__all__ = ["create_app"]


def create_app(
    settings: Settings | None = None, *, target: ConnectionTarget | None = None
) -> FastAPI:
    """The application; `settings` and `target` are those of the environment if not given.

    It opens one pool of connections when it starts, and closes it once its last request has
    been answered. It does not start where the database is not there or not migrated.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, Any], None]:
        async with whaledb.connect(target, application_name="whale-tracker-api") as db:
            yield {"db": db}

    app = FastAPI(
        title="Whale Tracker",
        version="1",
        lifespan=lifespan,
        # No pages that load scripts from elsewhere; the document itself is enough.
        docs_url=None,
        redoc_url=None,
        # A path is right or it is not found.
        redirect_slashes=False,
        # An operation is named by its function: clients are generated with these names.
        generate_unique_id_function=lambda route: route.name,
    )
    # What the environment lacks is told now, and not by the first request.
    app.state.settings = settings or Settings()
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(limits.Limits)
    openapi.install(app)
    return app
