"""Made-up transactions as trees of calls, and how each kind of tracer tells of them."""

from collections.abc import Iterator
from typing import Any

import msgspec

from tests.ingest.chain import JSON, some_address

REVERTED = {"geth": "execution reverted", "parity": "Reverted"}
NO_BALANCE = {
    "geth": "insufficient balance for transfer",
    "parity": "Insufficient balance for transfer",
}


class Node(msgspec.Struct, frozen=True):
    """One call. `kind` is geth's name for it; `failure` is one of the two above."""

    kind: str = "CALL"
    wei: int = 0
    precompile: bool = False
    failure: dict[str, str] | None = None
    calls: tuple["Node", ...] = ()

    @property
    def to(self) -> str:
        return f"0x{4:040x}" if self.precompile else some_address("to", self.kind)


def geth(node: Node, *, never_entered: bool = True) -> JSON:
    """The result of callTracer; versions before 1.14 leave out what was never entered."""
    made: JSON = {"type": node.kind, "from": some_address("from"), "gas": "0x1", "input": "0x"}
    if not (node.failure and node.kind.startswith("CREATE")):
        made["to"] = node.to
    if node.kind != "STATICCALL":
        made["value"] = hex(node.wei)
    if node.failure:
        made |= {"error": node.failure["geth"], "revertReason": 'a "]" in a reason'}
    told = [c for c in node.calls if never_entered or c.failure is not NO_BALANCE]
    if told:
        made["calls"] = [geth(call, never_entered=never_entered) for call in told]
    return made


def parity(node: Node, place: JSON, *, everything: bool) -> list[JSON]:
    """Its traces: all of them, as anvil has them, or those alone that OpenEthereum had."""
    return list(_parity(node, place, [], everything))


def _parity(node: Node, place: JSON, path: list[int], everything: bool) -> Iterator[JSON]:
    told = [call for call in node.calls if everything or is_numbered(call)]
    kind = node.kind.lower()
    action: dict[str, Any] = {"from": some_address("from"), "value": hex(node.wei), "gas": "0x1"}
    result: dict[str, Any] | None = {"gasUsed": "0x1"}
    if kind == "selfdestruct":
        action = {"address": some_address("from"), "refundAddress": node.to}
        action["balance"] = hex(node.wei)
        kind, result = "suicide", None
    elif kind.startswith("create"):
        result = {"gasUsed": "0x1", "address": node.to, "code": "0x"}
        kind = "create"
    else:
        action |= {"to": node.to, "callType": kind, "input": "0x"}
        kind = "call"
    made = {"type": kind, "action": action, "result": None if node.failure else result}
    if node.failure:
        made["error"] = node.failure["parity"]
    yield {**made, "traceAddress": path, "subtraces": len(told), **place}
    for position, call in enumerate(told):
        yield from _parity(call, place, [*path, position], everything)


def is_numbered(node: Node) -> bool:
    """Whether OpenEthereum had a trace of a call within another."""
    if node.failure is NO_BALANCE:
        return False
    return not node.precompile or (node.kind in ("CALL", "CALLCODE") and node.wei > 0)


def moved(node: Node, path: str = "") -> list[tuple[str, str, str, int]]:
    """Trace path, from, to and wei of each internal transfer, told by recursion."""
    if node.failure:
        return []
    own: list[tuple[str, str, str, int]] = []
    if path and node.wei and node.kind in ("CALL", "CREATE", "CREATE2", "SELFDESTRUCT"):
        own.append((path, some_address("from"), node.to, node.wei))
    for position, call in enumerate(filter(is_numbered, node.calls)):
        own += moved(call, f"{path}_{position}" if path else str(position))
    return own
