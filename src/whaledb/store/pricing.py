"""Prices and scores of stored transfers, written in bounded batches."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Final, get_args

import msgspec

from typedsql.database import Database, Transaction
from typedsql.errors import ConfigurationError
from whaledb.queries import market_data, whale_transactions
from whaledb.rows import MarketDataInterval, PricedBatch

BATCH_ROWS: Final = 1_000
"""Rows that one transaction prices or scores, and so locks."""
MAX_SOURCE_CHARACTERS: Final = 100
"""What price_source holds."""
MAX_REFUSED_SHOWN: Final = 20
"""Hashes of refused rows that a summary names."""
MAX_PRICE_USD: Final = Decimal(10) ** 18
"""From here on a single unit is more than value_usd holds."""

FIRST_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST_TIME: Final = datetime(9999, 12, 31, tzinfo=UTC)

INTERVALS: Final[tuple[str, ...]] = get_args(MarketDataInterval)
_WITHOUT_LENGTH: Final = "1M"


class PriceUnusable(ConfigurationError):
    """A price, its source or its period is none by which transfers can be priced."""


class CandlesMissing(ConfigurationError):
    """No candle is stored of the chart that is to give prices."""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Candles whose close is the price of the chain's native unit in US dollars."""

    exchange: str
    symbol: str
    interval: MarketDataInterval

    @classmethod
    def named(cls, *, exchange: str, symbol: str, interval: str) -> "Chart":
        """A chart that can price.

        Raises:
            PriceUnusable: the interval is unknown or has no fixed length, a name is empty, or
                they are together longer than price_source holds.
        """
        if not exchange or not symbol:
            raise PriceUnusable("an exchange and a symbol have to be named as market_data has them")
        if interval == _WITHOUT_LENGTH:
            raise PriceUnusable(
                f"candles of {interval} cannot price transfers: months differ in length, so none"
                " can be told from a stale one; take an interval from 1m to 1w"
            )
        if interval not in INTERVALS:
            raise PriceUnusable(f"there is no such interval: take one of {', '.join(INTERVALS)}")
        chart = cls(
            exchange=exchange,
            symbol=symbol,
            interval=msgspec.convert(interval, MarketDataInterval),
        )
        _check_source(chart.source)
        return chart

    @property
    def source(self) -> str:
        """What reprice_from_market writes as price_source."""
        return f"market_data:{self.exchange}:{self.symbol}:{self.interval}"


class GivenPrice(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars for one of the chain's native units, and who says so."""

    price_usd: Decimal
    source: str

    @classmethod
    def stated(cls, price_usd: Decimal, *, source: str) -> "GivenPrice":
        """A price that can be written.

        Raises:
            PriceUnusable: it is not above 0 or not finite, or its source is empty or longer
                than price_source holds.
        """
        # Compared by magnitude before it is sent: the driver stores 1E200000 as 0.
        if not (price_usd.is_finite() and 0 < price_usd < MAX_PRICE_USD):
            raise PriceUnusable("a price has to be in US dollars and above 0, such as 1850.25")
        if source.startswith("market_data:"):
            raise PriceUnusable(
                "a source that begins with market_data: names candles, which a given price is not"
            )
        _check_source(source)
        return cls(price_usd=price_usd, source=source)


class RepriceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What one run did to the rows it looked at.

    `priced` were given a price, or another one; `unchanged` had the same already.
    `without_price` were left as they are because no candle had ended just before them;
    `refused` because value_usd cannot hold what they would be worth, or the close was not
    above 0: `refused_hashes` are the first of them. `scored` were given a score.
    """

    rows: int = 0
    priced: int = 0
    unchanged: int = 0
    without_price: int = 0
    refused: int = 0
    refused_hashes: tuple[str, ...] = ()
    scored: int = 0


async def reprice(
    db: Database,
    price: Chart | GivenPrice,
    *,
    chain_id: int,
    since: datetime | None = None,
    until: datetime | None = None,
    again: bool = False,
    batch_rows: int = BATCH_ROWS,
    on_progress: Callable[[RepriceSummary], None] | None = None,
) -> RepriceSummary:
    """Prices the stored transfers of a chain in [since, until), oldest first.

    Only those without a price, unless `again`, which replaces what differs. Each batch commits
    by itself, so that a run that was stopped goes on where it was when it is run once more.
    What a price is taken from is told at `whale_transactions.reprice_from_market`.

    Raises:
        CandlesMissing: nothing is stored of the chart.
        PriceUnusable: the period is empty, or a given price comes without its period: a
            price without an end would be a stale one tomorrow.
    """
    since, until = check_period(price, since=since, until=until)
    if isinstance(price, Chart):
        await _check_candles(db, price)
    done = RepriceSummary()
    key = (since, "", "", "")
    while True:
        # A batch that another writer, or a lost connection, ended is run again.
        batch = await db.run_transaction(
            partial(
                _price_batch,
                price,
                key,
                chain_id=chain_id,
                until=until,
                again=again,
                max_rows=batch_rows,
            )
        )
        if batch.last_timestamp is None:
            return done
        key = (
            batch.last_timestamp,
            batch.last_hash or "",
            batch.last_block_hash or "",
            batch.last_trace_path or "",
        )
        done = _added(done, batch)
        if on_progress is not None:
            on_progress(done)


def check_period(
    price: Chart | GivenPrice, *, since: datetime | None, until: datetime | None
) -> tuple[datetime, datetime]:
    """The period that is priced; without an end it is everything that way.

    Raises:
        PriceUnusable: it is empty, or a given price comes without both ends.
    """
    if isinstance(price, GivenPrice) and (since is None or until is None):
        raise PriceUnusable("a given price holds for a period: give both since and until")
    since, until = since or FIRST_TIME, until or LAST_TIME
    if since >= until:
        raise PriceUnusable("the period is empty: it has to begin before it ends")
    return since, until


async def score_missing(
    db: Database,
    *,
    batch_rows: int = BATCH_ROWS,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Scores what was stored before there were scores, on every chain; returns how many rows.

    Each batch commits by itself.
    """
    scored = 0
    while written := await db.run_transaction(
        partial(whale_transactions.score_missing, max_rows=batch_rows)
    ):
        scored += written
        if on_progress is not None:
            on_progress(scored)
    return scored


_Key = tuple[datetime, str, str, str]


async def _price_batch(
    price: Chart | GivenPrice,
    key: _Key,
    tx: Transaction,
    *,
    chain_id: int,
    until: datetime,
    again: bool,
    max_rows: int,
) -> PricedBatch:
    after_timestamp, after_hash, after_block_hash, after_trace_path = key
    if isinstance(price, Chart):
        return await whale_transactions.reprice_from_market(
            tx,
            chain_id=chain_id,
            exchange=price.exchange,
            symbol=price.symbol,
            interval=price.interval,
            after_timestamp=after_timestamp,
            after_hash=after_hash,
            after_block_hash=after_block_hash,
            after_trace_path=after_trace_path,
            until=until,
            again=again,
            max_rows=max_rows,
        )
    return await whale_transactions.reprice_at(
        tx,
        chain_id=chain_id,
        price_usd=price.price_usd,
        price_source=price.source,
        after_timestamp=after_timestamp,
        after_hash=after_hash,
        after_block_hash=after_block_hash,
        after_trace_path=after_trace_path,
        until=until,
        again=again,
        max_rows=max_rows,
    )


def _added(done: RepriceSummary, batch: PricedBatch) -> RepriceSummary:
    passed = batch.priced_count + batch.without_price_count + batch.refused_count
    hashes = (*done.refused_hashes, *(each for each in batch.refused_hashes if each))
    return RepriceSummary(
        rows=done.rows + batch.row_count,
        priced=done.priced + batch.priced_count,
        unchanged=done.unchanged + batch.row_count - passed,
        without_price=done.without_price + batch.without_price_count,
        refused=done.refused + batch.refused_count,
        refused_hashes=hashes[:MAX_REFUSED_SHOWN],
    )


async def _check_candles(db: Database, chart: Chart) -> None:
    """A misspelt name would leave every row without a price and call that a success."""
    newest = await market_data.get_latest(
        db, exchange=chart.exchange, symbol=chart.symbol, interval=chart.interval
    )
    if newest is None:
        raise CandlesMissing(
            f"market_data holds no {chart.interval} candles of {chart.symbol} at"
            f" {chart.exchange}: store them first, or name the chart as market_data has it"
        )


def _check_source(source: str) -> None:
    if not 1 <= len(source) <= MAX_SOURCE_CHARACTERS:
        raise PriceUnusable(
            f"the source of a price has to be 1 to {MAX_SOURCE_CHARACTERS} characters,"
            f" and it is {len(source)}"
        )
