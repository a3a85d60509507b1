"""Times as options of a command take them."""

from datetime import datetime
from typing import Annotated

import msgspec

from typedsql.cli.invocation import WrongUsage

_AWARE = Annotated[datetime, msgspec.Meta(tz=True)]


def time_of(option: str, text: str | None) -> datetime | None:
    """What an option says, None where it is not given.

    Raises:
        WrongUsage: it is no time in ISO 8601, or has no zone and could be any of many.
    """
    if text is None:
        return None
    try:
        return msgspec.convert(text, _AWARE)
    except msgspec.ValidationError:
        raise WrongUsage(
            f"{option} has to be a time with its zone, such as 2026-01-31T12:00:00Z"
        ) from None
