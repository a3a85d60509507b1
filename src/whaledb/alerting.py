"""Alerts: which of them new rows fire, and whether what fired still stands.

Everything here runs in the transaction of the caller, which wrote the rows: what fired commits
with them or not at all. Run again it writes nothing, since there is one event for each alert and
row. The rules of matching are those of `alerts.list_matching` and its siblings in
queries/alerts.sql.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar, cast
from uuid import UUID

import msgspec

from typedsql.database import Transaction
from typedsql.errors import DataError, TransientError
from whaledb import rows
from whaledb.documents import ALERT_TYPE, AlertConditions, JSONObject
from whaledb.queries import alert_events, alerts

MAX_MATCHES_PER_STATEMENT: Final = 5_000
"""Pairs of an alert and a row that are in memory and written at once."""
MAX_FIRE_RETRIES: Final = 5
"""How often matches are read again because one of their alerts was deleted meanwhile."""

_ALERT_DELETED: Final = "alert_events_alert_id_fkey"
M = TypeVar("M")


def read_conditions(alert: rows.Alert) -> AlertConditions:
    """The conditions of an alert, typed by its alert_type.

    Raises:
        DataError: they are not what the type asks for; no alert that was read is like that.
    """
    try:
        if ALERT_TYPE in alert.conditions:
            raise msgspec.ValidationError("the tag is a column and no condition")
        tagged = {**alert.conditions, ALERT_TYPE: alert.alert_type}
        return cast("AlertConditions", msgspec.convert(tagged, type=AlertConditions))
    except msgspec.ValidationError:
        # Not chained: what msgspec says can quote a value.
        raise DataError(
            f"the conditions of alert {alert.id} are not those of its type;"
            " migrate the database to the release of this package"
        ) from None


def type_of(conditions: AlertConditions) -> rows.AlertAlertType:
    """The alert_type that these conditions are stored with: the tag of their Struct."""
    return cast("rows.AlertAlertType", conditions.__struct_config__.tag)


def to_document(conditions: AlertConditions) -> JSONObject:
    """What to store as `conditions`, beside `type_of`; members at their default are left out."""
    document: JSONObject = msgspec.to_builtins(conditions, builtin_types=(Decimal,))
    del document[ALERT_TYPE]
    return document


async def fire_transfers(
    tx: Transaction,
    *,
    chain_id: int,
    block_hash: str,
    block_number: int,
    keys: Sequence[tuple[str, str]],
) -> int:
    """Fires the alerts that transfers of one block match; returns how many events are new.

    `keys` holds hash and trace path of the rows, which are stored already. A row that is orphaned
    or failed fires nothing.

    Raises:
        TransientError: alerts were deleted meanwhile more often than MAX_FIRE_RETRIES.
    """
    if not keys:
        return 0
    hashes = [key[0] for key in keys]
    trace_paths = [key[1] for key in keys]

    async def match(
        inner: Transaction, after: rows.MatchedTransfer | None
    ) -> list[rows.MatchedTransfer]:
        return await alerts.list_matching(
            inner,
            chain_id=chain_id,
            block_hash=block_hash,
            block_number=block_number,
            hashes=hashes,
            trace_paths=trace_paths,
            after_hash=after.hash if after else None,
            after_trace_path=after.trace_path if after else None,
            after_alert_id=after.alert_id if after else None,
            max_rows=MAX_MATCHES_PER_STATEMENT,
        )

    async def merge(
        inner: Transaction, found: Sequence[rows.MatchedTransfer]
    ) -> Sequence[rows.FiredAlert]:
        return await alert_events.merge_transfers(
            inner,
            chain_id=chain_id,
            block_number=block_number,
            block_hash=block_hash,
            alert_ids=[each.alert_id for each in found],
            transaction_hashes=[each.hash for each in found],
            trace_paths=[each.trace_path for each in found],
        )

    return await _fire(tx, match, merge)


async def fire_candles(
    tx: Transaction,
    *,
    exchange: str,
    symbol: str,
    interval: rows.MarketDataInterval,
    open_times: Sequence[datetime],
) -> int:
    """Fires the alerts whose price level candles of one chart cross; returns the new events.

    The candles are stored already, and so is the one before the first, where there is one.

    Raises:
        TransientError: alerts were deleted meanwhile more often than MAX_FIRE_RETRIES.
    """
    if not open_times:
        return 0

    async def match(
        inner: Transaction, after: rows.MatchedCandle | None
    ) -> list[rows.MatchedCandle]:
        return await alerts.list_matching_candles(
            inner,
            exchange=exchange,
            symbol=symbol,
            interval=interval,
            open_times=open_times,
            after_open_time=after.open_time if after else None,
            after_alert_id=after.alert_id if after else None,
            max_rows=MAX_MATCHES_PER_STATEMENT,
        )

    async def merge(
        inner: Transaction, found: Sequence[rows.MatchedCandle]
    ) -> Sequence[rows.FiredAlert]:
        return await alert_events.merge_candles(
            inner,
            exchange=exchange,
            symbol=symbol,
            interval=interval,
            alert_ids=[each.alert_id for each in found],
            open_times=[each.open_time for each in found],
        )

    return await _fire(tx, match, merge)


async def fire_patterns(tx: Transaction, *, pattern_ids: Sequence[UUID]) -> int:
    """Fires the alerts that new patterns match; returns how many events are new.

    The patterns are stored already; one that is not active fires nothing.

    Raises:
        TransientError: alerts were deleted meanwhile more often than MAX_FIRE_RETRIES.
    """
    if not pattern_ids:
        return 0

    async def match(
        inner: Transaction, after: rows.MatchedPattern | None
    ) -> list[rows.MatchedPattern]:
        return await alerts.list_matching_patterns(
            inner,
            pattern_ids=pattern_ids,
            after_pattern_id=after.pattern_id if after else None,
            after_alert_id=after.alert_id if after else None,
            max_rows=MAX_MATCHES_PER_STATEMENT,
        )

    async def merge(
        inner: Transaction, found: Sequence[rows.MatchedPattern]
    ) -> Sequence[rows.FiredAlert]:
        return await alert_events.merge_patterns(
            inner,
            alert_ids=[each.alert_id for each in found],
            pattern_ids=[each.pattern_id for each in found],
        )

    return await _fire(tx, match, merge)


async def settle_blocks(
    tx: Transaction, *, chain_id: int, block_numbers: Sequence[int], block_hashes: Sequence[str]
) -> int:
    """Retracts what fired from rows of these blocks that do not count any more; returns how many
    events changed.

    A row does not count while it is orphaned or failed. What fired from the others stands again.
    To be called after the rows were marked. `block_numbers` and `block_hashes` are of equal
    length. The alerts of rows that were never matched are not looked for: `fire_transfers` does.
    """
    if not block_hashes:
        return 0
    return await alert_events.settle(
        tx, chain_id=chain_id, block_numbers=block_numbers, block_hashes=block_hashes
    )


async def _fire(
    tx: Transaction,
    match: Callable[[Transaction, M | None], Awaitable[list[M]]],
    merge: Callable[[Transaction, Sequence[M]], Awaitable[Sequence[rows.FiredAlert]]],
) -> int:
    """Writes an event for each match, a page of matches at a time; returns the new events."""
    fired = 0
    retries = 0
    after: M | None = None
    while True:
        found = await match(tx, after)
        if not found:
            return fired
        try:
            # A savepoint, so that an alert that its owner deletes between the two statements
            # does not cost the caller the rows that it stored.
            async with tx.transaction() as savepoint:
                fired += len(await merge(savepoint, found))
        except DataError as refusal:
            if refusal.constraint != _ALERT_DELETED:
                raise
            if retries == MAX_FIRE_RETRIES:
                raise TransientError(
                    "alerts were deleted again and again while they were matched;"
                    " run the whole transaction again"
                ) from refusal
            retries += 1
            continue
        if len(found) < MAX_MATCHES_PER_STATEMENT:
            return fired
        after = found[-1]
