"""Requests and replies of JSON-RPC 2.0, and what an error code means for the caller.

The codes are those of https://www.jsonrpc.org/specification#error_object and EIP-1474, and
what nodes really answer: geth puts nearly everything under -32000, a passing "header not
found" as well as a state it has pruned, so that code alone decides nothing for good.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from whaledb.wire.quantities import Unreadable
from whaledb.wire.replies import MISSING, decode_object, error_code, is_absent

# Only these can be told apart from a passing fault by their code.
_NEVER: Final = {
    -32700: "it could not parse the request",
    -32600: "it takes the request for invalid, or the account behind the URL may not use it",
    -32601: "it does not have the method, or its HTTP interface does not offer it",
    -32602: "it takes the parameters for invalid",
    -32004: "it does not support the method",
    4444: "it has pruned that part of the chain; ask a node that keeps it",
}
METHOD_MISSING_CODES: Final = frozenset({-32600, -32601, -32004})
INVALID_PARAMETERS_CODE: Final = -32602
# EIP-1474 "resource not found", which reth and anvil use, and Besu's and Erigon's "unknown
# block": https://github.com/ethereum/execution-apis/pull/879 has the table.
UNKNOWN_BLOCK_CODES: Final = frozenset({-32001, -39001})
SERVER_ERROR_CODE: Final = -32000
PRUNED_HISTORY_CODE: Final = 4444


class Fault(Exception):
    """Why one attempt failed: `reason` completes "the node's answer: ..."; internal to rpc.

    `is_final`: another attempt cannot help. `code`: of a JSON-RPC error. `retry_after_s`:
    how long the node asked to be left alone. `code_decides`: of an HTTP status, whether a
    JSON-RPC error that came with it tells more.
    """

    def __init__(
        self,
        reason: str,
        *,
        is_final: bool = False,
        code: int | None = None,
        retry_after_s: float | None = None,
        code_decides: bool = True,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final
        self.code = code
        self.retry_after_s = retry_after_s
        self.code_decides = code_decides


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What comes from a node: a reply, which has an id, or a notification, which has a method."""

    id: msgspec.Raw = MISSING
    result: msgspec.Raw = MISSING
    error: msgspec.Raw = MISSING
    method: msgspec.Raw = MISSING

    def number(self) -> int | None:
        """The request that it answers; None where it names none of ours."""
        try:
            return msgspec.json.decode(self.id, type=int | None)
        except msgspec.MsgspecError:
            return None

    def value(self) -> bytes:
        """The result's JSON; `null` where the node has nothing.

        Raises:
            Fault: it holds an error, or neither a result nor an error.
        """
        if not is_absent(self.error):
            raise error_fault(self.error)
        if self.result is MISSING:
            raise Fault("a reply with neither a result nor an error")
        return bytes(self.result)


def request(number: int, method: str, params: Sequence[object]) -> bytes:
    """A request's bytes."""
    return msgspec.json.encode(
        {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
    )


def decode_envelope(data: bytes | str) -> Envelope:
    """A message of the node.

    Raises:
        Fault: it is no JSON object.
    """
    try:
        encoded = data.encode() if isinstance(data, str) else data
        return decode_object(encoded, Envelope, what="the reply")
    except Unreadable as error:
        raise Fault(f"something that is no reply: {error}") from None


def error_fault(error: msgspec.Raw) -> Fault:
    """What a reply's error says, by its code; its text may quote the URL, so it is not kept."""
    code = error_code(error)
    if code is None:
        return Fault("a JSON-RPC error without a code")
    why = _NEVER.get(code)
    if why is None:
        return Fault(f"JSON-RPC error {code}", code=code)
    return Fault(f"JSON-RPC error {code}, {why}", is_final=True, code=code)
