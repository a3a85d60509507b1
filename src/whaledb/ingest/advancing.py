"""The live stream: what a node holds for the chain becomes what is stored, in one step.

A branch is a run of blocks, each the parent of the next, that starts right above a stored
canonical block, the common ancestor, or where nothing is stored below. Storing it orphans
what contradicts it, so that the stored chain is the node's as far as the branch goes.
"""

import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from typedsql.database import Database, Transaction
from typedsql.errors import CodeError, OperatorError
from whaledb import rows
from whaledb.ingest.attempts import Attempt, ExclusiveNeeded, LookAgain, attempt
from whaledb.ingest.claims import Claim
from whaledb.ingest.transfers import ReadBlock
from whaledb.ingest.writing import (
    MAX_BLOCKS_AT_ONCE,
    BlockKey,
    BlockWriter,
    Stored,
    check_same,
)
from whaledb.queries import blocks, ingest_cursors

MAX_REORGANISATION_BLOCKS: Final = 1024
"""Blocks that one step orphans at most; a deeper change is no reorganisation but a mistake."""


class ReorganisationRefused(OperatorError):
    """The node contradicts what is settled here: one of the two is not the chain."""


class NodeBehind(LookAgain):
    """The node's head is lower than what is stored and contradicts it: it has to catch up.

    Nothing was stored. `head_number` is the node's, `stored_number` the highest block here
    that the branch contradicts.
    """

    def __init__(self, message: str, *, head_number: int, stored_number: int) -> None:
        super().__init__(message)
        self.head_number = head_number
        self.stored_number = stored_number


class AncestorReplaced(LookAgain):
    """The block that the branch starts from is not the stored one: find where they meet."""


class Advanced(msgspec.Struct, frozen=True):
    """What a step did: `stored` for each block of the branch, in its order.

    `orphaned` and `revived` are the blocks that left the chain and came back, lowest first.
    """

    stored: tuple[Stored, ...]
    orphaned: tuple[BlockKey, ...]
    revived: tuple[BlockKey, ...]
    alerts_fired: int


class ChainWriter:
    """Writes the live stream that `claim` is for.

    Transfers worth less than `min_value_eth` are left out. `match_alerts`: whether rows that
    are added, or become canonical again, fire alerts.
    """

    def __init__(
        self, db: Database, *, claim: Claim, min_value_eth: Decimal, match_alerts: bool = True
    ) -> None:
        self._db = db
        self._claim = claim
        self._chain_id = claim.chain_id
        self._writer = BlockWriter(
            source=claim.stream,
            chain_id=claim.chain_id,
            min_value_eth=min_value_eth,
            match_alerts=match_alerts,
        )

    async def advance(self, branch: Sequence[ReadBlock], *, head_number: int) -> Advanced:
        """Makes a branch the stored chain, in one transaction with the cursor.

        `head_number` is the height of the node's head. The cursor ends at the branch's tip
        unless it names a canonical block at or above it. A branch that is stored already
        changes nothing.

        Raises:
            StreamTaken: another writer took the stream over.
            NodeBehind: a stored block above the node's head would have to be orphaned.
            ReorganisationRefused: a finalised block would have to be orphaned, or more than
                `MAX_REORGANISATION_BLOCKS`.
            AncestorReplaced: another block is stored right below the branch.
            DataError: a block of the branch is stored with another content.
            CodeError: the branch is empty, too long or no branch.
            TransientError: other writers got in the way too often.
        """
        _check_branch(branch)
        return await attempt(
            self._db, lambda tx, how: self._advance(tx, how, branch, head_number=head_number)
        )

    async def _advance(
        self, tx: Transaction, how: Attempt, branch: Sequence[ReadBlock], *, head_number: int
    ) -> Advanced:
        first, tip = branch[0].block, branch[-1].block
        await self._claim.renew(tx)
        await how.lock(
            tx, chain_id=self._chain_id, first_number=first.number, last_number=tip.number
        )
        cursor = await ingest_cursors.get(tx, stream=self._claim.stream, chain_id=self._chain_id)
        await self._check_ancestor(tx, branch, cursor)
        displaced = await self._find_displaced(tx, branch, cursor, head_number)
        known = await self._find_known(tx, branch)
        orphaned = [BlockKey(row.number, row.hash) for row in displaced]
        revived = [BlockKey(row.number, row.hash) for row in known.values() if not row.canonical]
        if (orphaned or revived) and not how.may_orphan:
            raise ExclusiveNeeded
        unsettled: list[BlockKey] = []
        await self._writer.orphan(tx, orphaned, unsettled=unsettled)
        await self._writer.restore(tx, revived, unsettled=unsettled)
        stored = [
            await self._writer.write_canonical(
                tx,
                read,
                row_by_row=how.row_by_row,
                unsettled=unsettled,
            )
            for read in branch
        ]
        refired = await self._writer.fire_revived(tx, revived)
        await self._writer.settle(tx, unsettled)
        await self._move_cursor(tx, branch, cursor, orphaned)
        # The lease counts from here: the transaction may have taken most of the last one.
        await self._claim.renew(tx)
        fired = refired + sum(each.alerts_fired for each in stored)
        return Advanced(tuple(stored), tuple(orphaned), tuple(revived), fired)

    async def _check_ancestor(
        self, tx: Transaction, branch: Sequence[ReadBlock], cursor: rows.IngestCursor | None
    ) -> None:
        first = branch[0].block
        if first.number == 0:
            return
        below = await blocks.get_canonical(tx, chain_id=self._chain_id, number=first.number - 1)
        if below is None:
            is_adrift = cursor is not None and await is_orphaned(tx, cursor)
            if is_adrift and await find_shore(tx, self._chain_id, first.number) is not None:
                raise AncestorReplaced(
                    f"block {first.number - 1} of chain {self._chain_id} is not stored any more:"
                    " another stream left the chain below it; find where the two chains meet"
                )
            return
        if below.hash != first.parent_hash:
            raise AncestorReplaced(
                f"block {first.number - 1} of chain {self._chain_id} is not the parent of the "
                f"node's block {first.number}: find the block where the two chains meet"
            )

    async def _find_displaced(
        self,
        tx: Transaction,
        branch: Sequence[ReadBlock],
        cursor: rows.IngestCursor | None,
        head_number: int,
    ) -> list[rows.DisplacedBlock]:
        """The stored blocks that cannot stay beside the branch, if they may go at all."""
        first, tip = branch[0].block, branch[-1].block
        displaced = await self._list_displaced(tx, branch, last_number=tip.number)
        if displaced and cursor is not None and cursor.number > tip.number:
            above = await blocks.get_canonical(tx, chain_id=self._chain_id, number=tip.number + 1)
            if above is None or above.parent_hash != tip.hash:
                # The chain that the stream was on is left: also what lies beyond a gap of it.
                displaced = await self._list_displaced(tx, branch, last_number=cursor.number)
        if not displaced:
            return displaced
        highest = displaced[-1].number
        if highest > head_number:
            raise NodeBehind(
                f"the node's head is block {head_number} of chain {self._chain_id}, and up to "
                f"block {highest} is stored of a chain that it does not hold: it has to catch up",
                head_number=head_number,
                stored_number=highest,
            )
        if displaced[0].number == 0:
            raise ReorganisationRefused(
                f"the node holds another block 0 of chain {self._chain_id} than the one stored,"
                " and no reorganisation replaces that: it is another chain with the same number,"
                " such as a development node that was started anew; name the right node"
            )
        settled = [row.number for row in displaced if row.finality == "finalised"]
        if settled:
            raise ReorganisationRefused(
                f"the node holds another block {first.number} of chain {self._chain_id}, and "
                f"block {settled[-1]} is stored as finalised: one of the two is not the chain;"
                " see whether the node follows the right network, and ask another one"
            )
        if len(displaced) > MAX_REORGANISATION_BLOCKS:
            raise ReorganisationRefused(
                f"from block {first.number} of chain {self._chain_id} on the node holds other "
                f"blocks, and more than {MAX_REORGANISATION_BLOCKS} stored ones would be "
                "orphaned: see whether the node follows the right network, and ask another one"
            )
        return displaced

    async def _list_displaced(
        self, tx: Transaction, branch: Sequence[ReadBlock], *, last_number: int
    ) -> list[rows.DisplacedBlock]:
        first, tip = branch[0].block, branch[-1].block
        return await blocks.list_displaced(
            tx,
            chain_id=self._chain_id,
            after_number=first.number - 1,
            last_number=last_number,
            tip_number=tip.number,
            tip_hash=tip.hash,
            kept_hashes=[read.block.hash for read in branch],
            max_rows=MAX_REORGANISATION_BLOCKS + 1,
        )

    async def _find_known(
        self, tx: Transaction, branch: Sequence[ReadBlock]
    ) -> dict[str, rows.Block]:
        found = await blocks.list_known(
            tx, chain_id=self._chain_id, hashes=[read.block.hash for read in branch]
        )
        known = {row.hash: row for row in found}
        for read in branch:
            if read.block.hash in known:
                check_same(known[read.block.hash], read.block)
        return known

    async def _move_cursor(
        self,
        tx: Transaction,
        branch: Sequence[ReadBlock],
        cursor: rows.IngestCursor | None,
        orphaned: Sequence[BlockKey],
    ) -> None:
        tip = branch[-1].block
        if (
            cursor is not None
            and cursor.number >= tip.number
            and cursor.hash not in {key.hash for key in orphaned}
        ):
            # Another stream may have orphaned the block that the cursor names.
            named = await blocks.get(tx, chain_id=self._chain_id, hash=cursor.hash)
            if named is not None and named.canonical:
                return
        await ingest_cursors.move(
            tx,
            stream=self._claim.stream,
            chain_id=self._chain_id,
            number=tip.number,
            hash=tip.hash,
        )


async def is_orphaned(db: Database | Transaction, cursor: rows.IngestCursor) -> bool:
    """Whether the block that a cursor names is not canonical: another stream left it."""
    named = await blocks.get(db, chain_id=cursor.chain_id, hash=cursor.hash)
    return named is None or not named.canonical


async def find_shore(db: Database | Transaction, chain_id: int, number: int) -> rows.Block | None:
    """The next canonical block below a height from which a stream that is adrift goes on.

    None where there is none within `MAX_REORGANISATION_BLOCKS`: what is stored begins
    above, or below a gap that no reorganisation made.
    """
    found = await blocks.list_recent(db, chain_id=chain_id, before_number=number, max_rows=1)
    if not found or number - found[0].number > MAX_REORGANISATION_BLOCKS:
        return None
    return found[0]


def _check_branch(branch: Sequence[ReadBlock]) -> None:
    if not 1 <= len(branch) <= MAX_BLOCKS_AT_ONCE:
        raise CodeError(f"a branch has 1 to {MAX_BLOCKS_AT_ONCE} blocks, this one {len(branch)}")
    for lower, upper in itertools.pairwise(branch):
        if (lower.block.number + 1, lower.block.hash) != (
            upper.block.number,
            upper.block.parent_hash,
        ):
            raise CodeError(
                f"block {upper.block.number} of the branch is not the child of the one before"
            )
