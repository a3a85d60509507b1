"""JSON-RPC replies and the fields of their objects, with a clear reason for each refusal."""

import inspect
import re
from typing import Final, TypeVar

import msgspec

from whaledb.wire.nesting import Unbalanced, elements, members
from whaledb.wire.quantities import (
    Unreadable,
    address,
    block_or_transaction_hash,
    quantity,
)

# A field is taken as it stands, so that each can be refused by its own name and reason.
MISSING: Final = msgspec.Raw()

_T = TypeVar("_T")
_FIRST_BYTE = re.compile(rb"[ \t\r\n]*(.?)", re.DOTALL)
_KINDS = {
    "{": "an object",
    "[": "an array",
    '"': "a string",
    "t": "a boolean",
    "f": "a boolean",
    "n": "null",
}


class _Reply(msgspec.Struct, frozen=True, gc=False):
    jsonrpc: msgspec.Raw = MISSING
    result: msgspec.Raw = MISSING
    error: msgspec.Raw = MISSING


class _ReplyError(msgspec.Struct, frozen=True, gc=False):
    code: int | None = None


def reply_result(data: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
    """The result of a JSON-RPC reply; anything else, a bare block for example, as it is.

    Raises:
        Unreadable: it is no JSON, or a reply that holds an error or no result.
    """
    if first_character(data) != "{":
        return data
    reply = decode(data, _Reply)
    if not is_absent(reply.error):
        # A node's message may quote its URL, and the key in it.
        code = error_code(reply.error)
        told = "" if code is None else f" (code {code})"
        raise Unreadable(f"the reply holds an error{told}: ask the node again")
    if reply.result is MISSING:
        if reply.jsonrpc is MISSING:
            return data
        raise Unreadable("the reply holds neither a result nor an error")
    if is_absent(reply.result):
        raise Unreadable("the reply's result is null: the node did not have it")
    return reply.result


def error_code(error: msgspec.Raw) -> int | None:
    """The code of a reply's error, None if it has none that is an integer."""
    try:
        return msgspec.json.decode(error, type=_ReplyError).code
    except (msgspec.MsgspecError, RecursionError):
        return None


def decode_object(data: bytes | msgspec.Raw, type: type[_T], *, what: str) -> _T:
    """The object's fields; those that `type` does not name are skipped."""
    first = first_character(data)
    if first != "{":
        decode(data, msgspec.Raw)
        raise Unreadable(f"{what} is {_KINDS.get(first, 'a number')}, expected an object")
    return decode(data, type)


def decode(data: bytes | msgspec.Raw, type: type[_T]) -> _T:
    """JSON as `type`, of which every field is `msgspec.Raw`, however deep these are nested.

    Raises:
        Unreadable: it is no JSON.
    """
    try:
        return msgspec.json.decode(data, type=type)
    except RecursionError as error:
        try:
            return msgspec.convert(_taken_apart(bytes(data), type), type)
        except (Unbalanced, msgspec.MsgspecError):
            raise Unreadable(f"not valid JSON: {json_fault(error)}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unreadable(f"not valid JSON: {json_fault(error)}") from error


def _taken_apart(data: bytes, type: type) -> object:
    """An object's fields or an array's items as `msgspec.Raw`, found without recursion."""
    if inspect.isclass(type) and issubclass(type, msgspec.Struct):
        names = [field.encode_name for field in msgspec.structs.fields(type)]
        return {name: msgspec.Raw(value) for name, value in members(data, names).items()}
    if type is not msgspec.Raw and first_character(data) != "[":
        raise Unbalanced
    items = [msgspec.Raw(item) for item in elements(data)]
    return msgspec.Raw(data) if type is msgspec.Raw else items


def json_fault(error: Exception) -> str:
    """What is wrong with JSON, without any of its content."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "a string is not UTF-8"
    if str(error) == "Input data was truncated":
        return "it ends early"
    return str(error).removeprefix("JSON is malformed: ")


def array_field(raw: msgspec.Raw, *, name: str) -> list[msgspec.Raw]:
    """The items of an array field."""
    _expect(raw, "[", name=name, expected="an array")
    return decode(raw, list[msgspec.Raw])


def quantity_field(raw: msgspec.Raw, *, name: str, largest: int) -> int:
    """The number of a hex quantity field."""
    return quantity(_text(raw, name=name), name=name, largest=largest)


def hash_field(raw: msgspec.Raw, *, name: str) -> str:
    """The hash of a field, in lower case."""
    return block_or_transaction_hash(_text(raw, name=name), name=name)


def address_field(raw: msgspec.Raw, *, name: str) -> str:
    """The address of a field, in lower case."""
    return address(_text(raw, name=name), name=name)


def text_field(raw: msgspec.Raw, *, name: str) -> str:
    """The text of a string field."""
    _expect(raw, '"', name=name, expected="a string")
    return decode(raw, str)


def is_absent(raw: msgspec.Raw) -> bool:
    """Whether a field is missing or null."""
    return raw is MISSING or is_null(raw)


def is_null(raw: msgspec.Raw) -> bool:
    """Whether a field is there and null."""
    return bytes(memoryview(raw)[:4]) == b"null"


def is_string(raw: msgspec.Raw) -> bool:
    """Whether a field is there and a string."""
    return first_character(raw) == '"'


def first_character(data: bytes | msgspec.Raw) -> str:
    """The first character of JSON, which tells its kind; "" if there is none."""
    found = _FIRST_BYTE.match(memoryview(data))
    return found[1].decode("latin-1") if found else ""


def _text(raw: msgspec.Raw, *, name: str) -> str:
    _expect(raw, '"', name=name, expected='a string such as "0x1f"')
    return decode(raw, str)


def _expect(raw: msgspec.Raw, first: str, *, name: str, expected: str) -> None:
    if raw is MISSING:
        raise Unreadable(f"{name} is missing")
    found = first_character(raw)
    if found != first:
        raise Unreadable(f"{name} is {_KINDS.get(found, 'a number')}, expected {expected}")
