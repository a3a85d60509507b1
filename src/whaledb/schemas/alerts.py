"""Alerts: what an account wants to be told, its conditions chosen by alert_type."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, cast, get_args
from uuid import UUID

import msgspec
from pydantic import ConfigDict, Discriminator, Tag, TypeAdapter

from whaledb import documents, rows
from whaledb.documents import JSONObject, TimeFrame
from whaledb.schemas.models import Request, Response, Update
from whaledb.schemas.values import (
    Address,
    Confidence,
    DocumentChainId,
    EtherThreshold,
    Exchange,
    PatternType,
    Price,
    StoredMoment,
    Symbol,
    Unchanged,
)


class Conditions(Request):
    """Conditions of an alert, in requests and responses alike.

    The Struct of `whaledb.documents` has the same members and no limits; those of the database
    are here.
    """

    struct: ClassVar[type[documents.AlertConditions]]

    def document(self) -> JSONObject:
        """What `alerts.conditions` holds; members at their default are left out."""
        conditions = msgspec.convert(self, type=self.struct, from_attributes=True)
        document: JSONObject = msgspec.to_builtins(conditions, builtin_types=(Decimal,))
        # The type is a column of its own.
        del document[documents.ALERT_TYPE]
        return document


class LargeTransferConditions(Conditions):
    """Any transfer of at least a value."""

    struct = documents.LargeTransfer

    min_value_eth: EtherThreshold
    chain_id: DocumentChainId | None = None


class AddressActivityConditions(Conditions):
    """Transfers of one address."""

    struct = documents.AddressActivity

    address: Address
    direction: Literal["from", "to", "any"] = "any"
    min_value_eth: EtherThreshold | None = None
    chain_id: DocumentChainId | None = None


class PriceLevelConditions(Conditions):
    """A price that crosses a level of a chart."""

    struct = documents.PriceLevel

    exchange: Exchange
    symbol: Symbol
    interval: TimeFrame
    direction: Literal["above", "below"]
    price: Price


class PatternConditions(Conditions):
    """A new active pattern of an instrument."""

    struct = documents.Pattern

    symbol: Symbol
    exchange: Exchange | None = None
    pattern_type: PatternType | None = None
    time_frame: TimeFrame | None = None
    min_confidence: Confidence | None = None


_COLUMNS: Final = ("alert_type", "conditions", "enabled")


class _Create(Request):
    enabled: bool = True

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `alerts.insert_mine`, and of `alerts.insert` beside user_id."""
        arguments = {name: getattr(self, name) for name in _COLUMNS}
        return arguments | _document_of(arguments["conditions"])


class LargeTransferAlertCreate(_Create):
    """An alert on any transfer of at least a value."""

    alert_type: Literal["large_transfer"]
    conditions: LargeTransferConditions


class AddressActivityAlertCreate(_Create):
    """An alert on transfers of one address."""

    alert_type: Literal["address_activity"]
    conditions: AddressActivityConditions


class PriceLevelAlertCreate(_Create):
    """An alert on a price that crosses a level."""

    alert_type: Literal["price_level"]
    conditions: PriceLevelConditions


class PatternAlertCreate(_Create):
    """An alert on a new pattern."""

    alert_type: Literal["pattern"]
    conditions: PatternConditions


class _Update(Update):
    enabled: Unchanged[bool] = None

    def arguments(self, stored: rows.Alert) -> dict[str, Any]:
        """Keyword arguments of `alerts.update`."""
        arguments = self.applied_to(stored, "id", *_COLUMNS)
        return arguments | _document_of(arguments["conditions"])


class AlertSwitch(_Update):
    """Pauses or resumes an alert, or changes nothing; conditions stay as they are."""


class LargeTransferAlertUpdate(_Update):
    """New conditions, of the same type or another."""

    alert_type: Literal["large_transfer"]
    conditions: LargeTransferConditions


class AddressActivityAlertUpdate(_Update):
    """New conditions, of the same type or another."""

    alert_type: Literal["address_activity"]
    conditions: AddressActivityConditions


class PriceLevelAlertUpdate(_Update):
    """New conditions, of the same type or another."""

    alert_type: Literal["price_level"]
    conditions: PriceLevelConditions


class PatternAlertUpdate(_Update):
    """New conditions, of the same type or another."""

    alert_type: Literal["pattern"]
    conditions: PatternConditions


def _document_of(conditions: Conditions | JSONObject) -> dict[str, JSONObject]:
    written = conditions.document() if isinstance(conditions, Conditions) else conditions
    return {"conditions": written}


class _Read(Response):
    id: UUID
    user_id: UUID
    enabled: bool
    created_at: StoredMoment
    updated_at: StoredMoment


class LargeTransferAlertRead(_Read):
    """An alert as it is stored."""

    alert_type: Literal["large_transfer"]
    conditions: LargeTransferConditions


class AddressActivityAlertRead(_Read):
    """An alert as it is stored."""

    alert_type: Literal["address_activity"]
    conditions: AddressActivityConditions


class PriceLevelAlertRead(_Read):
    """An alert as it is stored."""

    alert_type: Literal["price_level"]
    conditions: PriceLevelConditions


class PatternAlertRead(_Read):
    """An alert as it is stored."""

    alert_type: Literal["pattern"]
    conditions: PatternConditions


ALERT_TYPES: Final = frozenset(get_args(rows.AlertAlertType))

_TYPE_UNKNOWN: Final = "alert_type_unknown"
_TYPES: Final = (
    "Input should be 'large_transfer', 'address_activity', 'price_level' or 'pattern', beside"
    " its conditions"
)
_SWITCH: Final = "switch"
UNION_TAGS: Final = ALERT_TYPES | {_SWITCH}
"""What the place of an error has in it beside the names of members."""


def _type_of(value: object) -> str | None:
    """pydantic's own discriminator would say in its message what was sent instead."""
    if isinstance(value, Mapping):
        chosen = cast("Mapping[str, object]", value).get(documents.ALERT_TYPE)
    else:
        chosen = getattr(value, documents.ALERT_TYPE, None)
    return chosen if isinstance(chosen, str) and chosen in ALERT_TYPES else None


def _type_of_update(value: Any) -> str | None:
    if isinstance(value, AlertSwitch):
        return _SWITCH
    # Without a type conditions cannot be told, so they are refused as if it were unknown.
    if isinstance(value, Mapping) and documents.ALERT_TYPE not in value:
        return None if "conditions" in value else _SWITCH
    return _type_of(cast("object", value))


_BY_TYPE: Final = Discriminator(
    _type_of, custom_error_type=_TYPE_UNKNOWN, custom_error_message=_TYPES
)

AlertCreate: TypeAlias = Annotated[
    Annotated[LargeTransferAlertCreate, Tag("large_transfer")]
    | Annotated[AddressActivityAlertCreate, Tag("address_activity")]
    | Annotated[PriceLevelAlertCreate, Tag("price_level")]
    | Annotated[PatternAlertCreate, Tag("pattern")],
    _BY_TYPE,
]
"""An alert to be stored, `{"alert_type": ..., "conditions": {...}, "enabled": true}`."""
AlertUpdate: TypeAlias = Annotated[
    Annotated[AlertSwitch, Tag(_SWITCH)]
    | Annotated[LargeTransferAlertUpdate, Tag("large_transfer")]
    | Annotated[AddressActivityAlertUpdate, Tag("address_activity")]
    | Annotated[PriceLevelAlertUpdate, Tag("price_level")]
    | Annotated[PatternAlertUpdate, Tag("pattern")],
    Discriminator(_type_of_update, custom_error_type=_TYPE_UNKNOWN, custom_error_message=_TYPES),
]
"""What to change of an alert: conditions come with their alert_type, or neither of them."""
AlertRead: TypeAlias = Annotated[
    Annotated[LargeTransferAlertRead, Tag("large_transfer")]
    | Annotated[AddressActivityAlertRead, Tag("address_activity")]
    | Annotated[PriceLevelAlertRead, Tag("price_level")]
    | Annotated[PatternAlertRead, Tag("pattern")],
    _BY_TYPE,
]
"""An alert as it is stored."""

_CONFIG: Final = ConfigDict(hide_input_in_errors=True)

ALERT_CREATE: Final[TypeAdapter[AlertCreate]] = TypeAdapter(AlertCreate, config=_CONFIG)
ALERT_UPDATE: Final[TypeAdapter[AlertUpdate]] = TypeAdapter(AlertUpdate, config=_CONFIG)
ALERT_READ: Final[TypeAdapter[AlertRead]] = TypeAdapter(AlertRead, config=_CONFIG)
"""What reads a row of alerts: `ALERT_READ.validate_python(row, from_attributes=True)`."""
