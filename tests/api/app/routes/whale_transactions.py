"""Large transfers, for everybody who is signed in."""

from decimal import Decimal
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from tests.api.app.database import Db
from tests.api.app.identity import User
from tests.api.app.pages import PageQuery, answer, answer_all
from tests.api.app.problems import not_found
from whaledb.queries import whale_transactions
from whaledb.schemas import AddressTransferRead, Page, PageRows, WhaleTransactionRead
from whaledb.schemas.cursors import TransfersBefore
from whaledb.schemas.values import Address, ChainId, Ether, Hash, Moment

MIN_VALUE_ETH: Final = Decimal(100)
TOP_ROWS: Final = 10

router = APIRouter(prefix="/whale-transactions", tags=["market"])


class TransferQuery(PageQuery):
    """Which transfers."""

    min_value_eth: Ether = MIN_VALUE_ETH


class TopQuery(BaseModel):
    """Which transfers of a chain, and how many of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    chain_id: ChainId = 1
    min_value_eth: Ether | None = None
    since: Moment | None = None
    until: Moment | None = None
    order_by: Literal["largest", "newest"] = "largest"
    max_rows: PageRows = TOP_ROWS


@router.get("", response_model=Page[WhaleTransactionRead])
async def list_transfers(query: Annotated[TransferQuery, Query()], user: User, db: Db) -> Response:
    """Transfers of every chain worth at least so much, newest first."""
    async with db.as_user(user, readonly=True) as tx:
        found = await whale_transactions.list_recent(
            tx, min_value_eth=query.min_value_eth, **query.arguments(TransfersBefore)
        )
    return query.page_of(found, TransfersBefore)


@router.get("/top", response_model=list[WhaleTransactionRead])
async def list_top_transfers(query: Annotated[TopQuery, Query()], user: User, db: Db) -> Response:
    """The largest or newest transfers of a chain in a period, from since on and before until."""
    async with db.as_user(user, readonly=True) as tx:
        return answer_all(await whale_transactions.list_transfers(tx, **query.model_dump()))


@router.get("/of-address/{address}", response_model=Page[AddressTransferRead])
async def list_transfers_of_address(
    address: Address, query: Annotated[PageQuery, Query()], user: User, db: Db
) -> Response:
    """Transfers from or to an address, newest first."""
    async with db.as_user(user, readonly=True) as tx:
        found = await whale_transactions.list_by_address(
            tx, address=address, **query.arguments(TransfersBefore)
        )
    return query.page_of(found, TransfersBefore)


@router.get("/{chain_id}/{tx_hash}", response_model=WhaleTransactionRead)
async def get_transfer(chain_id: ChainId, tx_hash: Hash, user: User, db: Db) -> Response:
    """The canonical inclusion of a transaction."""
    async with db.as_user(user, readonly=True) as tx:
        found = await whale_transactions.get_by_hash(tx, chain_id=chain_id, hash=tx_hash)
    if found is None:
        raise not_found("transaction")
    return answer(found)
