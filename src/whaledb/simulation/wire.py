"""Blocks, transactions and receipts as Ethereum's JSON-RPC writes them since Prague.

Fields and forms are those of the execution APIs' specification and its recorded replies:
quantities in hexadecimal without leading zeros, data in full length, all in lower case.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from whaledb.simulation.draws import Draws
from whaledb.simulation.traffic import LEGACY, SET_CODE, Signed, account

JSON = dict[str, Any]

CHAIN_ID: Final = 1337
"""The number that development chains use, so that no simulated row is taken for mainnet's."""

GAS_LIMIT: Final = 36_000_000
BLOOM_BYTES: Final = 256

# Of what a block has none: uncles since the merge, requests and withdrawals here.
_NO_UNCLES: Final = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"
_EMPTY_TREE: Final = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
_NO_REQUESTS: Final = "0x" + hashlib.sha256(b"").hexdigest()
_HEADER_BYTES: Final = 640
_TRANSACTION_BYTES: Final = 120


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a block's parts say of it. `timestamp` is seconds since 1970, `base_fee` wei."""

    number: int
    hash: str
    parent_hash: str
    timestamp: int
    base_fee: int


def block(header: Header, transactions: Sequence[Signed], *, seed: int) -> JSON:
    """A block with full transactions, as eth_getBlockByNumber gives it with true."""
    draws = Draws("header", seed, header.hash)
    blooms = [_bloom(signed) for signed in transactions]
    size = sum(_TRANSACTION_BYTES + len(signed.input) // 2 for signed in transactions)
    return {
        "baseFeePerGas": hex(header.base_fee),
        "blobGasUsed": "0x0",
        "difficulty": "0x0",
        "excessBlobGas": "0x0",
        "extraData": "0x" + b"simulated".hex(),
        "gasLimit": hex(GAS_LIMIT),
        "gasUsed": hex(sum(signed.gas_used for signed in transactions)),
        "hash": header.hash,
        "logsBloom": _hex_bloom(blooms),
        "miner": account(seed, "producer", draws.below(8)),
        "mixHash": draws.word(),
        "nonce": "0x" + "00" * 8,
        "number": hex(header.number),
        "parentBeaconBlockRoot": draws.word(),
        "parentHash": header.parent_hash,
        "receiptsRoot": draws.word() if transactions else _EMPTY_TREE,
        "requestsHash": _NO_REQUESTS,
        "sha3Uncles": _NO_UNCLES,
        "size": hex(_HEADER_BYTES + size),
        "stateRoot": draws.word(),
        "timestamp": hex(header.timestamp),
        "transactions": [
            transaction(header, signed, index) for index, signed in enumerate(transactions)
        ],
        "transactionsRoot": draws.word() if transactions else _EMPTY_TREE,
        "uncles": [],
        "withdrawals": [],
        "withdrawalsRoot": _EMPTY_TREE,
    }


def transaction(header: Header, signed: Signed, index: int) -> JSON:
    """A transaction in its block; gasPrice is what it pays there."""
    made: JSON = {
        "blockHash": header.hash,
        "blockNumber": hex(header.number),
        "blockTimestamp": hex(header.timestamp),
        "from": signed.sender,
        "gas": hex(signed.gas_limit),
        "gasPrice": hex(_price(header, signed)),
        "hash": signed.hash,
        "input": signed.input,
        "nonce": hex(signed.nonce),
        "to": signed.to,
        "transactionIndex": hex(index),
        "value": hex(signed.value),
        "type": hex(signed.kind),
        "chainId": hex(CHAIN_ID),
        "r": signed.r,
        "s": signed.s,
    }
    if signed.kind == LEGACY:
        # EIP-155 put the chain's number into the signature.
        return made | {"v": hex(2 * CHAIN_ID + 35 + signed.y_parity)}
    made |= {
        "accessList": [
            {"address": address, "storageKeys": list(keys)} for address, keys in signed.access_list
        ],
        "v": hex(signed.y_parity),
        "yParity": hex(signed.y_parity),
    }
    if _has_dynamic_fee(signed):
        made |= {
            "maxFeePerGas": hex(signed.max_fee),
            "maxPriorityFeePerGas": hex(signed.tip),
        }
    if signed.kind == SET_CODE:
        made["authorizationList"] = [
            {
                "chainId": hex(CHAIN_ID),
                "address": address,
                "nonce": hex(nonce),
                "yParity": hex(y_parity),
                "r": r,
                "s": s,
            }
            for address, nonce, y_parity, r, s in signed.authorisations
        ]
    return made


def receipts(header: Header, transactions: Sequence[Signed]) -> list[JSON]:
    """The receipts of a block, as eth_getBlockReceipts gives them."""
    made: list[JSON] = []
    cumulative = 0
    log_index = 0
    for index, signed in enumerate(transactions):
        cumulative += signed.gas_used
        created = signed.to is None and signed.succeeded
        logs = [_log(header, signed, index, log_index)] if signed.topics else []
        log_index += len(logs)
        made.append(
            {
                "blockHash": header.hash,
                "blockNumber": hex(header.number),
                "contractAddress": account("created", signed.hash) if created else None,
                "cumulativeGasUsed": hex(cumulative),
                "effectiveGasPrice": hex(_price(header, signed)),
                "from": signed.sender,
                "gasUsed": hex(signed.gas_used),
                "logs": logs,
                "logsBloom": _hex_bloom([_bloom(signed)]),
                "status": "0x1" if signed.succeeded else "0x0",
                "to": signed.to,
                "transactionHash": signed.hash,
                "transactionIndex": hex(index),
                "type": hex(signed.kind),
            }
        )
    return made


def ndjson(results: Iterable[object]) -> bytes:
    """Each as a JSON-RPC reply on a line of its own."""
    encode = msgspec.json.Encoder().encode
    return b"".join(
        encode({"jsonrpc": "2.0", "id": number, "result": result}) + b"\n"
        for number, result in enumerate(results, start=1)
    )


def _has_dynamic_fee(signed: Signed) -> bool:
    return signed.kind >= 2


def _price(header: Header, signed: Signed) -> int:
    if _has_dynamic_fee(signed):
        return min(signed.max_fee, header.base_fee + signed.tip)
    return signed.max_fee


def _log(header: Header, signed: Signed, index: int, log_index: int) -> JSON:
    return {
        "address": signed.to,
        "topics": list(signed.topics),
        "data": signed.data,
        "blockNumber": hex(header.number),
        "transactionHash": signed.hash,
        "transactionIndex": hex(index),
        "blockHash": header.hash,
        "blockTimestamp": hex(header.timestamp),
        "logIndex": hex(log_index),
        "removed": False,
    }


def _bloom(signed: Signed) -> int:
    """Three bits for each thing that the log names; which ones is not as on a real chain."""
    if not signed.topics:
        return 0
    bits = 0
    for named in (signed.to or "", *signed.topics):
        digest = hashlib.sha256(named.encode()).digest()
        for start in (0, 2, 4):
            bits |= 1 << int.from_bytes(digest[start : start + 2], "big") % (8 * BLOOM_BYTES)
    return bits


def _hex_bloom(blooms: Iterable[int]) -> str:
    together = 0
    for bloom in blooms:
        together |= bloom
    return "0x" + together.to_bytes(BLOOM_BYTES, "big").hex()
