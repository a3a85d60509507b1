"""Made-up blocks, transactions and receipts in the form of Ethereum's JSON-RPC."""

import hashlib
import json
from typing import Any

WEI_PER_ETHER = 10**18
GENESIS_TIMESTAMP = 1_700_000_000

JSON = dict[str, Any]


def some_hash(*parts: object) -> str:
    """A hash that depends on nothing but its parts."""
    return "0x" + hashlib.sha256(repr(parts).encode()).hexdigest()


def some_address(*parts: object) -> str:
    return "0x" + hashlib.sha256(repr(parts).encode()).hexdigest()[:40]


def block_hash(number: int, fork: str = "") -> str:
    return some_hash("block", number, fork)


def transaction(name: str, /, *, ether: int = 0, wei: int = 0, **changes: object) -> JSON:
    """A transfer named by `name`; a change of None is null, of `...` removes the field."""
    made: JSON = {
        "hash": some_hash("transaction", name),
        "nonce": "0x1",
        "from": some_address("from", name),
        "to": some_address("to", name),
        "value": hex(ether * WEI_PER_ETHER + wei),
        "gas": "0x5208",
        "gasPrice": hex(20 * 10**9),
        "input": "0x",
    }
    return _changed(made, changes)


def block(
    number: int,
    transactions: list[Any] | None = None,
    /,
    *,
    fork: str = "",
    parent_fork: str = "",
    **changes: object,
) -> JSON:
    """Block `number` of a chain; another `fork` is another block at the same height."""
    own_hash = block_hash(number, fork)
    made: JSON = {
        "number": hex(number),
        "hash": own_hash,
        "parentHash": block_hash(number - 1, parent_fork),
        "timestamp": hex(GENESIS_TIMESTAMP + 12 * number),
        "miner": some_address("miner"),
        "transactions": [
            {"blockHash": own_hash, "blockNumber": hex(number), "transactionIndex": hex(i), **t}
            if isinstance(t, dict)
            else t
            for i, t in enumerate(transactions or [])
        ],
    }
    return _changed(made, changes)


def receipt(name: str, number: int, /, *, fork: str = "", **changes: object) -> JSON:
    """The receipt of transaction `name` in a block."""
    made: JSON = {
        "blockHash": block_hash(number, fork),
        "blockNumber": hex(number),
        "transactionHash": some_hash("transaction", name),
        "status": "0x1",
        "gasUsed": "0x5208",
        "logs": [],
    }
    return _changed(made, changes)


def reply(result: object) -> JSON:
    return {"jsonrpc": "2.0", "id": 1, "result": result}


def lines(*values: object) -> bytes:
    """NDJSON; bytes stand for themselves, so that a line can be broken."""
    return b"".join(
        (v if isinstance(v, bytes) else json.dumps(v, separators=(",", ":")).encode()) + b"\n"
        for v in values
    )


def _changed(made: JSON, changes: dict[str, object]) -> JSON:
    renamed = {name.rstrip("_"): value for name, value in changes.items()}
    made.update({name: value for name, value in renamed.items() if value is not ...})
    return {name: value for name, value in made.items() if renamed.get(name) is not ...}
