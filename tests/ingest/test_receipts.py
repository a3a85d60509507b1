"""Receipts in each form a node gives them, and the bad ones among them."""

import json

import pytest

from tests.ingest.chain import JSON, block_hash, receipt, reply, some_hash
from whaledb.ingest import receipts as module
from whaledb.ingest.reading import BadItem, Item
from whaledb.ingest.receipts import Receipt, Receipts
from whaledb.ingest.sources import SourceRefused


def add(receipts: Receipts, value: object) -> list[BadItem]:
    return list(receipts.add(Item("line 1", json.dumps(value).encode())))


def find(receipts: Receipts, name: str, number: int, fork: str = "") -> Receipt | None:
    return receipts.find(block_hash(number, fork), some_hash("transaction", name))


@pytest.mark.parametrize(
    "value",
    [
        reply([receipt("a", 1)]),
        reply(receipt("a", 1)),
        [receipt("a", 1)],
        receipt("a", 1),
    ],
    ids=["reply-of-list", "reply-of-one", "list", "one"],
)
def test_each_form_is_taken(value: object) -> None:
    receipts = Receipts()
    assert add(receipts, value) == []
    assert find(receipts, "a", 1) == Receipt(succeeded=True, gas_used=21000)
    assert find(receipts, "b", 1) is None
    assert find(receipts, "a", 2) is None


def test_status_is_success_failure_or_unknown() -> None:
    receipts = Receipts()
    made = [
        receipt("failed", 1, status="0x0"),
        receipt("before-byzantium", 1, status=...),
        receipt("null", 1, status=None),
    ]
    assert add(receipts, made) == []
    found = [find(receipts, name, 1) for name in ("failed", "before-byzantium", "null")]
    assert [r.succeeded for r in found if r] == [False, None, None]


def test_hashes_are_found_in_any_case() -> None:
    receipts = Receipts()
    made = receipt("a", 1)
    made["transactionHash"] = "0x" + made["transactionHash"][2:].upper()
    assert add(receipts, made) == []
    assert find(receipts, "a", 1) is not None


def test_the_same_transaction_in_two_blocks_has_two_receipts() -> None:
    receipts = Receipts()
    assert add(receipts, [receipt("a", 1), receipt("a", 2, status="0x0")]) == []
    assert find(receipts, "a", 1) == Receipt(succeeded=True, gas_used=21000)
    assert find(receipts, "a", 2) == Receipt(succeeded=False, gas_used=21000)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"blockHash": ...}, "blockHash is missing"),
        ({"transactionHash": "0x1"}, "transactionHash is not a hash"),
        ({"gasUsed": ...}, "gasUsed is missing"),
        ({"gasUsed": 21000}, "gasUsed is a number"),
        ({"gasUsed": hex(2**63)}, "gasUsed is out of range"),
        ({"status": "0x2"}, "status is out of range: it is over 1"),
        ({"status": True}, "status is a boolean"),
    ],
)
def test_a_bad_receipt_is_refused_alone(changes: JSON, reason: str) -> None:
    receipts = Receipts()
    (bad,) = add(receipts, reply([receipt("a", 1), receipt("b", 1, **changes)]))
    assert bad.where == "line 1, receipt 2"
    assert bad.reason.startswith(reason)
    assert find(receipts, "a", 1) is not None
    assert find(receipts, "b", 1) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (reply(None), "the reply's result is null"),
        ({"error": {"code": 3}}, "the reply holds an error (code 3)"),
        (7, "the receipt is a number, expected an object"),
        (reply({}), "blockHash is missing"),
    ],
)
def test_what_is_no_receipt_has_a_clear_reason(value: object, reason: str) -> None:
    (bad,) = add(Receipts(), value)
    assert bad.where == "line 1"
    assert bad.reason.startswith(reason)


def test_a_second_receipt_may_repeat_but_not_contradict_the_first() -> None:
    receipts = Receipts()
    assert add(receipts, [receipt("a", 1), receipt("a", 1)]) == []
    (bad,) = add(receipts, receipt("a", 1, status="0x0"))
    assert bad.reason == "an earlier receipt of the same transaction says otherwise"
    assert find(receipts, "a", 1) == Receipt(succeeded=True, gas_used=21000)


def test_receipts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RECEIPTS", 2)
    with pytest.raises(SourceRefused, match="more than 2 receipts"):
        add(Receipts(), [receipt("a", 1), receipt("b", 1), receipt("c", 1)])
