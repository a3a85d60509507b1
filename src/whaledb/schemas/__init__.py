"""Requests and responses of an API over this package, as pydantic models.

Each entity has a module: what is sent to create it (Create), to change it (Update), and what is
answered (Read). An API imports this; workers do not, and ``import whaledb`` does not either.
"""

from whaledb.schemas.alert_events import AlertEventRead
from whaledb.schemas.alerts import (
    ALERT_CREATE,
    ALERT_READ,
    ALERT_UPDATE,
    AddressActivityConditions,
    AlertCreate,
    AlertRead,
    AlertUpdate,
    LargeTransferConditions,
    PatternConditions,
    PriceLevelConditions,
)
from whaledb.schemas.blocks import BlockRead
from whaledb.schemas.complaints import Complaint, complaints
from whaledb.schemas.cursors import (
    MAX_PAGE_ROWS,
    CursorRefused,
    Keyset,
    arguments_after,
    cut,
    read_cursor,
    write_cursor,
)
from whaledb.schemas.encoding import encode_page, encode_row, encode_rows
from whaledb.schemas.liquidity_zones import (
    LiquidityZoneCreate,
    LiquidityZoneRead,
    LiquidityZoneUpdate,
)
from whaledb.schemas.market_data import MarketDataCreate, MarketDataRead
from whaledb.schemas.models import Create, Request, Response, Update
from whaledb.schemas.pages import Cursor, Page, PageRows
from whaledb.schemas.smc_patterns import SMCPatternCreate, SMCPatternRead, SMCPatternUpdate
from whaledb.schemas.users import (
    Preferences,
    PreferencesUpdate,
    UserCreate,
    UserRead,
    UserUpdate,
)
from whaledb.schemas.whale_transactions import (
    AddressTransferRead,
    WhaleTransactionCreate,
    WhaleTransactionRead,
    WhaleTransactionUpdate,
)

__all__ = [
    "ALERT_CREATE",
    "ALERT_READ",
    "ALERT_UPDATE",
    "MAX_PAGE_ROWS",
    "AddressActivityConditions",
    "AddressTransferRead",
    "AlertCreate",
    "AlertEventRead",
    "AlertRead",
    "AlertUpdate",
    "BlockRead",
    "Complaint",
    "Create",
    "Cursor",
    "CursorRefused",
    "Keyset",
    "LargeTransferConditions",
    "LiquidityZoneCreate",
    "LiquidityZoneRead",
    "LiquidityZoneUpdate",
    "MarketDataCreate",
    "MarketDataRead",
    "Page",
    "PageRows",
    "PatternConditions",
    "Preferences",
    "PreferencesUpdate",
    "PriceLevelConditions",
    "Request",
    "Response",
    "SMCPatternCreate",
    "SMCPatternRead",
    "SMCPatternUpdate",
    "Update",
    "UserCreate",
    "UserRead",
    "UserUpdate",
    "WhaleTransactionCreate",
    "WhaleTransactionRead",
    "WhaleTransactionUpdate",
    "arguments_after",
    "complaints",
    "cut",
    "encode_page",
    "encode_row",
    "encode_rows",
    "read_cursor",
    "write_cursor",
]
