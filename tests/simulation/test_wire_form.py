"""Each simulated object has the fields and the forms of the recorded real ones."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from whaledb.simulation import SimulatedChain, simulate

# The schemas of the execution APIs: uint, bytes of any and of a certain length.
QUANTITY: Final = r"0x(0|[1-9a-f][0-9a-f]{0,63})"
DATA: Final = r"0x([0-9a-f]{2})*"
OF_LENGTH: Final = {n: rf"0x[0-9a-f]{{{2 * n}}}" for n in (8, 20, 32, 256)}

QUANTITIES: Final = """
    baseFeePerGas blobGasUsed difficulty excessBlobGas gasLimit gasUsed number size timestamp
    blockNumber blockTimestamp gas gasPrice maxFeePerGas maxPriorityFeePerGas transactionIndex
    value type v r s yParity chainId cumulativeGasUsed effectiveGasPrice status logIndex
"""
WORDS: Final = """
    hash mixHash parentBeaconBlockRoot parentHash receiptsRoot requestsHash sha3Uncles stateRoot
    transactionsRoot withdrawalsRoot blockHash transactionHash topics storageKeys
"""
FORMS: Final = {
    **dict.fromkeys(QUANTITIES.split(), QUANTITY),
    **dict.fromkeys(WORDS.split(), OF_LENGTH[32]),
    **dict.fromkeys(("miner", "from", "to", "address", "contractAddress"), OF_LENGTH[20]),
    **dict.fromkeys(("extraData", "input", "data"), DATA),
    "logsBloom": OF_LENGTH[256],
}
MAY_BE_NULL: Final = {"to", "contractAddress"}
NOT_TEXT: Final = {"removed": bool}
# The same name for a block's proof of work and for the count of a sender's transactions.
NONCES: Final = {"block": OF_LENGTH[8], "other": QUANTITY}


@pytest.fixture(scope="module")
def samples(shared_data: Path) -> Path:
    return shared_data / "ethereum" / "execution-apis"


@pytest.fixture(scope="module")
def chain() -> SimulatedChain:
    return simulate()


def result(path: Path) -> Any:
    (reply,) = re.findall(r"^<< (.*)$", path.read_text(), re.M)
    return json.loads(reply)["result"]


def fields(kind: str, real: Any) -> set[str]:
    """Names of the fields of a real object, its parts' too, such as transactions.accessList."""
    return {where for where, _ in walk(kind, real)}


def walk(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Each plain value within an object, and the names that lead to it."""
    if isinstance(value, dict):
        yield where, dict
        for name, inner in value.items():
            yield from walk(f"{where}.{name}", inner)
    elif isinstance(value, list):
        yield where, list
        for inner in value:
            yield from walk(where, inner)
    else:
        yield where, value


def misshapen(kind: str, made: Any) -> list[str]:
    """Where an object is not in the form of the specification."""
    found: list[str] = []
    for where, value in walk(kind, made):
        path = where.split(".")
        name = path[-1]
        if value in (dict, list) or (value is None and name in MAY_BE_NULL):
            continue
        if name in NOT_TEXT:
            fits = isinstance(value, NOT_TEXT[name])
        else:
            form = FORMS.get(name)
            if name == "nonce":
                form = NONCES.get(path[-2], NONCES["other"])
            fits = form is not None and isinstance(value, str) and bool(re.fullmatch(form, value))
        if not fits:
            found.append(where)
    return found


def of_type(transactions: list[Any], kind: int) -> list[Any]:
    found = [transaction for transaction in transactions if transaction["type"] == hex(kind)]
    assert found
    return found


def transactions(chain: SimulatedChain) -> list[Any]:
    return [transaction for block in chain.blocks for transaction in block["transactions"]]


def test_blocks_have_the_fields_of_prague(samples: Path, chain: SimulatedChain) -> None:
    real = result(samples / "eth_getBlockByNumber" / "get-block-prague-fork.io")
    for made in chain.blocks:
        assert set(made) == set(real)
        assert misshapen("block", made) == []
        assert {name for name in real if type(real[name]) is not type(made[name])} == set()
    for constant in ("sha3Uncles", "withdrawalsRoot", "difficulty", "nonce"):
        assert made[constant] == real[constant]


@pytest.mark.parametrize(
    ("kind", "folder", "name"),
    [
        (0, "eth_getBlockByNumber", "get-latest"),
        (1, "eth_getTransactionByHash", "get-access-list"),
        (2, "eth_getTransactionByHash", "get-dynamic-fee"),
        (4, "eth_getTransactionByHash", "get-setcode-tx"),
    ],
)
def test_transactions_have_the_fields_of_their_type(
    samples: Path, chain: SimulatedChain, kind: int, folder: str, name: str
) -> None:
    real = result(samples / folder / f"{name}.io")
    if "transactions" in real:
        real = of_type(real["transactions"], kind)[0]
    assert real["type"] == hex(kind)
    every = of_type(transactions(chain), kind)
    assert {frozenset(made) for made in every} == {frozenset(real)}
    assert all(misshapen("transaction", made) == [] for made in every)
    known = fields("transaction", real)
    if kind == 4:  # the recorded one has an empty access list
        known |= {f"transaction.accessList.{part}" for part in ("address", "storageKeys")}
    assert set().union(*(fields("transaction", made) for made in every)) <= known


def test_contract_creations_are_as_the_recorded_one(samples: Path, chain: SimulatedChain) -> None:
    real = result(samples / "eth_getTransactionByHash" / "get-legacy-create.io")
    made = [transaction for transaction in transactions(chain) if transaction["to"] is None]
    assert real["to"] is None
    assert made
    assert all(len(transaction["input"]) > 2 for transaction in [real, *made])


@pytest.mark.parametrize(
    "name", ["get-access-list", "get-dynamic-fee", "get-setcode-tx", "get-blob-tx"]
)
def test_receipts_have_the_fields_of_the_recorded_ones(
    samples: Path, chain: SimulatedChain, name: str
) -> None:
    real = result(samples / "eth_getTransactionReceipt" / f"{name}.io")
    blob_fields = {"blobGasPrice", "blobGasUsed"} if name == "get-blob-tx" else set[str]()
    every = [receipt for receipts in chain.receipts for receipt in receipts]
    assert {frozenset(made) for made in every} == {frozenset(set(real) - blob_fields)}
    assert all(misshapen("receipt", made) == [] for made in every)
    logs = [log for made in every for log in made["logs"]]
    assert logs
    for log in real["logs"]:
        assert {frozenset(made) for made in logs} == {frozenset(log)}


def test_the_forms_are_those_of_the_real_objects(samples: Path) -> None:
    """A control: what is demanded of the simulation holds for what nodes answered."""
    for path in sorted(samples.glob("eth_getBlock*/*.io")) + sorted(samples.glob("eth_getT*/*.io")):
        if (real := result(path)) is not None:
            assert [
                where
                for where in misshapen("block" if "gasLimit" in real else "other", real)
                if where.rpartition(".")[2]
                not in {"transactions", "root", "withdrawals", "index", "validatorIndex"}
                | {"amount", "blobGasPrice", "maxFeePerBlobGas", "blobVersionedHashes"}
            ] == [], path.name


@pytest.mark.parametrize(
    "broken",
    [
        {"number": "0x01"},
        {"number": "1"},
        {"number": 1},
        {"number": "0x"},
        {"hash": "0xabc"},
        {"hash": "0x" + "AB" * 32},
        {"miner": "0x" + "00" * 32},
        {"parentHash": None},
        {"nonce": "0x0"},
        {"extraData": "0x0"},
        {"unheardOf": "0x0"},
    ],
    ids=repr,
)
def test_a_broken_object_is_found(chain: SimulatedChain, broken: dict[str, Any]) -> None:
    """The control of the tests above."""
    block = chain.blocks[0]
    assert misshapen("block", block) == []
    (name,) = broken
    assert misshapen("block", block | broken) == [f"block.{name}"]
    within = {"transactions": [block["transactions"][0] | {"from": "0x1"}]}
    assert misshapen("block", block | within) == ["block.transactions.from"]
