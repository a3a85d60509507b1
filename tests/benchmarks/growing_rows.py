"""Rows of whale_transactions without end, made fast, the same for the same seed.

As on a chain, a few addresses are in most transfers, and half of the senders are seen once; so
each row falls on pages of three large indexes that nothing else near it in time touches.
"""

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Final

from whaledb.rows import NewWhaleTransaction

CHAIN_ID: Final = 1
FIRST_BLOCK: Final = 16_000_000
FIRST_TIMESTAMP: Final = datetime(2026, 1, 1, tzinfo=UTC)
BLOCK_TIME: Final = timedelta(seconds=12)
ROWS_OF_BLOCK: Final = (50, 150)
"""Fewest and most."""
ADDRESSES: Final = 50_000
VALUES: Final = 20_000
LEAST_VALUE_WEI: Final = 10 * 10**18


class Transfers:
    """A chain that goes on: each call gives the next rows, in the order of their blocks."""

    def __init__(self, seed: int, *, rows_of_block: tuple[int, int] = ROWS_OF_BLOCK) -> None:
        self._rows_of_block = rows_of_block
        self._random = random.Random(seed)
        self._addresses = [self._address() for _ in range(ADDRESSES)]
        self._weights = list(accumulate(1 / place for place in range(1, ADDRESSES + 1)))
        self._values = [self._value() for _ in range(VALUES)]
        self._block = FIRST_BLOCK
        self._block_hash = ""
        self._left = 0

    def next(self, count: int) -> Sequence[NewWhaleTransaction]:
        """Rows whose values are made beforehand as far as they can be."""
        known = self._random.choices(self._addresses, cum_weights=self._weights, k=2 * count)
        return [self._row(known[2 * index], known[2 * index + 1], index) for index in range(count)]

    def _row(self, sender: str, recipient: str, index: int) -> NewWhaleTransaction:
        if self._left == 0:
            self._block += 1
            self._block_hash = f"0x{self._random.randbytes(32).hex()}"
            self._left = self._random.randint(*self._rows_of_block)
        self._left -= 1
        value_eth, score = self._random.choice(self._values)
        return NewWhaleTransaction(
            hash=f"0x{self._random.randbytes(32).hex()}",
            chain_id=CHAIN_ID,
            block_hash=self._block_hash,
            trace_path="",
            block_number=self._block,
            block_timestamp=FIRST_TIMESTAMP + (self._block - FIRST_BLOCK) * BLOCK_TIME,
            from_address=sender if index % 2 else self._address(),
            to_address=recipient,
            value_eth=value_eth,
            gas_price=20_000_000_000 + index % 1_000,
            gas_used=21_000,
            succeeded=True,
            whale_score=score,
        )

    def _address(self) -> str:
        return f"0x{self._random.randbytes(20).hex()}"

    def _value(self) -> tuple[Decimal, Decimal]:
        """Ether with a heavy tail, and its score."""
        ether = Decimal(int(LEAST_VALUE_WEI * self._random.paretovariate(1.1))).scaleb(-18)
        return ether, Decimal(f"{min(math.log10(ether) / 5, 1):.4f}")
