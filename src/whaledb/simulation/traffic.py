"""Who sends what to whom: signed transactions, not yet in a block.

Ether is counted in wei, gas prices in wei. Nothing here knows of blocks or of JSON.
"""

import hashlib
from collections import defaultdict
from typing import Final

import msgspec

from whaledb.simulation.draws import Draws

WEI_PER_ETHER: Final = 10**18
WEI_PER_GWEI: Final = 10**9
TRANSFER_GAS: Final = 21_000

LEGACY: Final = 0
ACCESS_LIST: Final = 1
DYNAMIC_FEE: Final = 2
SET_CODE: Final = 4

# Of a thousand transactions so many fall below each bound, and the rest is whales.
_CREATIONS: Final = 12
_CALLS: Final = 380
_SMALL_TRANSFERS: Final = 950
_KINDS: Final = 1_000

# How many whales of a hundred are worth at most so many ether.
_WHALE_BANDS: Final = ((78, 100, 1_000), (97, 1_000, 5_000), (100, 5_000, 25_000))
_PEOPLE: Final = 600
_WHALES: Final = 24
_CONTRACTS: Final = 12


def account(*parts: object, prefix: str = "") -> str:
    """An address that depends on its parts alone; `prefix` is how its digits begin."""
    digits = hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()
    return "0x" + (prefix + digits)[:40]


# Their digits begin so that a reader knows them again.
EXCHANGES: Final = tuple(
    account("exchange", prefix, prefix=prefix) for prefix in ("cafe", "beef", "feed", "deed")
)


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A signed transaction and what comes of running it.

    `to` is None for a contract creation. `max_fee` is what the sender pays at most for a
    unit of gas, `tip` what the block's producer gets of it. `topics` are those of the one
    log it writes, none without a log.
    """

    hash: str
    kind: int
    sender: str
    nonce: int
    to: str | None
    value: int
    input: str
    gas_limit: int
    gas_used: int
    succeeded: bool
    max_fee: int
    tip: int
    y_parity: int
    r: str
    s: str
    access_list: tuple[tuple[str, tuple[str, ...]], ...] = ()
    authorisations: tuple[tuple[str, int, int, str, str], ...] = ()
    topics: tuple[str, ...] = ()
    data: str = "0x"


class Traffic:
    """Makes transactions in the order in which they are sent."""

    def __init__(self, seed: int) -> None:
        self._draws = Draws("traffic", seed)
        self._nonces: defaultdict[str, int] = defaultdict(int)
        self._people = [account(seed, "person", n) for n in range(_PEOPLE)]
        self._contracts = [account(seed, "contract", n) for n in range(_CONTRACTS)]
        self.whales = [account(seed, "whale", n) for n in range(_WHALES)]

    def next(self, base_fee: int) -> Signed:
        """One more transaction, as people and whales send them."""
        draws = self._draws
        kind = draws.below(_KINDS)
        if kind < _CREATIONS:
            return self.creation(draws.pick(self._people), 0, base_fee)
        if kind < _CALLS:
            return self._call(base_fee)
        if kind < _SMALL_TRANSFERS:
            sender = draws.pick(self._people)
            to = draws.pick(EXCHANGES) if draws.one_in(4) else draws.pick(self._people)
            return self.transfer(sender, to, self._small_value(), base_fee)
        return self._whale(base_fee)

    def transfer(self, sender: str, to: str, value: int, base_fee: int) -> Signed:
        """Ether from one account to another."""
        return self._signed(sender, base_fee, to=to, value=value, gas_limit=TRANSFER_GAS)

    def creation(self, sender: str, value: int, base_fee: int) -> Signed:
        """A new contract, which is given ether."""
        code = "".join(self._draws.octets(32).hex() for _ in range(self._draws.between(4, 12)))
        gas_used = self._draws.between(180_000, 900_000)
        return self._signed(
            sender,
            base_fee,
            to=None,
            value=value,
            input="0x6080604052" + code,
            gas_limit=gas_used * 12 // 10,
            gas_used=gas_used,
        )

    def failure(self, sender: str, value: int, base_fee: int) -> Signed:
        """A call that is to move ether, runs out of gas and moves nothing."""
        return self._signed(
            sender,
            base_fee,
            to=self._draws.pick(self._contracts),
            value=value,
            input="0xd0e30db0",
            gas_limit=60_000,
            succeeded=False,
        )

    def cancellation(self, of: Signed, base_fee: int) -> Signed:
        """What a sender puts in the place of a transaction: same nonce, nothing to oneself."""
        signed = self._signed(of.sender, base_fee, to=of.sender, value=0, gas_limit=TRANSFER_GAS)
        self._nonces[of.sender] -= 1
        return msgspec.structs.replace(signed, nonce=of.nonce)

    def _whale(self, base_fee: int) -> Signed:
        draws = self._draws
        share = draws.below(100)
        least, most = next((low, high) for bound, low, high in _WHALE_BANDS if share < bound)
        value = draws.low_between(least * WEI_PER_ETHER, most * WEI_PER_ETHER)
        # Whoever moves that much often types a round figure.
        if draws.one_in(3):
            value -= value % (10 * WEI_PER_ETHER)
        whale, exchange = draws.pick(self.whales), draws.pick(EXCHANGES)
        # Half leaves an exchange, a third goes to one, and the rest passes between whales.
        route = draws.below(6)
        if route < 3:
            return self.transfer(exchange, whale, value, base_fee)
        if route < 5:
            return self.transfer(whale, exchange, value, base_fee)
        return self.transfer(whale, draws.pick(self.whales), value, base_fee)

    def _call(self, base_fee: int) -> Signed:
        draws = self._draws
        gas_used = draws.between(28_000, 190_000)
        contract = draws.pick(self._contracts)
        succeeded = not draws.one_in(12)
        amount = draws.octets(32).hex()
        return self._signed(
            draws.pick(self._people),
            base_fee,
            to=contract,
            value=self._small_value() if draws.one_in(2) else 0,
            input="0xa9059cbb" + "00" * 12 + account(amount)[2:] + amount,
            gas_limit=gas_used * 13 // 10 if succeeded else gas_used,
            gas_used=gas_used,
            succeeded=succeeded,
            topics=(draws.word(), draws.word()) if succeeded else (),
            data="0x" + amount if succeeded else "0x",
        )

    def _small_value(self) -> int:
        draws = self._draws
        milli = WEI_PER_ETHER // 1000
        bands = ((1, 1_000), (1, 1_000), (1, 1_000), (1_000, 10_000), (10_000, 99_000))
        first, last = draws.pick(bands)
        value = draws.low_between(first * milli, last * milli)
        return value if draws.one_in(3) else value - value % milli

    def _signed(
        self,
        sender: str,
        base_fee: int,
        *,
        to: str | None,
        value: int,
        gas_limit: int,
        gas_used: int | None = None,
        input: str = "0x",
        succeeded: bool = True,
        topics: tuple[str, ...] = (),
        data: str = "0x",
    ) -> Signed:
        draws = self._draws
        kind = self._kind(input)
        tip = draws.between(1, 20) * WEI_PER_GWEI // 10
        # Old kinds pay what they bid, which the next block's base fee must not pass; the newer
        # ones pay what the block asks and leave it room.
        max_fee = tip + (base_fee * 2 if kind in (DYNAMIC_FEE, SET_CODE) else base_fee * 9 // 8)
        nonce = self._nonces[sender]
        self._nonces[sender] += 1
        touched = kind in (ACCESS_LIST, DYNAMIC_FEE) and len(input) > 2 and to is not None
        return Signed(
            hash=draws.word(),
            kind=kind,
            sender=sender,
            nonce=nonce,
            to=to,
            value=value,
            input=input,
            gas_limit=gas_limit,
            gas_used=gas_limit if gas_used is None else gas_used,
            succeeded=succeeded,
            max_fee=max_fee,
            tip=tip,
            y_parity=draws.below(2),
            r=draws.quantity(),
            s=draws.quantity(),
            access_list=((to, (draws.word(),)),) if touched and to else (),
            authorisations=(self._authorisation(),) if kind == SET_CODE else (),
            topics=topics,
            data=data,
        )

    def _kind(self, input: str) -> int:
        """Mostly the kind with a dynamic fee; the others as rare as they have become."""
        share = self._draws.below(100)
        if share < 18:
            return LEGACY
        if len(input) > 2 and share < 24:
            return ACCESS_LIST
        if len(input) == 2 + 2 * 68 and share < 27:
            return SET_CODE
        return DYNAMIC_FEE

    def _authorisation(self) -> tuple[str, int, int, str, str]:
        """Contract, nonce, parity and signature of an account that takes on a contract's code."""
        draws = self._draws
        contract = draws.pick(self._contracts)
        return contract, draws.below(50), draws.below(2), draws.quantity(), draws.quantity()
