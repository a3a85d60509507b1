"""Rows of whale_transactions that look like the chain's, the same for the same seed."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

CHAIN_ID = 1
FIRST_BLOCK = 16_000_000
ROWS_PER_BLOCK = 4
SENDERS = 5_000
RECEIVERS = 9_000
VALUES = 4_000
FIRST_TIMESTAMP = datetime(2026, 1, 1, tzinfo=UTC)
BLOCK_TIME = timedelta(seconds=12)
STORED_AFTER = timedelta(seconds=2, microseconds=345_678)
PRICED_AFTER = timedelta(seconds=61, microseconds=98_765)
WEI_DIGITS = 18

COLUMNS = (
    "hash",
    "chain_id",
    "block_hash",
    "trace_path",
    "block_number",
    "block_timestamp",
    "from_address",
    "to_address",
    "value_eth",
    "value_usd",
    "price_source",
    "priced_at",
    "gas_price",
    "gas_used",
    "succeeded",
    "whale_score",
)
STORED_COLUMNS = (*COLUMNS, "created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class _Pools:
    """What many rows have in common: a few addresses send most, and values repeat."""

    senders: Sequence[str]
    receivers: Sequence[str]
    values: Sequence[tuple[Decimal, Decimal, Decimal]]
    """Ether, dollars and score."""


def _pools(rng: random.Random) -> _Pools:
    values = [rng.randrange(100, 5_000) + Decimal(rng.randrange(10**9)).scaleb(-9)
              for _ in range(VALUES)]  # fmt: skip
    return _Pools(
        senders=[f"0x{rng.randbytes(20).hex()}" for _ in range(SENDERS)],
        receivers=[f"0x{rng.randbytes(20).hex()}" for _ in range(RECEIVERS)],
        values=[
            (value, (value * 3000).quantize(Decimal("0.01")), Decimal(index % 9_999).scaleb(-4))
            for index, value in enumerate(values)
        ],
    )


def make_rows(seed: int, count: int, *, first: int = 0) -> Iterator[tuple[Any, ...]]:
    """So many rows in the order of `COLUMNS`, in blocks from the `first`-th row on.

    Rows of two seeds have nothing in common but the numbers of their blocks.
    """
    rng = random.Random(seed)
    pools = _pools(rng)
    block_hash, block = "", -1
    for index in range(first, first + count):
        if index // ROWS_PER_BLOCK != block:
            block = index // ROWS_PER_BLOCK
            block_hash = f"0x{rng.randbytes(32).hex()}"
        timestamp = FIRST_TIMESTAMP + block * BLOCK_TIME
        value_eth, value_usd, score = rng.choice(pools.values)
        # Squaring favours the first of them, as few addresses send most.
        sender = pools.senders[int(rng.random() ** 2 * SENDERS)]
        yield (
            f"0x{rng.randbytes(32).hex()}",
            CHAIN_ID,
            block_hash,
            "",
            FIRST_BLOCK + block,
            timestamp,
            sender,
            pools.receivers[int(rng.random() ** 2 * RECEIVERS)],
            value_eth,
            value_usd,
            "benchmark",
            timestamp,
            20_000_000_000 + index % 1_000,
            21_000,
            True,
            score,
        )


_TIMESTAMP: Final = COLUMNS.index("block_timestamp")


def make_stored_rows(seed: int, count: int) -> Iterator[tuple[Any, ...]]:
    """The same in the order of `STORED_COLUMNS`, as if stored block by block, then priced."""
    for row in make_rows(seed, count):
        at = row[_TIMESTAMP]
        yield (*row, at + STORED_AFTER, at + PRICED_AFTER)
