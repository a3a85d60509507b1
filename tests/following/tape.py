"""Plays a chain back as a node would serve it, one head after the other.

A tape is recorded (shared/data/SOURCES.md) or made up: blocks, and the heads that the node
had of them in turn. In a recorded session each block that was asked for by number is a head
the node had at that moment; one asked for by hash came with the head after it. The player
has one head at a time, `reveal` moves it to the next, and it answers for the chain that ends
there: any order of questions may be asked of it. What it does not have, it does not have.
"""

import gzip
import json
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

JSON = dict[str, Any]
METHOD_NOT_FOUND = -32601


class Tape:
    """Every block of a session by hash, and the heads in the order the node had them.

    `receipts` are by transaction hash and `traces` by block hash; None where the node has no
    method for them.
    """

    def __init__(self, *, chain_id: int, heads: Sequence[JSON], blocks: Iterable[JSON]) -> None:
        self.chain_id = chain_id
        self.heads = list(heads)
        self.blocks: dict[str, JSON] = {block["hash"]: block for block in (*blocks, *heads)}
        self.receipts: dict[str, JSON] | None = None
        self.traces: dict[str, list[JSON]] | None = None

    @classmethod
    def recorded(cls, path: Path, *, chain_id: int) -> "Tape":
        heads: list[JSON] = []
        blocks: list[JSON] = []
        with gzip.open(path, "rt") as lines:
            for line in lines:
                exchange = json.loads(line)
                block = exchange["response"].get("result")
                method = exchange["request"]["method"]
                if method.startswith("eth_getBlockBy") and block is not None:
                    blocks.append(block)
                    if method == "eth_getBlockByNumber":
                        heads.append(block)
        return cls(chain_id=chain_id, heads=heads, blocks=blocks)

    def chain(self, head: JSON) -> dict[int, JSON]:
        """The chain that ends at a head, by number, as far down as the tape reaches."""
        found: dict[int, JSON] = {}
        block: JSON | None = head
        while block is not None:
            found[int(block["number"], 16)] = block
            block = self.blocks.get(block["parentHash"])
        return found


class Player:
    """A node whose head is the tape's `position`-th.

    `tags` are the heights it calls safe and finalized, `lacking` the ones it has pruned, and
    `spoiled` is what it shows at a height in place of the block.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.tags: dict[str, int] = {}
        self.lacking: range = range(0)
        self.spoiled: dict[int, JSON] = {}
        self.asked: list[str] = []
        self.url = ""
        self.on_later_look: Callable[[], object] = lambda: None
        self._looks = 0
        self._known: set[str] = set()
        self.rewind()

    @property
    def head(self) -> JSON:
        return self.tape.heads[self.position]

    @property
    def head_number(self) -> int:
        return int(self.head["number"], 16)

    def rewind(self) -> None:
        """Back to the first head, and to knowing only that."""
        self._known.clear()
        self._turn_to(0)

    def reveal(self) -> bool:
        """On to the next head; False where the tape is at its end."""
        if self.position + 1 == len(self.tape.heads):
            return False
        self._turn_to(self.position + 1)
        return True

    def _turn_to(self, position: int) -> None:
        self.position = position
        self._looks = 0
        self._chain = self.tape.chain(self.head)
        self._known |= {block["hash"] for block in self._chain.values()}

    def answer(self, method: str, params: list[Any]) -> Any:
        """The result of a request. Raises LookupError for what the tape cannot tell."""
        if method == "eth_chainId":
            return hex(self.tape.chain_id)
        if method == "eth_blockNumber":
            return self.head["number"]
        if method == "eth_getBlockByHash":
            return self._shown(self.tape.blocks[params[0]]) if params[0] in self._known else None
        if method == "eth_getBlockByNumber":
            if params[0] == "latest":
                return self._looked_at(full=params[1])
            block = self._at(params[0])
            return None if block is None else self._shown(block, full=params[1])
        if method == "eth_getBlockReceipts" and self.tape.receipts is not None:
            block = self.tape.blocks[params[0]]
            found = [self.tape.receipts.get(t["hash"]) for t in block["transactions"]]
            return [receipt for receipt in found if receipt is not None]
        if method == "eth_getTransactionReceipt" and self.tape.receipts is not None:
            return self.tape.receipts.get(params[0])
        if method == "trace_block" and self.tape.traces is not None:
            block = self._at(params[0])
            return None if block is None else self.tape.traces.get(block["hash"], [])
        raise LookupError(method)

    def _at(self, wanted: str) -> JSON | None:
        """The block that a tag or a height names."""
        is_tag = wanted in ("safe", "finalized")
        number = self.tags.get(wanted, -1) if is_tag else int(wanted, 16)
        if number in self.lacking:
            return None
        return self.spoiled.get(number, self._chain.get(number))

    def _looked_at(self, *, full: bool) -> JSON:
        shown = self._shown(self.head, full=full)
        self._looks += 1
        if self._looks >= 2:
            self.on_later_look()
        return shown

    @staticmethod
    def _shown(block: JSON, *, full: bool = True) -> JSON:
        if full:
            return block
        return {**block, "transactions": [t["hash"] for t in block["transactions"]]}

    async def handle(self, request: web.Request) -> web.Response:
        asked = await request.json()
        many = isinstance(asked, list)
        replies = [self._reply(one) for one in (asked if many else [asked])]
        return web.json_response(replies if many else replies[0])

    def _reply(self, asked: JSON) -> JSON:
        self.asked.append(asked["method"])
        reply: JSON = {"jsonrpc": "2.0", "id": asked["id"]}
        try:
            reply["result"] = self.answer(asked["method"], asked.get("params", []))
        except LookupError:
            reply["error"] = {"code": METHOD_NOT_FOUND, "message": "the method does not exist"}
        return reply


@asynccontextmanager
async def playing(tape: Tape) -> AsyncGenerator[Player]:
    """A player behind `player.url` until the block ends."""
    async with served(Player(tape)) as player:
        yield player


@asynccontextmanager
async def served(player: Player, *, port: int = 0) -> AsyncGenerator[Player]:
    """Has a player answer at a port, any free one if it is 0, until the block ends."""
    application = web.Application()
    application.router.add_post("/", player.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        host, port = runner.addresses[0][:2]
        player.url = f"http://{host}:{port}"
        yield player
    finally:
        await runner.cleanup()
