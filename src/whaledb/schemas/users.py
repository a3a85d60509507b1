"""Profiles of accounts. The account's id comes from its token, never from a request."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from whaledb import documents, rows
from whaledb.documents import NotificationChannel
from whaledb.schemas.models import Create, Request, Response, Update
from whaledb.schemas.values import (
    DisplayName,
    DocumentChainId,
    EtherThreshold,
    StoredMoment,
    Unchanged,
)


def _each_once(channels: tuple[NotificationChannel, ...]) -> tuple[NotificationChannel, ...]:
    if len(set(channels)) < len(channels):
        raise PydanticCustomError("repeated", "Input should have each of its elements once")
    return channels


Currency = Annotated[str, Field(pattern=r"^[A-Z0-9]{3,10}$")]
TimeZone = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*$",
        max_length=documents.MAX_TIME_ZONE_LENGTH,
    ),
]
Channels = Annotated[
    tuple[NotificationChannel, ...],
    Field(strict=False, max_length=3, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_each_once),
]


class Preferences(Request):
    """What an account chose, or the default where it did not choose."""

    quote_currency: Currency = "USD"
    time_zone: TimeZone = "UTC"
    min_value_eth: EtherThreshold | None = None
    chain_id: DocumentChainId | None = None
    notify_by: Channels = ()

    def struct(self) -> documents.Preferences:
        """What `users.preferences` holds."""
        return msgspec.convert(self, type=documents.Preferences, from_attributes=True)


class PreferencesUpdate(Request):
    """What an account chooses anew; null goes back to the default."""

    quote_currency: Currency | None = None
    time_zone: TimeZone | None = None
    min_value_eth: EtherThreshold | None = None
    chain_id: DocumentChainId | None = None
    notify_by: Channels | None = None

    def applied_to(self, stored: documents.Preferences) -> documents.Preferences:
        """The stored preferences with what was given here in them."""
        default = documents.Preferences()
        chosen = {name: getattr(self, name) for name in self.model_fields_set}
        return msgspec.structs.replace(
            stored,
            **{
                name: getattr(default, name) if value is None else value
                for name, value in chosen.items()
            },
        )


class UserCreate(Create):
    """A profile to be stored by `users.insert` or `merge`, beside the id of the account."""

    display_name: DisplayName | None = None
    preferences: Preferences = Field(default_factory=Preferences)

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `users.insert` and `users.merge` beside id."""
        return {"display_name": self.display_name, "preferences": self.preferences.struct()}


class UserUpdate(Update):
    """What an account changes of its profile, for `users.merge` beside the id."""

    display_name: DisplayName | None = None
    """Null takes the name back."""
    preferences: Unchanged[PreferencesUpdate] = None
    """Members that are absent stay as they are."""

    def arguments(self, stored: rows.User) -> dict[str, Any]:
        """Keyword arguments of `users.merge`."""
        arguments = self.applied_to(stored, "id", "display_name", "preferences")
        if self.preferences is not None:
            arguments["preferences"] = self.preferences.applied_to(stored.preferences)
        return arguments


class UserRead(Response):
    """A profile as it is stored."""

    id: UUID
    display_name: str | None
    preferences: Preferences
    created_at: StoredMoment
    updated_at: StoredMoment
