"""The simulated chain: a day of blocks, and one of them orphaned."""

from collections.abc import Iterator
from typing import Final

import msgspec

from whaledb.simulation import wire
from whaledb.simulation.draws import Draws
from whaledb.simulation.traffic import (
    EXCHANGES,
    WEI_PER_ETHER,
    WEI_PER_GWEI,
    Signed,
    Traffic,
)
from whaledb.simulation.wire import Header

DEFAULT_SEED: Final = 1
BLOCK_COUNT: Final = 480
"""Heights, the first of them 1; the genesis block is not among them."""
BLOCK_SPACING_S: Final = 180
"""So that few blocks fill 24 hours; a multiple of mainnet's 12 s."""
FIRST_TIMESTAMP: Final = 1_767_571_200
"""2026-01-05T00:00:00Z, a Monday; seconds since 1970."""

ORPHANED_NUMBER: Final = 301
"""The height that has two blocks."""
FUNDED_CREATION_NUMBER: Final = 131
FAILED_WHALE_NUMBER: Final = 211

_LATER_SLOT_S: Final = 12
_FUNDED_CREATION_ETH: Final = 12_000
_FAILED_WHALE_ETH: Final = 21_000
_CANCELLED_ETH: Final = 18_500
_DELAYED_ETH: Final = 17_250

# Transactions of a block by the hour, UTC: a quiet night and a busy early afternoon.
_HOURLY: Final = (5, 4, 4, 3, 3, 4, 5, 6, 8, 9, 10, 10, 11, 13, 24, 16, 12, 11, 10, 9, 8, 8, 7, 6)
_HOURLY_SPREAD: Final = 2

_FIRST_BASE_FEE: Final = 8 * WEI_PER_GWEI
_BASE_FEE_RANGE: Final = (WEI_PER_GWEI // 2, 40 * WEI_PER_GWEI)
# EIP-1559 moves the base fee by an eighth of itself at most.
_BASE_FEE_STEP: Final = 8


class SimulatedChain(msgspec.Struct, frozen=True, kw_only=True):
    """Blocks in the order in which a node would report them, and the receipts of each.

    `orphaned_hash` is the block that its sibling, the next one, takes the place of.
    """

    blocks: tuple[wire.JSON, ...]
    receipts: tuple[list[wire.JSON], ...]
    orphaned_hash: str
    canonical_hash: str
    """The sibling at the same height."""
    delayed_hash: str
    """A transaction of the orphaned block that is included again in the next height's."""
    cancelled_hash: str
    """A transaction of the orphaned block that is in no other."""

    def blocks_ndjson(self) -> bytes:
        """Replies of eth_getBlockByNumber, one a line."""
        return wire.ndjson(self.blocks)

    def receipts_ndjson(self) -> bytes:
        """Replies of eth_getBlockReceipts, one a line."""
        return wire.ndjson(self.receipts)


def simulate(seed: int = DEFAULT_SEED) -> SimulatedChain:
    """A chain that depends on its seed alone, to the last byte.

    480 heights 180 s apart, which is 24 hours from 2026-01-05T00:00Z; about 4,000
    transactions, most of them small and some 5 in 100 worth 100 to 25,000 ETH. Contract
    creations are among them, one with 12,000 ETH; failed transactions, one of 21,000 ETH;
    and height 301 has two blocks. Of the first one's transactions the next height includes
    one again, and a replacement cancels another.

    Senders' nonces rise without a gap, each block names its parent, and the base fee moves
    by an eighth at most. Hashes, roots, blooms and signatures are made up, gas used does not
    move the base fee, and nobody's balance is kept.
    """
    maker = _Maker(seed)
    made = list(maker.blocks())
    return SimulatedChain(
        blocks=tuple(wire.block(header, signed, seed=seed) for header, signed in made),
        receipts=tuple(wire.receipts(header, signed) for header, signed in made),
        orphaned_hash=maker.orphaned.hash,
        canonical_hash=maker.sibling.hash,
        delayed_hash=maker.delayed.hash,
        cancelled_hash=maker.cancelled.hash,
    )


class _Maker:
    """Makes one chain; what its reorganisation was is known once its blocks are made."""

    orphaned: Header
    sibling: Header
    delayed: Signed
    cancelled: Signed

    def __init__(self, seed: int) -> None:
        self._draws = Draws("chain", seed)
        self._traffic = Traffic(seed)
        self._base_fee = _FIRST_BASE_FEE
        self._tip = self._draws.word()
        self._sender = self._traffic.whales[0]
        self._slow_sender = self._traffic.whales[1]

    def blocks(self) -> Iterator[tuple[Header, list[Signed]]]:
        """Headers with their transactions, in the order in which a node would report them."""
        waiting: list[Signed] = []
        for number in range(1, BLOCK_COUNT + 1):
            header = self._header(number)
            signed = waiting + self._transactions(header)
            waiting = []
            if number == ORPHANED_NUMBER:
                yield from self._reorganised(header, signed)
                waiting = [self.delayed]
            else:
                yield header, signed
                self._tip = header.hash

    def _reorganised(
        self, header: Header, shared: list[Signed]
    ) -> Iterator[tuple[Header, list[Signed]]]:
        """Two blocks at one height, the second of which the chain goes on from."""
        exchange = EXCHANGES[0]
        self.cancelled = self._traffic.transfer(
            self._sender, exchange, _CANCELLED_ETH * WEI_PER_ETHER, header.base_fee
        )
        self.delayed = self._traffic.transfer(
            self._slow_sender, exchange, _DELAYED_ETH * WEI_PER_ETHER, header.base_fee
        )
        self.orphaned = header
        yield header, [*shared, self.cancelled, self.delayed]
        self.sibling = msgspec.structs.replace(
            header, hash=self._draws.word(), timestamp=header.timestamp + _LATER_SLOT_S
        )
        self._tip = self.sibling.hash
        yield self.sibling, [*shared, self._traffic.cancellation(self.cancelled, header.base_fee)]

    def _header(self, number: int) -> Header:
        header = Header(
            number=number,
            hash=self._draws.word(),
            parent_hash=self._tip,
            timestamp=FIRST_TIMESTAMP + BLOCK_SPACING_S * (number - 1),
            base_fee=self._base_fee,
        )
        step = self._base_fee // _BASE_FEE_STEP
        lowest, highest = _BASE_FEE_RANGE
        risen = self._base_fee + self._draws.between(-step, step)
        self._base_fee = min(max(risen, lowest), highest)
        return header

    def _transactions(self, header: Header) -> list[Signed]:
        traffic, number, base_fee = self._traffic, header.number, header.base_fee
        usual = _HOURLY[(number - 1) * BLOCK_SPACING_S // 3600 % len(_HOURLY)]
        count = usual + self._draws.between(-_HOURLY_SPREAD, _HOURLY_SPREAD)
        signed = [traffic.next(base_fee) for _ in range(count)]
        if number == FUNDED_CREATION_NUMBER:
            value = _FUNDED_CREATION_ETH * WEI_PER_ETHER
            signed.append(traffic.creation(self._sender, value, base_fee))
        if number == FAILED_WHALE_NUMBER:
            value = _FAILED_WHALE_ETH * WEI_PER_ETHER
            signed.append(traffic.failure(self._sender, value, base_fee))
        return signed
