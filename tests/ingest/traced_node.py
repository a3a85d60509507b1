"""A block of transactions to `contracts`, mined and traced by a real node, and its record."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.ingest.chain import JSON, reply
from tests.ingest.contracts import (
    ALL_KINDS,
    ALL_KINDS_VALUE_WEI,
    CODE,
    CREATION_CODE,
    REVERTS,
    RICH,
)

DATA = Path(__file__).parent / "data"
CHAIN_ID = 31_337

NAMES = {
    "block": "traced-block.ndjson",
    "receipts": "traced-block-receipts.ndjson",
    "parity": "traced-block-parity.ndjson",
    "geth": "traced-block-geth.ndjson",
}


def traced_block(call: Callable[..., Any]) -> dict[str, JSON]:
    """Mines one block of three transactions; its replies by the keys of `NAMES`.

    `call(method, *parameters)` gives a method's result, of an anvil that does not mine by
    itself. The transactions: to ALL_KINDS, which succeeds; to REVERTS, which fails; a
    creation.
    """
    for address, code in CODE.items():
        call("anvil_setCode", address, "0x" + code)
    common = {"from": RICH, "gas": hex(3_000_000), "gasPrice": hex(3 * 10**9)}
    for transaction in (
        {"to": ALL_KINDS, "value": hex(ALL_KINDS_VALUE_WEI)},
        {"to": REVERTS, "value": "0x14"},
        {"data": "0x" + CREATION_CODE, "value": "0x15"},
    ):
        call("eth_sendTransaction", {**common, **transaction})
    call("evm_mine")
    block = call("eth_getBlockByNumber", "latest", True)
    tracer = {"tracer": "callTracer"}
    results = {
        "block": block,
        "receipts": call("eth_getBlockReceipts", block["number"]),
        "parity": call("trace_block", block["number"]),
        "geth": call("debug_traceBlockByHash", block["hash"], tracer),
    }
    return {key: reply(result) for key, result in results.items()}


def recorded() -> dict[str, JSON]:
    """What anvil 1.7.1 replied, as `traced_block` gave it when the data was written."""
    return {key: json.loads((DATA / name).read_bytes()) for key, name in NAMES.items()}
