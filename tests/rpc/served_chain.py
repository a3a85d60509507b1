"""The methods of a node that has a small chain, for a fake node to answer with."""

from typing import Any

from tests.ingest.chain import JSON, block, block_hash, receipt, some_hash, transaction
from tests.rpc.fake_node import INVALID_PARAMS, Method, RpcError

HEAD = 5


class ServedChain:
    """Blocks 0 to HEAD, each with two transactions; `fork` is another chain of that length."""

    def __init__(self, fork: str = "") -> None:
        self.fork = fork

    def methods(self) -> dict[str, Method]:
        return {
            "eth_chainId": lambda: "0x89",
            "eth_getBlockByNumber": self.block_by_number,
            "eth_getBlockByHash": self.block_by_hash,
            "eth_getBlockReceipts": self.block_receipts,
            "eth_getTransactionReceipt": self.transaction_receipt,
            "trace_block": self.trace_block,
            "debug_traceBlockByHash": self.debug_trace,
        }

    def hash(self, number: int) -> str:
        return block_hash(number, self.fork)

    @staticmethod
    def transaction_hashes(number: int) -> list[str]:
        return [some_hash("transaction", name) for name in _names(number)]

    def block_by_number(self, number: str, full: bool) -> JSON | None:
        tags = {"latest": HEAD, "safe": HEAD - 2, "finalized": HEAD - 4}
        wanted = tags[number] if number in tags else int(number, 16)
        return self._block(wanted, full) if wanted <= HEAD else None

    def block_by_hash(self, hash: str, full: bool) -> JSON | None:
        number = self._number(hash)
        return None if number is None else self._block(number, full)

    def block_receipts(self, which: str) -> list[JSON] | None:
        number = self._number(which) if len(which) == 66 else int(which, 16)
        if number is None or number > HEAD:
            return None
        return [receipt(name, number, fork=self.fork) for name in _names(number)]

    def block_receipts_by_number_only(self, which: str) -> list[JSON] | None:
        if len(which) == 66:
            raise RpcError(INVALID_PARAMS)
        return self.block_receipts(which)

    def transaction_receipt(self, hash: str) -> JSON | None:
        for number in range(HEAD + 1):
            for name in _names(number):
                if some_hash("transaction", name) == hash:
                    return receipt(name, number, fork=self.fork)
        return None

    def trace_block(self, number: str) -> list[JSON]:
        return [
            {"blockHash": self.hash(int(number, 16)), "transactionHash": its, "traceAddress": []}
            for its in self.transaction_hashes(int(number, 16))
        ]

    def debug_trace(self, hash: str, options: JSON) -> list[JSON]:
        assert options == {"tracer": "callTracer"}
        number = self._number(hash)
        if number is None:
            raise RpcError(-32000)
        return [{"txHash": its, "result": {}} for its in self.transaction_hashes(number)]

    def _number(self, hash: str) -> int | None:
        return next((n for n in range(HEAD + 1) if self.hash(n) == hash), None)

    def _block(self, number: int, full: bool) -> JSON:
        made: list[Any] = [transaction(name, ether=1) for name in _names(number)]
        if not full:
            made = [each["hash"] for each in made]
        return block(number, made, fork=self.fork, parent_fork=self.fork)


def _names(number: int) -> list[str]:
    return [f"{number} a", f"{number} b"]
