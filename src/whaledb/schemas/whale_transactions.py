"""Transfers: what a worker stores, learns later, and what an API answers."""

from typing import Any, Final, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from whaledb import rows
from whaledb.schemas.models import Create, Response, Update
from whaledb.schemas.values import (
    Address,
    ChainId,
    Count,
    Dollars,
    Ether,
    Exact,
    Hash,
    Moment,
    PriceSource,
    Score,
    StoredMoment,
    TracePath,
    Unchanged,
)

_KEY: Final = ("hash", "chain_id", "block_hash", "trace_path")
_RECEIPT: Final = ("gas_used", "succeeded")
_PRICE: Final = ("value_usd", "price_source", "priced_at")
_SCORE: Final = ("whale_score",)


def _incomplete() -> PydanticCustomError:
    return PydanticCustomError(
        "price_incomplete", "value_usd, price_source and priced_at should be given together"
    )


def _price_complete(*parts: object) -> None:
    if sum(part is not None for part in parts) not in (0, len(parts)):
        raise _incomplete()


class WhaleTransactionCreate(Create):
    """A transfer to be stored by `whale_transactions.insert`."""

    hash: Hash
    chain_id: ChainId
    block_hash: Hash
    trace_path: TracePath = ""
    block_number: Count
    block_timestamp: Moment
    from_address: Address
    to_address: Address | None = None
    value_eth: Ether
    value_usd: Dollars | None = None
    price_source: PriceSource | None = None
    priced_at: Moment | None = None
    gas_price: Count
    gas_used: Count | None = None
    succeeded: bool | None = None
    whale_score: Score | None = None

    @model_validator(mode="after")
    def _check_price(self) -> Self:
        _price_complete(self.value_usd, self.price_source, self.priced_at)
        return self


class WhaleTransactionUpdate(Update):
    """What is learned of a stored transfer, each part written by a statement of its own.

    A member that is absent stays as it is; nobody changes what was on the chain.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "dependentRequired": {
                name: [other for other in _PRICE if other != name] for name in _PRICE
            }
        }
    )

    gas_used: Unchanged[Count] = None
    succeeded: Unchanged[bool] = None
    value_usd: Dollars | None = None
    """Null takes a price back, with price_source and priced_at."""
    price_source: PriceSource | None = None
    priced_at: Moment | None = None
    whale_score: Unchanged[Score] = None

    @model_validator(mode="after")
    def _check_price(self) -> Self:
        if len(self.model_fields_set.intersection(_PRICE)) not in (0, len(_PRICE)):
            raise _incomplete()
        _price_complete(self.value_usd, self.price_source, self.priced_at)
        return self

    def receipt(self, stored: rows.WhaleTransaction) -> dict[str, Any] | None:
        """Arguments of `update_receipt`; None where nothing of it was given."""
        return self._part(stored, _RECEIPT)

    def price(self, stored: rows.WhaleTransaction) -> dict[str, Any] | None:
        """Arguments of `update_usd_price`; None where nothing of it was given."""
        return self._part(stored, _PRICE)

    def score(self, stored: rows.WhaleTransaction) -> dict[str, Any] | None:
        """Arguments of `update_whale_score`; None where no score was given."""
        return self._part(stored, _SCORE)

    def _part(
        self, stored: rows.WhaleTransaction, members: tuple[str, ...]
    ) -> dict[str, Any] | None:
        if self.model_fields_set.isdisjoint(members):
            return None
        return self.applied_to(stored, *_KEY, *members)


class WhaleTransactionRead(Response):
    """A transfer as it is stored."""

    id: UUID
    hash: str
    chain_id: int
    block_hash: str
    trace_path: str
    block_number: int
    block_timestamp: StoredMoment
    from_address: str
    to_address: str | None
    value_eth: Exact
    value_usd: Exact | None
    price_source: str | None
    priced_at: StoredMoment | None
    gas_price: int
    gas_used: int | None
    succeeded: bool | None
    whale_score: Exact | None
    orphaned_at: StoredMoment | None
    created_at: StoredMoment
    updated_at: StoredMoment


class AddressTransferRead(Response):
    """A transfer as one of the addresses in it sees it."""

    hash: str
    chain_id: int
    block_hash: str
    trace_path: str
    block_number: int
    block_timestamp: StoredMoment
    from_address: str
    to_address: str | None
    value_eth: Exact
    value_usd: Exact | None
    direction: Literal["in", "out", "self"]
