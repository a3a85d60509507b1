"""The routes, a module for each thing they are about."""

from typing import Final

from tests.api.app.routes import (
    alert_events,
    alerts,
    health,
    market,
    profile,
    whale_transactions,
)

ROUTERS: Final = tuple(
    module.router for module in (health, alerts, alert_events, profile, whale_transactions, market)
)
