"""Traces as Parity first gave them: trace_block and trace_transaction, one object a call.

Taken with the names of JSON-RPC (traceAddress) or in snake case (trace_address), as
ethereum-etl writes them. Gas is not read: it was wrong in older versions of the nodes.
"""

import msgspec

from whaledb.ingest.call_tree import Call, Move, is_counted
from whaledb.wire.quantities import LARGEST_BIGINT, LARGEST_UINT256, Unreadable
from whaledb.wire.replies import (
    MISSING,
    address_field,
    array_field,
    decode,
    decode_object,
    hash_field,
    is_absent,
    is_string,
    quantity_field,
    text_field,
)

_CALL_TYPES = frozenset({"call", "callcode", "delegatecall", "staticcall"})
_CREATIONS = frozenset({"create", "create2"})
_DESTRUCTIONS = frozenset({"suicide", "selfdestruct"})


class _WireTrace(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    type: msgspec.Raw = MISSING
    action: msgspec.Raw = MISSING
    result: msgspec.Raw = MISSING
    error: msgspec.Raw = MISSING
    subtraces: msgspec.Raw = MISSING
    trace_address: msgspec.Raw = MISSING
    block_hash: msgspec.Raw = MISSING
    transaction_hash: msgspec.Raw = MISSING


class _SnakeCaseTrace(msgspec.Struct, frozen=True, gc=False):
    type: msgspec.Raw = MISSING
    action: msgspec.Raw = MISSING
    result: msgspec.Raw = MISSING
    error: msgspec.Raw = MISSING
    subtraces: msgspec.Raw = MISSING
    trace_address: msgspec.Raw = MISSING
    block_hash: msgspec.Raw = MISSING
    transaction_hash: msgspec.Raw = MISSING


class _WireAction(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    call_type: msgspec.Raw = MISSING
    from_: msgspec.Raw = msgspec.field(default=MISSING, name="from")
    to: msgspec.Raw = MISSING
    value: msgspec.Raw = MISSING
    address: msgspec.Raw = MISSING
    refund_address: msgspec.Raw = MISSING
    balance: msgspec.Raw = MISSING


class _WireResult(msgspec.Struct, frozen=True, gc=False):
    address: msgspec.Raw = MISSING


class ParityTrace:
    """One trace whose transaction is known; `call` reads the rest of it.

    Raises:
        Unreadable: it does not say to which transaction of which block it belongs.
    """

    def __init__(self, payload: msgspec.Raw | bytes) -> None:
        wire: _WireTrace | _SnakeCaseTrace = decode_object(payload, _WireTrace, what="the trace")
        if wire.trace_address is MISSING:
            wire = decode_object(payload, _SnakeCaseTrace, what="the trace")
        self._wire = wire
        self.block_hash = self.transaction_hash = ""
        # A block's reward belongs to no transaction and comes from no account.
        self.is_reward = bytes(wire.type) == b'"reward"'
        if not self.is_reward:
            self.block_hash = hash_field(wire.block_hash, name="blockHash")
            self.transaction_hash = hash_field(wire.transaction_hash, name="transactionHash")

    def call(self) -> Call:
        """The call that the trace tells of.

        Raises:
            Unreadable: a field cannot be used.
        """
        wire = self._wire
        kind = text_field(wire.type, name="type")
        path = _path(wire.trace_address)
        calls = _count(wire.subtraces, name="subtraces")
        error = _error(wire.error)
        action = decode_object(_present(wire.action, name="action"), _WireAction, what="action")
        if kind == "call":
            return _call(action, path, calls, error)
        if kind in _CREATIONS:
            return _creation(action, wire.result, path, calls, error)
        if kind in _DESTRUCTIONS:
            return _destruction(action, path, calls, error)
        raise Unreadable("type is none of call, create, suicide and reward")


def _call(action: _WireAction, path: tuple[int, ...], calls: int, error: str | None) -> Call:
    kind = text_field(action.call_type, name="callType")
    if kind not in _CALL_TYPES:
        raise Unreadable("callType is none of call, callcode, delegatecall and staticcall")
    to_address = address_field(action.to, name="to")
    value_wei = quantity_field(action.value, name="value", largest=LARGEST_UINT256)
    move = None
    if kind == "call" and value_wei:
        move = Move(address_field(action.from_, name="from"), to_address, value_wei)
    counted = is_counted(
        kind=kind, to_address=to_address, value_wei=value_wei, error=error, calls=calls
    )
    return Call(path, calls, error is not None, counted, move)


def _creation(
    action: _WireAction, result: msgspec.Raw, path: tuple[int, ...], calls: int, error: str | None
) -> Call:
    value_wei = quantity_field(action.value, name="value", largest=LARGEST_UINT256)
    move = None
    if value_wei and error is None:
        made = decode_object(_present(result, name="result"), _WireResult, what="result")
        move = Move(
            address_field(action.from_, name="from"),
            address_field(made.address, name="address"),
            value_wei,
        )
    counted = is_counted(
        kind="create", to_address=None, value_wei=value_wei, error=error, calls=calls
    )
    return Call(path, calls, error is not None, counted, move)


def _destruction(action: _WireAction, path: tuple[int, ...], calls: int, error: str | None) -> Call:
    value_wei = quantity_field(action.balance, name="balance", largest=LARGEST_UINT256)
    move = None
    if value_wei:
        move = Move(
            address_field(action.address, name="address"),
            address_field(action.refund_address, name="refundAddress"),
            value_wei,
        )
    return Call(path, calls, error is not None, True, move)


def _path(raw: msgspec.Raw) -> tuple[int, ...]:
    return tuple(
        _count(item, name="traceAddress") for item in array_field(raw, name="traceAddress")
    )


def _count(raw: msgspec.Raw, *, name: str) -> int:
    try:
        number = msgspec.json.decode(_present(raw, name=name), type=int)
    except msgspec.MsgspecError:
        raise Unreadable(f"{name} is not made of whole numbers") from None
    if not 0 <= number <= LARGEST_BIGINT:
        raise Unreadable(f"{name} is out of range")
    return number


def _error(raw: msgspec.Raw) -> str | None:
    """Why the call failed; None if it did not, which is said by null or no field at all."""
    if is_absent(raw):
        return None
    return (decode(raw, str) if is_string(raw) else str(bytes(raw))) or None


def _present(raw: msgspec.Raw, *, name: str) -> msgspec.Raw:
    if is_absent(raw):
        raise Unreadable(f"{name} is missing")
    return raw
