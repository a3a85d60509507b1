"""The calls of one transaction, and which of them moved ether.

Every tracer's records become `Call`s; what follows from them is decided here alone, so a
transaction has the same internal transfers whichever tracer told of it.

A call moved ether if it is a call, a contract creation or a self-destruct with a value, is
not the top level (which is the transaction itself), and neither it nor a call around it
failed. A delegatecall shows the value of the call around it, a callcode pays its own
account and a staticcall has no value: these three move nothing.

A transfer is named by its trace path, which is part of its row's key. So the calls are
numbered as Parity and OpenEthereum do, whatever else a tracer records:

- A call below the top level to a precompiled contract counts only if it transfers a value.
  OpenEthereum, ethcore/machine/src/executive.rs: "Trace only top level calls and calls with
  balance transfer to builtins". Nethermind's ParityLikeTxTracer, Erigon's trace_adhoc and
  reth's revm-inspectors (`is_precompile_call`) do the same; geth's callTracer and anvil's
  trace_block record all of them.
- A call that was never entered, because the balance or the depth did not allow it, does
  not count. OpenEthereum had no trace of it; geth since 1.14 (core/vm/evm.go calls the
  tracer before it checks) and revm record it with an error.
"""

from bisect import bisect_left
from collections import defaultdict
from decimal import Decimal
from typing import Final

import msgspec

from whaledb.wire.quantities import Unreadable, ether_from_wei

# The EVM stops at 1024 calls within another; a self-destruct in the innermost is one more.
MAX_TRACE_DEPTH: Final = 1_025

# 0x01 to 0x11 as of Prague, and 0x100 (secp256r1) of Osaka and RIP-7212. A call without
# value to one of them before its fork is taken as a call to it: it moves nothing, and only
# the numbers of the calls beside it depend on it, alike for every tracer.
_PRECOMPILES: Final = frozenset(f"0x{number:040x}" for number in [*range(0x01, 0x12), 0x100])

# geth and Erigon; "Insufficient balance for transfer" and "CallTooDeep" are revm's.
_NEVER_ENTERED: Final = frozenset(
    {"insufficient balance for transfer", "max call depth exceeded", "calltoodeep"}
)

Path = tuple[int, ...]


class InternalTransfer(msgspec.Struct, frozen=True, gc=False):
    """Ether that a call, a creation or a self-destruct within a transaction moved.

    `trace_path` is the way to it from the top level, each step's position among the calls
    of one, counted from 0 and joined by "_", such as 0_1_2; never empty.
    """

    trace_path: str
    from_address: str
    to_address: str
    value_eth: Decimal


class TransactionTrace(msgspec.Struct, frozen=True):
    """What the traces of one transaction tell. `succeeded`: its top-level call did not fail.

    The transfers are in the order in which the calls began; none if it failed.
    """

    succeeded: bool
    transfers: tuple[InternalTransfer, ...]


class Move(msgspec.Struct, frozen=True, gc=False):
    """What one call moves if it and those around it succeed."""

    from_address: str
    to_address: str
    value_wei: int


class Call(msgspec.Struct, frozen=True, gc=False):
    """One call as a tracer recorded it, at its own number; `calls` are directly within it."""

    path: Path
    calls: int
    failed: bool
    counted: bool
    move: Move | None


def is_counted(
    *, kind: str, to_address: str | None, value_wei: int, error: str | None, calls: int
) -> bool:
    """Whether Parity gives a call below the top level a number. `kind` is in lower case."""
    if calls:
        return True
    if error is not None and error.lower() in _NEVER_ENTERED:
        return False
    transfers = kind in ("call", "callcode") and value_wei > 0
    return transfers or to_address not in _PRECOMPILES


class CallTree:
    """Gathers the calls of one transaction, in any order; keeps those that matter."""

    def __init__(self) -> None:
        # Calls that were told of and not given yet, by the call around them; below 0 where
        # those within came first.
        self._outstanding: dict[Path, int] = {}
        self._has_top_level = False
        self._moves: dict[Path, Move] = {}
        self._failed: set[Path] = set()
        # Positions among the calls of one that Parity does not number.
        self._uncounted: defaultdict[Path, list[int]] = defaultdict(list)
        self._uncounted_calls = 0

    def __len__(self) -> int:
        """How many calls it holds on to."""
        held = len(self._outstanding) + len(self._moves)
        return held + len(self._failed) + self._uncounted_calls

    def add(self, call: Call) -> None:
        """Takes in one call.

        Raises:
            Unreadable: it lies deeper than a call can, or an earlier one is at its place.
        """
        if len(call.path) > MAX_TRACE_DEPTH:
            raise Unreadable(f"the call is more than {MAX_TRACE_DEPTH} calls deep")
        is_top_level = not call.path
        if call.path in self._moves or (is_top_level and self._has_top_level):
            raise Unreadable("an earlier trace of the transaction is at the same place")
        self._expect(call.path, call.calls)
        if call.failed:
            self._failed.add(call.path)
        if is_top_level:
            self._has_top_level = True
            return
        self._expect(call.path[:-1], -1)
        if not call.counted:
            self._uncounted[call.path[:-1]].append(call.path[-1])
            self._uncounted_calls += 1
        elif call.move is not None and not call.failed:
            self._moves[call.path] = call.move

    def _expect(self, path: Path, more: int) -> None:
        outstanding = self._outstanding.pop(path, 0) + more
        if outstanding:
            self._outstanding[path] = outstanding

    def trace(self) -> TransactionTrace:
        """What follows from all the calls.

        Raises:
            Unreadable: calls are missing, and one of them might be a failed one.
        """
        if not self._has_top_level:
            raise Unreadable("the trace of the transaction's top level is missing")
        if self._outstanding:
            raise Unreadable(
                "the transaction's traces are not whole: some are missing or given twice, as"
                " their subtraces tell"
            )
        for positions in self._uncounted.values():
            positions.sort()
        succeeded = () not in self._failed
        places: dict[Path, str | None] = {(): "" if succeeded else None}
        transfers: list[InternalTransfer] = []
        for path, move in sorted(self._moves.items()):
            trace_path = self._place(path, places)
            if trace_path is not None:
                value_eth = ether_from_wei(move.value_wei)
                transfers.append(
                    InternalTransfer(trace_path, move.from_address, move.to_address, value_eth)
                )
        return TransactionTrace(succeeded, tuple(transfers))

    def _place(self, path: Path, places: dict[Path, str | None]) -> str | None:
        """The trace path of a call, None if it or one around it failed.

        `places` holds those that were found before, so that a call that thousands of
        others are within is looked at once.
        """
        unknown: list[Path] = []
        while path not in places:
            unknown.append(path)
            path = path[:-1]
        place = places[path]
        for path in reversed(unknown):
            if place is not None:
                place = None if path in self._failed else self._step(place, path)
            places[path] = place
        return place

    def _step(self, place: str, path: Path) -> str:
        *_, position = path
        number = position - bisect_left(self._uncounted.get(path[:-1], ()), position)
        return f"{place}_{number}" if place else str(number)
