"""Traces of geth's callTracer: the calls of a transaction as one object, nested.

As in {"type", "from", "to", "value", "error", "calls": [...]}. A reply is nested twice as
deep as the calls are, deeper than a JSON decoder goes, so the calls are first cut apart at
their brackets, without recursion, and then decoded one by one.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from whaledb.ingest.call_tree import MAX_TRACE_DEPTH, Call, Move, Path, is_counted
from whaledb.wire.quantities import LARGEST_UINT256, Unreadable
from whaledb.wire.replies import (
    MISSING,
    address_field,
    array_field,
    decode_object,
    first_character,
    is_absent,
    quantity_field,
    text_field,
)

_CREATIONS: Final = frozenset({"CREATE", "CREATE2"})
_CALLS: Final = frozenset({"CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"})
# A string is one token, so that brackets within it are none.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_BROKEN: Final = "not valid JSON: its brackets do not match"

# What an open bracket holds: a call, the calls within a call, or anything else.
_A_CALL, _ITS_CALLS, _OTHER = range(3)


class _WireCall(msgspec.Struct, frozen=True, gc=False):
    type: msgspec.Raw = MISSING
    from_: msgspec.Raw = msgspec.field(default=MISSING, name="from")
    to: msgspec.Raw = MISSING
    value: msgspec.Raw = MISSING
    error: msgspec.Raw = MISSING
    calls: msgspec.Raw = MISSING


class _OpenCall:
    """A call that is being cut out: its own JSON so far, and how many calls are within it."""

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        self.calls = 0
        self.own = bytearray()
        self.start = start


def read_calls(payload: bytes | msgspec.Raw) -> Iterator[Call]:
    """Every call that a result of callTracer holds, a call after those within it.

    Raises:
        Unreadable: it is no such result, or a field of one of its calls cannot be used.
    """
    if first_character(payload) != "{":
        decode_object(payload, _WireCall, what="the result")
    for path, calls, own in _cut(bytes(payload)):
        yield _call(path, calls, decode_object(own, _WireCall, what="the call"))


def _cut(data: bytes) -> Iterator[tuple[Path, int, bytes]]:
    """Each call's path, how many calls are directly within it, and its JSON without them."""
    calls: list[_OpenCall] = []
    brackets: list[int] = []
    key = b""
    key_end = 0
    for found in _TOKEN.finditer(data):
        token, at = found[0], found.start()
        if token[0] == 0x22:
            key, key_end = token, found.end()
        elif token == b"{":
            if not brackets:
                calls.append(_opened(data, None, at))
            elif brackets[-1] == _ITS_CALLS:
                calls.append(_opened(data, calls[-1], at))
            else:
                brackets.append(_OTHER)
                continue
            brackets.append(_A_CALL)
        elif token == b"[":
            named = key == b'"calls"' and data[key_end:at].strip() == b":"
            if named and brackets and brackets[-1] == _A_CALL:
                calls[-1].own += data[calls[-1].start : at + 1]
                calls[-1].start = at + 1
                brackets.append(_ITS_CALLS)
            else:
                brackets.append(_OTHER)
        elif not brackets:
            raise Unreadable(_BROKEN)
        else:
            closed = brackets.pop()
            if closed == _OTHER:
                continue
            if (closed == _A_CALL) != (token == b"}"):
                raise Unreadable(_BROKEN)
            if closed == _ITS_CALLS:
                _check_nothing_between(data, calls[-1].start, at)
                calls[-1].start = at
                continue
            call = calls.pop()
            call.own += data[call.start : at + 1]
            yield call.path, call.calls, bytes(call.own)
            if calls:
                calls[-1].start = at + 1
    if brackets:
        raise Unreadable(_BROKEN)


def _opened(data: bytes, around: _OpenCall | None, at: int) -> _OpenCall:
    if around is None:
        return _OpenCall((), at)
    if len(around.path) >= MAX_TRACE_DEPTH:
        raise Unreadable(f"a call is more than {MAX_TRACE_DEPTH} calls deep")
    _check_nothing_between(data, around.start, at)
    around.calls += 1
    return _OpenCall((*around.path, around.calls - 1), at)


def _check_nothing_between(data: bytes, start: int, end: int) -> None:
    if data[start:end].strip() not in (b"", b","):
        raise Unreadable("calls holds something that is no object")


def _call(path: Path, calls: int, wire: _WireCall) -> Call:
    kind = text_field(wire.type, name="type")
    if not is_absent(wire.calls):
        array_field(wire.calls, name="calls")
    error = None if is_absent(wire.error) else text_field(wire.error, name="error") or None
    failed = error is not None
    if not path:
        # The top level is the transaction itself: only whether it failed is news.
        return Call(path, calls, failed, True, None)
    if kind in _CALLS:
        to_address = address_field(wire.to, name="to")
        # A delegatecall shows the value of the call around it, and a staticcall has none.
        value_wei = _value(wire) if kind in ("CALL", "CALLCODE") else 0
        move = None
        if kind == "CALL" and value_wei:
            move = Move(address_field(wire.from_, name="from"), to_address, value_wei)
        counted = is_counted(
            kind=kind.lower(), to_address=to_address, value_wei=value_wei, error=error, calls=calls
        )
        return Call(path, calls, failed, counted, move)
    if kind not in _CREATIONS and kind != "SELFDESTRUCT":
        raise Unreadable("type is no kind of call, creation or self-destruct")
    value_wei = _value(wire)
    move = None
    if value_wei and not failed:
        move = Move(
            address_field(wire.from_, name="from"), address_field(wire.to, name="to"), value_wei
        )
    counted = is_counted(
        kind=kind.lower(), to_address=None, value_wei=value_wei, error=error, calls=calls
    )
    return Call(path, calls, failed, counted, move)


def _value(wire: _WireCall) -> int:
    return quantity_field(wire.value, name="value", largest=LARGEST_UINT256)
