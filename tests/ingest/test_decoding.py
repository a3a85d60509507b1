"""Blocks and transactions: every field exact, every refusal with its reason."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.ingest.chain import (
    GENESIS_TIMESTAMP,
    JSON,
    block,
    block_hash,
    reply,
    some_address,
    some_hash,
    transaction,
)
from whaledb.ingest import decoding
from whaledb.ingest.decoding import Block, decode_block
from whaledb.ingest.reading import Item
from whaledb.wire.quantities import Unreadable


def decode(value: object, *, chain_id: int = 1) -> Block:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return decode_block(Item("line 7", data), chain_id=chain_id)


def refusal(value: object) -> str:
    with pytest.raises(Unreadable) as refused:
        decode(value)
    return str(refused.value)


def bad_transaction(made: JSON | str, *, chain_id: int = 1) -> str:
    """The reason a transaction is refused; the one beside it must survive."""
    decoded = decode(block(5, [transaction("good"), made]), chain_id=chain_id)
    assert [t.hash for t in decoded.transactions] == [some_hash("transaction", "good")]
    (bad,) = decoded.bad_transactions
    assert bad.where == "line 7, transaction 2"
    return bad.reason


@pytest.mark.parametrize("wrap", [reply, lambda made: made], ids=["reply", "bare"])
def test_a_block_is_decoded_exactly(wrap: object) -> None:
    made = block(16, [transaction("a", ether=3, wei=7)])
    decoded = decode(wrap(made))  # type: ignore[operator]
    assert decoded.number == 16
    assert decoded.hash == block_hash(16)
    assert decoded.parent_hash == block_hash(15)
    assert decoded.timestamp == datetime.fromtimestamp(GENESIS_TIMESTAMP + 192, UTC)
    assert decoded.bad_transactions == ()
    (row,) = decoded.transactions
    assert row.hash == some_hash("transaction", "a")
    assert row.from_address == some_address("from", "a")
    assert row.to_address == some_address("to", "a")
    assert row.value_eth == Decimal("3.000000000000000007")
    assert row.gas_price == 20_000_000_000
    assert row.where == "line 7, transaction 1"


def test_a_contract_creation_has_no_recipient() -> None:
    (row,) = decode(block(1, [transaction("a", to=None)])).transactions
    assert row.to_address is None


def test_the_largest_value_is_exact() -> None:
    (row,) = decode(block(1, [transaction("a", value=hex(2**256 - 1))])).transactions
    assert str(row.value_eth) == (
        "115792089237316195423570985008687907853269984665640564039457.584007913129639935"
    )


def test_hashes_and_addresses_in_mixed_case_are_lower_cased() -> None:
    made = block(1, [transaction("a")])
    shouted = json.loads(json.dumps(made).replace(made["hash"], "0x" + made["hash"][2:].upper()))
    shouted["transactions"][0]["from"] = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    decoded = decode(shouted)
    assert decoded.hash == made["hash"]
    assert decoded.transactions[0].from_address == "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"


def test_the_genesis_block_and_its_timestamp_of_zero() -> None:
    decoded = decode(block(0, [], timestamp="0x0"))
    assert decoded.number == 0
    assert decoded.timestamp == datetime(1970, 1, 1, tzinfo=UTC)


def test_unknown_fields_of_any_kind_are_skipped() -> None:
    made = block(1, [transaction("a", accessList=[{}], type="0x4", depositReceiptVersion=9e99)])
    made |= {"withdrawals": [{"index": "0x0"}], "uncles": [], "weird": {"deep": [1, {}]}}
    assert len(decode(made).transactions) == 1


@pytest.mark.parametrize("field", ["number", "hash", "parentHash", "timestamp", "transactions"])
def test_a_missing_field_is_named(field: str) -> None:
    assert refusal(block(1, [], **{field: ...})) == f"{field} is missing"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("number", 17, 'number is a number, expected a string such as "0x1f"'),
        ("number", "17", "number is not a hex quantity"),
        ("number", "0x", "number is not a hex quantity"),
        ("number", hex(2**63), "number is out of range: it is over 2^63-1"),
        ("number", True, "number is a boolean"),
        ("timestamp", 1700000000.5, "timestamp is a number"),
        ("timestamp", hex(2**60), "timestamp is out of range: it is after the year 9999"),
        ("timestamp", None, "timestamp is null"),
        ("hash", "0x12", "hash is not a hash"),
        ("hash", ["0x12"], "hash is an array"),
        ("parentHash", None, "parentHash is null"),
        ("transactions", None, "transactions is null, expected an array"),
        ("transactions", {}, "transactions is an object, expected an array"),
    ],
)
def test_a_bad_field_is_named_with_the_rule(field: str, value: object, reason: str) -> None:
    made = block(1, [])
    made[field] = value
    assert refusal(made).startswith(reason)


def test_a_pending_block_is_told() -> None:
    assert "pending" in refusal(block(1, [], hash=None, number=None))


def test_a_block_with_hashes_only_says_what_to_fetch() -> None:
    assert "fetch with full transactions" in refusal(block(1, [some_hash("x"), some_hash("y")]))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"garbage", "not valid JSON: invalid character (byte 0)"),
        (b'{"number":"0x1"', "not valid JSON: it ends early"),
        (b'{"number":"0x1"} x', "not valid JSON: trailing characters"),
        (b'{"number":"\xff"}', "not valid JSON: a string is not UTF-8"),
        (b'{"x":' + b"[" * 200_000, "not valid JSON: it is nested too deeply"),
        (b"\xff\xfe{", "not valid JSON: invalid character (byte 0)"),
        (b"null", "the block is null, expected an object"),
        (b"12", "the block is a number, expected an object"),
        (b'"0x1"', "the block is a string, expected an object"),
        (b"[1]", "the block is an array, expected an object"),
        (b"{}", "number is missing"),
        (b'{"jsonrpc":"2.0","id":1}', "the reply holds neither a result nor an error"),
        (b'{"jsonrpc":"2.0","id":1,"result":null}', "the reply's result is null"),
        (b'{"id":1,"result":[]}', "the block is an array, expected an object"),
        (
            b'{"id":1,"error":{"code":-32000,"message":"https://node/KEY: no"}}',
            "the reply holds an error (code -32000): ask the node again",
        ),
        (b'{"id":1,"error":"no"}', "the reply holds an error: ask the node again"),
    ],
)
def test_what_is_no_block_has_a_clear_reason(data: bytes, reason: str) -> None:
    told = refusal(data)
    assert told.startswith(reason)
    assert "KEY" not in told


def test_an_error_of_null_beside_a_result_is_no_error() -> None:
    assert decode({"id": 1, "error": None, "result": block(9, [])}).number == 9


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hash": ...}, "hash is missing"),
        ({"from_": ...}, "from is missing"),
        ({"from_": None}, "from is null"),
        ({"to": ...}, "to is missing"),
        ({"to": "0x"}, "to is not an address"),
        ({"value": ...}, "value is missing"),
        ({"value": 100}, "value is a number"),
        ({"value": "0x"}, "value is not a hex quantity"),
        ({"value": "-0x1"}, "value is not a hex quantity"),
        ({"value": "0x1" + "0" * 64}, "value is not a hex quantity"),
        ({"gasPrice": ...}, "gasPrice is missing"),
        ({"gasPrice": hex(2**70)}, "gasPrice is out of range: it is over 2^63-1"),
        ({"blockHash": some_hash("other")}, "blockHash is not the hash of the block"),
        ({"blockHash": None}, "blockHash is not the hash of the block"),
        ({"blockNumber": "0x6"}, "blockNumber is not the number of the block"),
        ({"chainId": "0x89"}, "chainId is 137, the blocks are read as chain 1"),
        ({"hash": some_hash("transaction", "good")}, "hash is that of an earlier transaction"),
    ],
)
def test_a_bad_transaction_does_not_lose_its_block(changes: JSON, reason: str) -> None:
    assert bad_transaction(transaction("bad", **changes)).startswith(reason)


def test_a_transaction_that_is_only_a_hash_is_refused_alone() -> None:
    assert bad_transaction(some_hash("x")) == "the transaction is a string, expected an object"


def test_the_chain_id_may_be_absent_or_null_and_must_agree() -> None:
    made = [
        transaction("a"),
        transaction("b", chainId=None),
        transaction("c", chainId="0x89"),
    ]
    assert len(decode(block(1, made), chain_id=137).transactions) == 3


def test_a_bad_transaction_keeps_its_exact_bytes() -> None:
    payload = b'{"hash" : "0xzz",  "note":"\xff"}'
    data = (
        json.dumps(block(1, [])).encode().replace(b'"transactions": []', b'"transactions": [ %s ]')
    )
    (bad,) = decode(data % payload).bad_transactions
    assert bad.payload == payload


def test_transactions_below_any_threshold_are_checked_too() -> None:
    assert bad_transaction(transaction("bad", ether=0, from_="nobody"))


def test_decoding_is_not_fooled_by_numbers_of_many_digits() -> None:
    data = b'{"number":' + b"9" * 1_000_000 + b"}"
    assert refusal(data).startswith("number is a number")


def test_a_raw_item_of_an_array_is_decoded_like_a_line() -> None:
    (value,) = msgspec.json.decode(json.dumps([reply(block(3, []))]), type=list[msgspec.Raw])
    assert decode_block(Item("item 1", value), chain_id=1).number == 3


ODD: list[object] = [
    ...,
    None,
    "",
    "0x",
    "0x0",
    "0x1",
    "0X1",
    "0x01",
    "0x5",
    "0x05",
    " 0x1",
    "0x1\n",
    "\u0661",
    "0x" + "f" * 16,
    "0x" + "f" * 64,
    "0x" + "F" * 65,
    "0x" + "AB" * 20,
    "0x" + "ab" * 32,
    block_hash(5).upper().replace("X", "x"),
    1,
    1.5,
    True,
    [],
    {},
    ["0x1"],
]


@pytest.mark.parametrize(
    "field",
    ["hash", "blockHash", "blockNumber", "chainId", "from_", "to", "value", "gasPrice", "input"],
)
def test_the_usual_form_is_read_as_field_by_field(
    monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """Whatever stands in a field: what the quick way takes, the careful one takes alike."""
    made = [transaction(f"t{i}", ether=1, **{field: odd}) for i, odd in enumerate(ODD)]
    # As they are, and in a block that says nothing of where they belong.
    blocks = [block(5, made), block(5)]
    blocks[1]["transactions"] = made
    quickly = [decode(one) for one in blocks]
    taken: list[object] = []
    plain = decoding._read_plain

    def count(*arguments: Any) -> Any:
        read = plain(*arguments)
        taken.append(read)
        return read

    monkeypatch.setattr(decoding, "_read_plain", count)
    assert [decode(one) for one in blocks] == quickly
    assert any(read is not None for read in taken)
    assert field == "input" or any(read is None for read in taken)
    monkeypatch.setattr(decoding, "_read_plain", lambda *_: None)
    assert [decode(one) for one in blocks] == quickly
