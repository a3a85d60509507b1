"""The documents in JSONB columns, and those that queries make."""

from datetime import datetime
from typing import Literal

from msgspec import Struct


class Preferences(Struct, frozen=True):
    """How a member wants to be told of things."""

    language: str = "en"
    remind_days_before: int = 3


class PastLoan(Struct, frozen=True):
    """A loan in a member's history."""

    book_id: int
    state: Literal["requested", "lent", "returned"]
    since: datetime


History = list[PastLoan]
