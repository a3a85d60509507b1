"""Traces in each form a node gives them, the bad ones among them, and what they tell."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.ingest import call_trees, contracts, traced_node
from tests.ingest.call_trees import NO_BALANCE, REVERTED, Node, moved
from tests.ingest.chain import JSON, block, block_hash, reply, some_address, some_hash, transaction
from whaledb.ingest import traces as module
from whaledb.ingest.decoding import decode_block
from whaledb.ingest.reading import BadItem, Item, read_items
from whaledb.ingest.sources import Source, SourceRefused
from whaledb.ingest.traces import Traces, TransactionTrace

PAID = Node(calls=(Node(wei=5), Node(wei=7, calls=(Node(wei=7),))))


def add(traces: Traces, value: object, *, block_hash: str | None = None) -> list[BadItem]:
    item = Item("line 1", json.dumps(value).encode())
    return list(traces.add(item, block_hash=block_hash))


def place(name: str, number: int, fork: str = "") -> JSON:
    return {
        "blockHash": block_hash(number, fork),
        "blockNumber": number,
        "transactionHash": some_hash("transaction", name),
        "transactionPosition": 0,
    }


def parity(name: str, number: int, node: Node = PAID, *, everything: bool = False) -> list[JSON]:
    return call_trees.parity(node, place(name, number), everything=everything)


def geth(name: str, node: Node = PAID, *, never_entered: bool = True) -> JSON:
    result = call_trees.geth(node, never_entered=never_entered)
    return {"txHash": some_hash("transaction", name), "result": result}


def find(traces: Traces, name: str, number: int, fork: str = "") -> TransactionTrace | None:
    return traces.find(block_hash(number, fork), some_hash("transaction", name))


def told(trace: TransactionTrace | None) -> list[tuple[str, str, str, int]]:
    assert trace is not None
    return [
        (t.trace_path, t.from_address, t.to_address, int(t.value_eth.scaleb(18)))
        for t in trace.transfers
    ]


def snake(trace: JSON) -> JSON:
    names = {
        "blockHash": "block_hash",
        "traceAddress": "trace_address",
        "transactionHash": "transaction_hash",
    }
    return {names.get(name, name): value for name, value in trace.items()}


FORMS = {
    "reply of trace_block": reply(parity("a", 1)),
    "list": parity("a", 1),
    "file of a block": {"block_number": 1, "traces": [*map(snake, parity("a", 1))]},
    "reply of callTracer": reply([geth("a")]),
    "list of callTracer": [geth("a")],
    "one of callTracer": geth("a"),
}


@pytest.mark.parametrize("value", FORMS.values(), ids=FORMS)
def test_each_form_is_taken(value: object) -> None:
    traces = Traces()
    assert add(traces, value) == []
    found = find(traces, "a", 1)
    assert found is not None
    assert found.succeeded
    assert told(found) == moved(PAID)
    assert [t.trace_path for t in found.transfers] == ["0", "1", "1_0"]
    assert find(traces, "b", 1) is None


def test_traces_may_come_one_by_one_in_any_order() -> None:
    traces = Traces()
    for trace in reversed(parity("a", 1)):
        assert add(traces, trace) == []
    assert find(traces, "a", 1) is None
    assert list(traces.finish()) == []
    assert told(find(traces, "a", 1)) == moved(PAID)


# A tree that has each thing once: what moves, what does not, what is not numbered.
EVERYTHING = Node(
    wei=9,
    calls=(
        Node("STATICCALL", precompile=True),
        Node(precompile=True),
        Node("DELEGATECALL", wei=9, precompile=True),
        Node("DELEGATECALL", wei=9, calls=(Node(wei=1),)),
        Node("CALLCODE", wei=2),
        Node("CALLCODE", wei=2, precompile=True),
        Node(wei=3, failure=NO_BALANCE),
        Node("CREATE", wei=3, failure=NO_BALANCE),
        Node(wei=4, failure=REVERTED, calls=(Node(wei=4), Node("SELFDESTRUCT", wei=4))),
        Node(wei=5, precompile=True),
        Node("CREATE", wei=6, calls=(Node(wei=6),)),
        Node("CREATE2", wei=7),
        Node("SELFDESTRUCT", wei=8),
    ),
)


def test_what_moves_and_how_it_is_numbered() -> None:
    traces = Traces()
    assert add(traces, [geth("a", EVERYTHING)]) == []
    assert [(path, wei) for path, _, _, wei in told(find(traces, "a", 1))] == [
        ("0_0", 1),
        ("4", 5),
        ("5", 6),
        ("5_0", 6),
        ("6", 7),
        ("7", 8),
    ]


def test_a_transaction_that_failed_moved_nothing_within_it() -> None:
    failed = Node(wei=5, failure=REVERTED, calls=(Node(wei=5),))
    for value in (parity("a", 1, failed), [geth("a", failed)]):
        traces = Traces()
        assert add(traces, value) == []
        assert find(traces, "a", 1) == TransactionTrace(succeeded=False, transfers=())


def nodes() -> st.SearchStrategy[Node]:
    kinds = st.sampled_from(
        ["CALL", "CALL", "DELEGATECALL", "STATICCALL", "CALLCODE", "CREATE", "CREATE2"]
    )
    wei = st.integers(0, 3)
    leaves = st.builds(
        Node,
        kind=st.sampled_from(["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"]),
        wei=wei,
        precompile=st.booleans(),
    ) | st.builds(Node, kind=st.sampled_from(["CALL", "CREATE"]), failure=st.just(NO_BALANCE))
    return st.recursive(
        leaves | st.builds(Node, kind=st.just("SELFDESTRUCT"), wei=wei),
        lambda calls: st.builds(
            Node,
            kind=kinds,
            wei=wei,
            failure=st.sampled_from([None, None, REVERTED]),
            calls=st.lists(calls, max_size=4).map(tuple),
        ),
        max_leaves=20,
    )


@given(st.lists(nodes(), max_size=4).map(tuple), st.sampled_from([None, None, REVERTED]))
def test_every_tracer_tells_the_same_transfers(
    calls: tuple[Node, ...], failure: dict[str, str] | None
) -> None:
    tree = Node(wei=1, failure=failure, calls=calls)
    for value in (
        parity("a", 1, tree),
        parity("a", 1, tree, everything=True),
        [geth("a", tree)],
        [geth("a", tree, never_entered=False)],
    ):
        traces = Traces()
        assert add(traces, value) == []
        assert told(find(traces, "a", 1)) == moved(tree)


def test_two_tracers_of_one_block_agree() -> None:
    traces = Traces()
    assert add(traces, parity("a", 1, EVERYTHING)) == []
    assert add(traces, parity("a", 1, EVERYTHING, everything=True)) == []
    assert add(traces, [geth("a", EVERYTHING)]) == []
    assert told(find(traces, "a", 1)) == moved(EVERYTHING)


def nested(depth: int) -> bytes:
    """A reply of callTracer as text, since Python's encoder stops earlier."""
    call = {**call_trees.geth(Node(wei=1)), "calls": []}
    head, tail = json.dumps(call).split("[]")
    chain = f"{head}[" * depth + json.dumps(call) + f"]{tail}" * depth
    transaction_hash = some_hash("transaction", "a")
    return f'{{"result": [{{"txHash": "{transaction_hash}", "result": {chain}}}]}}'.encode()


def test_calls_may_be_as_deep_as_the_evm_goes(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_bytes(nested(1_024))
    traces = Traces()
    (item,) = read_items(Source(path))
    assert isinstance(item, Item)
    assert list(traces.add(item)) == []
    found = find(traces, "a", 1)
    assert found is not None
    assert [t.trace_path for t in found.transfers[:2]] == ["0", "0_0"]
    assert len(found.transfers) == 1_024


def test_calls_deeper_than_the_evm_goes_are_refused() -> None:
    (bad,) = Traces().add(Item("line 1", nested(1_026)))
    assert (bad.where, bad.reason) == ("line 1, trace 1", "a call is more than 1025 calls deep")
    (bad,) = Traces().add(Item("line 1", nested(100_000)))
    assert bad.reason == "not valid JSON: it is nested too deeply"


def test_the_same_transaction_in_two_blocks_has_two_traces() -> None:
    traces = Traces()
    assert add(traces, [*parity("a", 1), *parity("a", 2, Node())]) == []
    assert told(find(traces, "a", 1)) == moved(PAID)
    assert told(find(traces, "a", 2)) == []


def test_a_block_that_is_known_binds_a_reply_to_it() -> None:
    traces = Traces()
    assert add(traces, reply([geth("a")]), block_hash=block_hash(1)) == []
    assert add(traces, reply([geth("a", Node())]), block_hash=block_hash(2)) == []
    assert told(find(traces, "a", 1)) == moved(PAID)
    assert told(find(traces, "a", 2)) == []
    assert find(traces, "a", 3) is None
    bad = add(traces, reply(parity("b", 1)), block_hash=block_hash(2))
    assert {b.reason.split(":")[0] for b in bad} == {
        "blockHash is not that of the block whose traces were asked for"
    }
    assert find(traces, "b", 1) is None


def test_a_reward_is_no_transfer() -> None:
    reward = {
        "type": "reward",
        "action": {"author": some_address("miner"), "rewardType": "block", "value": "0x1"},
        "blockHash": block_hash(1),
        "subtraces": 0,
        "traceAddress": [],
        "transactionHash": None,
    }
    traces = Traces()
    assert add(traces, reply([*parity("a", 1), reward])) == []
    assert len(traces) == 1


def changed(trace: JSON, **changes: object) -> JSON:
    made = {**trace, **changes}
    return {name: value for name, value in made.items() if value is not ...}


def acted(trace: JSON, **changes: object) -> JSON:
    return changed(trace, action=changed(trace["action"], **changes))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: changed(t, type="burn"), "type is none of call, create, suicide and reward"),
        (lambda t: changed(t, type=...), "type is missing"),
        (lambda t: changed(t, subtraces=...), "subtraces is missing"),
        (lambda t: changed(t, subtraces=-1), "subtraces is out of range"),
        (lambda t: changed(t, traceAddress=["0"]), "traceAddress is not made of whole numbers"),
        (lambda t: changed(t, traceAddress=[0] * 1026), "the call is more than 1025 calls deep"),
        (lambda t: changed(t, traceAddress=[1]), "an earlier trace of the transaction is at"),
        (lambda t: acted(t, callType=...), "callType is missing"),
        (lambda t: acted(t, callType="Call"), "callType is none of call, callcode, "),
        (lambda t: acted(t, value="1"), "value is not a hex quantity"),
        (lambda t: acted(t, to="0x1"), "to is not an address"),
        (lambda t: acted(t, **{"from": None}), "from is null"),
        (lambda t: changed(t, type="create", result=None), "result is missing"),
    ],
)
def test_a_bad_trace_is_refused_alone_and_its_transaction_not_traced(
    change: Any, reason: str
) -> None:
    traces = Traces()
    bad_one = parity("b", 1)
    bad_one[3] = change(bad_one[3])
    (bad,) = add(traces, reply([*parity("a", 1), *bad_one, *parity("c", 1)]))
    assert bad.where == "line 1, trace 8"
    assert bad.reason.startswith(reason)
    assert json.loads(bad.payload) == bad_one[3]
    assert find(traces, "b", 1) is None
    assert told(find(traces, "a", 1)) == told(find(traces, "c", 1)) == moved(PAID)


@pytest.mark.parametrize("missing", range(4))
def test_a_transaction_with_a_missing_trace_is_not_traced(missing: int) -> None:
    given_ones = parity("a", 1)
    del given_ones[missing]
    traces = Traces()
    (bad,) = add(traces, reply(given_ones))
    assert bad.where == "line 1, trace 1"
    assert "missing" in bad.reason or "not whole: some are missing" in bad.reason
    assert find(traces, "a", 1) is None
    # One by one, it can only be told at the end.
    assert all(add(traces, trace) == [] for trace in given_ones)
    assert [b.reason for b in traces.finish()] == [bad.reason]
    assert find(traces, "a", 1) is None


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (
            {"txHash": some_hash("transaction", "b"), "error": "execution timeout"},
            "the node could not trace the transaction",
        ),
        ({"txHash": "0x1", "result": {}}, "txHash is not a hash"),
        (geth("b") | {"result": []}, "the result is an array, expected an object"),
        (geth("b") | {"result": {"type": "EXTCALL"}}, None),
        (geth("b", Node(calls=(Node("EXTCALL"),))), "type is no kind of call, creation or"),
        (
            geth("b") | {"result": {"type": "CALL", "calls": [1, {"type": "CALL"}]}},
            "calls holds something that is no object",
        ),
        (geth("b") | {"result": {"type": "CALL", "calls": {"0": 1}}}, "calls is an object"),
        (call_trees.geth(PAID), "it does not name its transaction"),
        ({"transactionHash": some_hash("b"), "trace": []}, "it is of trace_replayBlock"),
        ({"a": 1}, "it has neither action nor txHash"),
        (7, "the trace is a number, expected an object"),
    ],
)
def test_a_transaction_that_was_not_traced_is_refused_alone(
    item: object, reason: str | None
) -> None:
    traces = Traces()
    found = add(traces, reply([geth("a"), item, geth("c")]))
    if reason is None:
        # What kind of call the top level is says nothing of what moved within it.
        assert found == []
        return
    (bad,) = found
    assert bad.where == "line 1, trace 2"
    assert bad.reason.startswith(reason)
    assert find(traces, "b", 1) is None
    assert told(find(traces, "a", 1)) == told(find(traces, "c", 1)) == moved(PAID)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (reply(None), "the reply's result is null"),
        ({"error": {"code": -32000}}, "the reply holds an error (code -32000)"),
        ({"traces": None}, "traces is null, expected an array"),
        (7, "the trace is a number, expected an object"),
    ],
)
def test_what_is_no_trace_has_a_clear_reason(value: object, reason: str) -> None:
    (bad,) = add(Traces(), value)
    assert bad.where == "line 1"
    assert bad.reason.startswith(reason)


FIRST_AND_OTHER = {
    "both of Parity's form": (parity("a", 1), parity("a", 1, Node())),
    "both of geth's form": ([geth("a")], [geth("a", Node())]),
    "one of each form": (parity("a", 1), [geth("a", Node())]),
    "the other way round": ([geth("a", Node())], parity("a", 1)),
}


@pytest.mark.parametrize(("first", "other"), FIRST_AND_OTHER.values(), ids=FIRST_AND_OTHER)
def test_a_second_trace_may_repeat_but_not_contradict_the_first(
    first: list[JSON], other: list[JSON]
) -> None:
    traces = Traces()
    assert add(traces, [*first, *parity("b", 1)]) == []
    assert add(traces, first) == []
    assert find(traces, "a", 1) is not None
    (bad,) = add(traces, other)
    assert bad.reason == "an earlier trace of the same transaction says otherwise"
    # Nobody knows which of them is right.
    assert find(traces, "a", 1) is None
    assert find(traces, "b", 1) is not None


def test_a_block_is_traced_once_each_of_its_transactions_is() -> None:
    def read(*transactions: JSON) -> Any:
        data = json.dumps(block(1, list(transactions))).encode()
        return decode_block(Item("line 1", data), chain_id=1)

    a, b = transaction("a"), transaction("b")
    traces = Traces()
    assert traces.has_block(read())
    assert add(traces, parity("a", 1)) == []
    assert traces.has_block(read(a))
    assert not traces.has_block(read(a, b))
    assert not traces.has_block(read(a, transaction("c", gasPrice="0x")))
    assert add(traces, [geth("b")]) == []
    assert traces.has_block(read(a, b))


def test_traces_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TRACED", 8)
    assert add(Traces(), [*parity("a", 1), *parity("b", 1)]) == []
    with pytest.raises(SourceRefused, match="more than 8 transactions"):
        add(Traces(), [*parity("a", 1), *parity("b", 1), *parity("c", 1)])
    with pytest.raises(SourceRefused, match="more than 8 transactions"):
        add(Traces(), [geth("a"), geth("b"), geth("c")])
    for call in (Node(wei=1), Node(failure=REVERTED), Node(failure=NO_BALANCE)):
        one_by_one = Traces()
        with pytest.raises(SourceRefused, match="more than 8 transactions"):
            for trace in parity("a", 1, Node(calls=(call,) * 20), everything=True):
                add(one_by_one, trace)
    # What moved nothing and did not fail is not held.
    one_by_one = Traces()
    for trace in parity("a", 1, Node(calls=(Node(),) * 20)):
        assert add(one_by_one, trace) == []


@pytest.mark.parametrize("name", ["11931272", "12412732"])
def test_recorded_mainnet_traces_have_their_figures(shared_data: Path, name: str) -> None:
    path = shared_data / "ethereum" / f"mainnet-traces-{name}.json.gz"
    figures = json.loads((shared_data / "ethereum" / "expected.json").read_bytes())[path.name]
    traces = Traces()
    for item in read_items(Source(path)):
        assert isinstance(item, Item)
        assert list(traces.add(item)) == []
    assert list(traces.finish()) == []
    recorded = json.loads(gzip.decompress(path.read_bytes()))
    assert len(traces) == len(recorded["receipts"])
    top_level = [t for t in recorded["traces"] if t["transaction_hash"] and not t["trace_address"]]
    found = [traces.find(t["block_hash"], t["transaction_hash"]) for t in top_level]
    values = [t.value_eth for trace in found if trace for t in trace.transfers]
    assert len(values) == figures["internal_rows_with_value"]
    assert sum(v >= 100 for v in values) == figures["internal_ge_100_eth"]
    assert [trace is not None and trace.succeeded for trace in found] == [
        not t["error"] for t in top_level
    ]


def test_both_tracers_of_a_real_node_tell_the_same() -> None:
    check_node(traced_node.recorded())


def check_node(replies: dict[str, JSON]) -> None:
    """That both of a node's tracers tell what `contracts` do."""
    transactions = replies["block"]["result"]["transactions"]
    created = {
        call["action"]["creationMethod"]: call["result"]["address"]
        for call in replies["parity"]["result"]
        if call["type"] == "create" and call["traceAddress"] and not call.get("error")
    }
    deployed = replies["receipts"]["result"][2]["contractAddress"]
    expected = [
        contracts.moved_by_all_kinds(created["create"], created["create2"]),
        [],
        [("0", deployed, contracts.RECEIVES, contracts.wei(2))],
    ]
    for form in ("parity", "geth"):
        traces = Traces()
        assert add(traces, replies[form]) == []
        found = [traces.find(t["blockHash"], t["hash"]) for t in transactions]
        assert [trace.succeeded for trace in found if trace] == [True, False, True]
        assert [
            [(t.trace_path, t.from_address, t.to_address, t.value_eth) for t in trace.transfers]
            for trace in found
            if trace
        ] == expected
    # The node's own numbers are others, and what fails or is delegated has a value too.
    naive = {
        "_".join(map(str, call["traceAddress"]))
        for call in replies["parity"]["result"]
        if call["traceAddress"]
        and Decimal(int(call["action"].get("value", "0x0"), 16))
        and call["transactionHash"] == transactions[0]["hash"]
    }
    assert naive > {"2", "2_0", "3", "3_0", "4", "5", "6", "7", "8", "9", "10"}
