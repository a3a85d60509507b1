"""What following a node is asked for, and what it tells."""

from decimal import Decimal
from typing import Final

import msgspec

from typedsql.errors import ConfigurationError
from whaledb.ingest.claims import LEASE_S
from whaledb.ingest.tally import RowTally
from whaledb.ingest.transfers import DEFAULT_MIN_VALUE_ETH, check_threshold

DEFAULT_STREAM: Final = "live"
DEFAULT_BATCH_BLOCKS: Final = 20
MAX_BATCH_BLOCKS: Final = 200
DEFAULT_GIVE_UP_AFTER_S: Final = 600.0


class FollowOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to follow, and how.

    `chain_id` refuses a node of another chain; None takes the node's. A new stream begins
    at `first_number`, None for the node's head; one that has a cursor goes on behind it.
    Following ends once `last_number` is stored, None for never. Transfers worth at least
    `min_value_eth` ether are stored. `finalised_depth` is for nodes that do not know
    finalised blocks: so many blocks below the head count as finalised; None for none.
    """

    chain_id: int | None = None
    stream: str = DEFAULT_STREAM
    first_number: int | None = None
    last_number: int | None = None
    min_value_eth: Decimal = DEFAULT_MIN_VALUE_ETH
    traces: bool = False
    batch_blocks: int = DEFAULT_BATCH_BLOCKS
    finalised_depth: int | None = None
    give_up_after_s: float = DEFAULT_GIVE_UP_AFTER_S
    lease_s: float = LEASE_S


class FollowProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Where following stands after a step.

    `lag_blocks` are missing to the node's head; `lag_s` is the age of the last stored block
    by the clock of this machine, in seconds.
    """

    head_number: int
    stored_number: int
    stored_hash: str
    lag_blocks: int
    lag_s: float
    blocks: int
    transactions_written: int


class FollowSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What following did until it ended.

    `chain_id` is None where none was named and the run ended before the node told it.
    `stored_number` is the last block of the stream, None where none was stored yet.
    `reorganisations` replaced `blocks_orphaned` blocks; `blocks_revived` came back.
    `waits` were steps that had to be tried again: the node or the database was away.
    """

    chain_id: int | None
    stored_number: int | None
    blocks: int
    transactions_seen: int
    transactions_written: int
    already_present: int
    dead_letters: int
    reorganisations: int
    blocks_orphaned: int
    blocks_revived: int
    alerts_fired: int
    waits: int
    seconds: float


class FollowTally(RowTally):
    """What following counts; its fields are those of `FollowSummary`."""

    reorganisations: int = 0
    blocks_orphaned: int = 0
    blocks_revived: int = 0
    alerts_fired: int = 0
    waits: int = 0


def check_follow_options(options: FollowOptions) -> None:
    """Raises ConfigurationError for what can be told before there is a connection."""
    check_range(options.first_number, options.last_number, batch_blocks=options.batch_blocks)
    check_threshold(options.min_value_eth)
    if options.finalised_depth is not None and options.finalised_depth < 1:
        raise ConfigurationError("the depth at which blocks count as finalised has to be 1 or more")
    if not options.give_up_after_s >= 0:
        raise ConfigurationError("the seconds to wait for a node have to be 0 or more")


def check_range(first: int | None, last: int | None, *, batch_blocks: int) -> None:
    """Raises ConfigurationError where heights or the size of a batch cannot be used."""
    if not 1 <= batch_blocks <= MAX_BATCH_BLOCKS:
        raise ConfigurationError(f"a batch has to hold from 1 to {MAX_BATCH_BLOCKS} blocks")
    if (first is not None and first < 0) or (last is not None and last < (first or 0)):
        raise ConfigurationError(
            "the first block has to be 0 or higher, and the last no lower than the first"
        )


def unheard(_: str) -> None:
    """Stands for the callback of notices where nobody gave one."""
