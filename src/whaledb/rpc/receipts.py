"""Receipts of a block, by the best of the methods that a node has."""

from collections.abc import Sequence
from typing import Final, Literal

from whaledb.rpc.concurrency import each
from whaledb.rpc.errors import NodeRefused
from whaledb.rpc.messages import INVALID_PARAMETERS_CODE, UNKNOWN_BLOCK_CODES
from whaledb.rpc.reading import are_of_block, is_nothing, items, transaction_hash
from whaledb.rpc.requests import Requests
from whaledb.wire.quantities import Unreadable

# Receipts fetched one by one for a block, at the same time.
MAX_RECEIPT_REQUESTS: Final = 8

_MISSING_CODES: Final = frozenset({-32601, -32004})

Way = Literal["by hash", "by number", "one by one", "none"]
# The best first.
_WAYS: Final[tuple[Way, ...]] = ("by hash", "by number", "one by one", "none")


class ReceiptRequests:
    """Asks for receipts, and remembers which of the ways to ask the node has."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._way: Way = "by hash"

    async def fetch(
        self, block_hash: str, number: int, transaction_hashes: Sequence[str]
    ) -> list[bytes] | None:
        """See `Node.receipts`."""
        block_hash = block_hash.lower()
        wanted = [each_hash.lower() for each_hash in transaction_hashes]
        if not wanted:
            return []
        known: dict[str, bytes] = {}
        if self._way == "by hash":
            known = await self._of_block(block_hash, number, by=block_hash)
        if self._way == "by number":
            known = await self._of_block(block_hash, number, by=hex(number))
        missing = [wanted_hash for wanted_hash in wanted if wanted_hash not in known]
        if missing and self._way != "none":
            known |= await self._one_by_one(block_hash, number, missing)
        if self._way == "none":
            return None
        return [known[wanted_hash] for wanted_hash in wanted if wanted_hash in known]

    def _turn_to(self, way: Way) -> None:
        """Never back: blocks are asked for together, and one may have found more missing."""
        if _WAYS.index(way) > _WAYS.index(self._way):
            self._way = way

    async def _of_block(self, block_hash: str, number: int, *, by: str) -> dict[str, bytes]:
        """All receipts of a block, by transaction; none where the node cannot be asked so."""

        def read(result: bytes) -> dict[str, bytes] | None:
            if is_nothing(result):
                return None
            receipts = items(result, what="the receipts")
            if not are_of_block(receipts, block_hash):
                return None
            return {transaction_hash(receipt): bytes(receipt) for receipt in receipts}

        try:
            found = await self._requests.ask(
                "eth_getBlockReceipts", by, read=read, nothing_codes=UNKNOWN_BLOCK_CODES
            )
        except NodeRefused as refusal:
            # Some nodes take a height only.
            if refusal.code == INVALID_PARAMETERS_CODE and by == block_hash:
                self._turn_to("by number")
            elif refusal.code in _MISSING_CODES:
                self._turn_to("one by one")
            else:
                raise
            return {}
        if found is None:
            raise self._requests.moved(block_hash, number)
        return found

    async def _one_by_one(
        self, block_hash: str, number: int, hashes: Sequence[str]
    ) -> dict[str, bytes]:
        """The receipts of single transactions; those that the node does not have are left out."""

        async def ask(asked: str) -> tuple[bytes, bool] | None:
            def read(result: bytes) -> tuple[bytes, bool] | None:
                if is_nothing(result):
                    return None
                if transaction_hash(result) != asked:
                    raise Unreadable("it is the receipt of another transaction")
                return result, are_of_block([result], block_hash)

            return await self._requests.ask("eth_getTransactionReceipt", asked, read=read)

        try:
            receipts = await each(ask, hashes, at_once=MAX_RECEIPT_REQUESTS)
        except NodeRefused as refusal:
            if refusal.code not in _MISSING_CODES or self._way not in ("one by one", "none"):
                raise
            self._turn_to("none")
            return {}
        found = [receipt for receipt in receipts if receipt is not None]
        if not all(is_its for _, is_its in found):
            raise self._requests.moved(block_hash, number)
        if len(found) < len(hashes):
            await self._requests.require_canonical(block_hash, number)
        return {
            asked: receipt[0]
            for asked, receipt in zip(hashes, receipts, strict=True)
            if receipt is not None
        }
