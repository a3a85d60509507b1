"""What quickstart shows, read and written through the generated functions alone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from typedsql.database import Database
from typedsql.errors import Error
from whaledb import rows
from whaledb.alerting import to_document, type_of
from whaledb.documents import LargeTransfer
from whaledb.ingest import IngestSummary
from whaledb.queries import alerts, blocks, users, whale_transactions

LARGEST_SHOWN: Final = 10
HOURS_SHOWN: Final = 24
REORGANISATIONS_SHOWN: Final = 3
ALERTS_SHOWN: Final = 100

OWNER: Final = UUID("ada00000-0000-4000-8000-000000000001")
STRANGER: Final = UUID("b0b00000-0000-4000-8000-000000000002")
ALERT: Final = UUID("a1e27000-0000-4000-8000-000000000001")
ALERT_MIN_VALUE_ETH: Final = 5_000

_FIRST_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
_NOT_ALLOWED: Final = "42501"


class Reorganisation(msgspec.Struct, frozen=True, kw_only=True):
    """A block that left the chain; `replaced_by` is the one at its height, None if unknown."""

    block_number: int
    block_hash: str
    replaced_by: str | None
    rows_marked: int


class AlertDemonstration(msgspec.Struct, frozen=True, kw_only=True):
    """One alert, and how many each of two accounts is shown by the same statement.

    `would_fire` counts the stored transfers that the alert is about. `found_by_stranger` is
    whether the other account gets the alert when it asks for its id, which no condition of
    the statement forbids: row level security alone does.
    """

    owner: UUID
    stranger: UUID
    min_value_eth: int
    would_fire: int
    seen_by_owner: int
    seen_by_stranger: int
    found_by_stranger: bool


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored of one chain. Only transfers that moved ether on it are counted.

    `hours` are those with a transfer among the 24 up to the latest block, oldest first;
    `latest` is that block's time, None where there is no block.
    """

    largest: Sequence[rows.WhaleTransaction]
    hours: Sequence[rows.HourlyVolume]
    first_hour: datetime | None
    latest: datetime | None
    failed: int
    reorganisations: Sequence[Reorganisation]


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; None for what this run did not have to do."""

    server_start: float | None
    migrations: float
    simulation: float | None
    ingest: float
    queries: float


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that quickstart has to tell. `alert` or else `alert_skipped`, which says why."""

    database: str
    chain_id: int
    simulated: bool
    min_value_eth: Decimal
    migrations_applied: int
    ingest: IngestSummary
    picture: Picture
    alert: AlertDemonstration | None
    alert_skipped: str | None
    timings_s: Timings
    next: Sequence[str]
    next_note: str | None


async def read_picture(db: Database, *, chain_id: int, min_value_eth: Decimal) -> Picture:
    """What is stored of a chain, as of one moment."""
    async with db.transaction(isolation="repeatable_read", readonly=True) as tx:
        latest = await blocks.get_latest(tx, chain_id=chain_id)
        until = _hour_of(latest.block_timestamp) + _HOUR if latest else _FIRST_TIME
        since = max(until - HOURS_SHOWN * _HOUR, _FIRST_TIME)
        hours = await whale_transactions.list_volume_by_hour(
            tx, chain_id=chain_id, since=since, until=until
        )
        largest = await whale_transactions.list_transfers(
            tx,
            chain_id=chain_id,
            min_value_eth=min_value_eth,
            max_rows=LARGEST_SHOWN,
            order_by="largest",
        )
        failed = await whale_transactions.count_failed_since(
            tx, chain_id=chain_id, min_value_eth=min_value_eth, since=_FIRST_TIME
        )
        orphaned = await whale_transactions.list_orphaned_blocks(
            tx,
            chain_id=chain_id,
            since=_FIRST_TIME,
            until=until,
            max_rows=REORGANISATIONS_SHOWN,
        )
        reorganisations: list[Reorganisation] = []
        for orphan in orphaned:
            sibling = await blocks.get_canonical(tx, chain_id=chain_id, number=orphan.block_number)
            reorganisations.append(
                Reorganisation(
                    block_number=orphan.block_number,
                    block_hash=orphan.block_hash,
                    replaced_by=sibling.hash if sibling else None,
                    rows_marked=orphan.row_count or 0,
                )
            )
    return Picture(
        largest=largest,
        hours=hours,
        first_hour=since if latest else None,
        latest=latest.block_timestamp if latest else None,
        failed=failed or 0,
        reorganisations=reorganisations,
    )


async def show_alert_to_both(
    db: Database, *, chain_id: int
) -> tuple[AlertDemonstration | None, str | None]:
    """Makes two accounts and an alert of the first, and reads it as each of them.

    Run again it changes nothing. Returns why it was left out where the accounts belong to
    Supabase, or where the login may not make them or act for them.
    """
    if not await users.is_account_stand_in(db):
        return None, (
            "Accounts are made by Supabase Auth on this server, so no demonstration accounts"
            " and no alert were written."
        )
    try:
        async with db.transaction() as tx:
            for account in (OWNER, STRANGER):
                await users.merge_account(tx, id=account)
            conditions = LargeTransfer(min_value_eth=Decimal(ALERT_MIN_VALUE_ETH))
            await alerts.merge(
                tx,
                id=ALERT,
                user_id=OWNER,
                alert_type=type_of(conditions),
                conditions=to_document(conditions),
                enabled=True,
            )
        seen = [await _seen_by(db, account) for account in (OWNER, STRANGER)]
    except Error as refusal:
        if refusal.sqlstate != _NOT_ALLOWED:
            raise
        return None, (
            "This login may not make accounts or act for them, so the alert that one person"
            " sees and another does not is left out."
        )
    would_fire = await whale_transactions.count_since(
        db, chain_id=chain_id, min_value_eth=Decimal(ALERT_MIN_VALUE_ETH), since=_FIRST_TIME
    )
    return AlertDemonstration(
        owner=OWNER,
        stranger=STRANGER,
        min_value_eth=ALERT_MIN_VALUE_ETH,
        would_fire=would_fire or 0,
        seen_by_owner=seen[0][0],
        seen_by_stranger=seen[1][0],
        found_by_stranger=seen[1][1],
    ), None


async def _seen_by(db: Database, account: UUID) -> tuple[int, bool]:
    """How many alerts an account is shown as its own, and whether it gets the one by its id."""
    async with db.as_user(account, readonly=True) as tx:
        mine = await alerts.list_mine(tx, max_rows=ALERTS_SHOWN)
        return len(mine), await alerts.get(tx, id=ALERT) is not None


def _hour_of(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
