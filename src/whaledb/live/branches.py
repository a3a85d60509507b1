"""What a node has beyond the stored chain: the blocks to store next, down to where they meet."""

from collections.abc import Callable

import msgspec

from typedsql.database import Database
from typedsql.errors import ConfigurationError
from whaledb.ingest.advancing import (
    MAX_REORGANISATION_BLOCKS,
    NodeBehind,
    ReorganisationRefused,
    find_shore,
    is_orphaned,
)
from whaledb.ingest.decoding import Block
from whaledb.ingest.transfers import ReadBlock
from whaledb.live.fetching import BlockReader, check_chain
from whaledb.live.outcome import FollowOptions
from whaledb.queries import blocks
from whaledb.rows import IngestCursor
from whaledb.rpc import BlockReference, ChainMoved, Node, NodeUnavailable


class Branch(msgspec.Struct, frozen=True):
    """The node's head, and the blocks to store next, lowest first; none if nothing is new."""

    head: BlockReference
    blocks: list[ReadBlock]


class BranchFinder:
    """Finds what to store next; `notice` is told what it waits for."""

    def __init__(
        self,
        db: Database,
        node: Node,
        options: FollowOptions,
        *,
        chain_id: int,
        notice: Callable[[str], None],
    ) -> None:
        self._db = db
        self._node = node
        self._options = options
        self._chain_id = chain_id
        self._notice = notice
        self._reader = BlockReader(
            node,
            chain_id=chain_id,
            min_value_eth=options.min_value_eth,
            traces=options.traces,
            on_notice=notice,
        )
        self._batch_blocks = options.batch_blocks
        self._awaited: int | None = None

    def be_careful(self) -> None:
        """After a failure: smaller batches, so that what comes before a bad block is stored."""
        self._batch_blocks = max(1, self._batch_blocks // 2)

    def be_bold(self) -> None:
        """After a success: larger batches again."""
        self._batch_blocks = min(self._options.batch_blocks, 2 * self._batch_blocks)

    async def find(self, cursor: IngestCursor | None) -> Branch:
        """The next blocks of the node's chain, at most a batch above where it meets ours.

        Raises:
            NodeBehind: the node's head is below the cursor.
            ReorganisationRefused: the chains meet below a finalised block, or too far back.
            BlockUnreadable, ChainMoved, NodeUnavailable: look again later.
            ConfigurationError: the node is of another chain by now.
        """
        head = await self._node.head()
        if cursor is not None and head.number < cursor.number:
            raise await self._behind(cursor, head)
        is_adrift = cursor is not None and await is_orphaned(self._db, cursor)
        if cursor is not None and head.hash == cursor.hash and not is_adrift:
            return Branch(head, [])
        branch = await self._fetch(cursor, head, is_adrift=is_adrift)
        if not branch:
            return Branch(head, [])
        if cursor is not None and branch[0].parent_hash != cursor.hash:
            # The node may have been replaced by another one: nothing goes for that.
            await check_chain(self._node, self._chain_id)
        met = await self._met(branch, is_adrift=is_adrift)
        return Branch(head, await self._reader.read(met))

    async def _behind(
        self, cursor: IngestCursor, head: BlockReference
    ) -> NodeBehind | ReorganisationRefused:
        stored = await blocks.get_canonical(self._db, chain_id=self._chain_id, number=head.number)
        is_other = stored is not None and stored.hash != head.hash
        if is_other and head.number == 0:
            return _other_genesis(self._chain_id)
        why = "was set back, or is on another branch" if is_other else "lags behind"
        return NodeBehind(
            f"the node's head is block {head.number}, block {cursor.number} is stored: nothing"
            f" was rolled back; the node {why}",
            head_number=head.number,
            stored_number=cursor.number,
        )

    async def _fetch(
        self, cursor: IngestCursor | None, head: BlockReference, *, is_adrift: bool
    ) -> list[Block]:
        """What follows the cursor on the node's chain; the head where nothing is above it.

        Where another stream orphaned the cursor's block, from its height on: that one, or the
        last one that is wanted, has to be stored again.
        """
        last_wanted = self._options.last_number
        if cursor is not None and is_adrift:
            first = cursor.number if last_wanted is None else min(cursor.number, last_wanted)
        elif cursor is not None and head.number == cursor.number:
            block = await self._reader.by_hash(head.hash)
            return [] if block is None else [block]
        elif cursor is not None:
            first = cursor.number + 1
        else:
            wanted = self._options.first_number
            if wanted is None and last_wanted is not None and last_wanted < head.number:
                raise ConfigurationError(
                    f"the stream is new and would begin at the node's head, block {head.number},"
                    f" which is above block {last_wanted}, where it is to end: say where to begin"
                )
            first = head.number if wanted is None else wanted
        if head.number < first:
            self._tell_awaited(first, head)
            return []
        last = min(head.number, first + self._batch_blocks - 1)
        if last_wanted is not None:
            last = min(last, last_wanted)
        linked: list[Block] = []
        for block in await self._reader.by_numbers(range(first, last + 1)):
            # Where the chain changed between two answers, the rest is fetched anew.
            if block is None or (linked and block.parent_hash != linked[-1].hash):
                break
            linked.append(block)
        if not linked:
            await self._require_still(head)
            raise NodeUnavailable(
                f"the node does not have block {first}, though its head is block {head.number}:"
                " it may have pruned it; name a node that keeps it, or begin a stream higher up"
            )
        return linked

    def _tell_awaited(self, first: int, head: BlockReference) -> None:
        if self._awaited != first:
            self._awaited = first
            self._notice(f"the node's head is block {head.number}: waiting for block {first}")

    async def _require_still(self, head: BlockReference) -> None:
        """Raises ChainMoved where the node's head is lower than it was."""
        if (await self._node.head()).number < head.number:
            raise ChainMoved(f"block {head.number} left the node's chain: read its head again")

    async def _met(self, branch: list[Block], *, is_adrift: bool) -> list[Block]:
        """The branch, longer by what lies between it and the stored chain.

        `is_adrift`: another stream orphaned the cursor's block and may have left the heights
        below it empty, so that they are walked through too.
        """
        walked: list[Block] = []
        lowest = branch[0]
        while lowest.number > 0:
            stored = await blocks.get_canonical(
                self._db, chain_id=self._chain_id, number=lowest.number - 1
            )
            if stored is not None and stored.hash == lowest.parent_hash:
                break
            if stored is None and not (
                is_adrift and await find_shore(self._db, self._chain_id, lowest.number) is not None
            ):
                break
            if stored is not None and stored.number == 0:
                raise _other_genesis(self._chain_id)
            if stored is not None and stored.finality == "finalised":
                raise ReorganisationRefused(
                    f"the node's chain leaves the stored one at or below block {stored.number},"
                    " which is finalised: nothing was rolled back; compare the node with others"
                )
            if len(walked) == MAX_REORGANISATION_BLOCKS:
                raise ReorganisationRefused(
                    f"the node's chain leaves the stored one more than"
                    f" {MAX_REORGANISATION_BLOCKS} blocks below block {branch[0].number}:"
                    " nothing was rolled back; compare the node with others"
                )
            parent = await self._reader.by_hash(lowest.parent_hash)
            if parent is None or parent.number != lowest.number - 1:
                raise ChainMoved(
                    f"the node does not have the parent of block {lowest.number} any more"
                )
            walked.append(parent)
            lowest = parent
        return [*reversed(walked), *branch]


def _other_genesis(chain_id: int) -> ReorganisationRefused:
    return ReorganisationRefused(
        f"the node's chain begins with another block 0 than the one stored for chain {chain_id}:"
        " it is another chain with the same number, such as a development node that was started"
        " anew; nothing was rolled back; name the right node, or a database for this one"
    )
