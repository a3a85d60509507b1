"""A call that waits to be sent with others, and about how large it is."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence, Sized
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

_VALUE_BYTES: Final = 16
_ALONE_BYTES: Final = 2**40
"""What a list counts: more than any batch may have, so that its call goes by itself.

In an array it would be a dimension, which the server flattens: the calls behind it would be
given each other's values.
"""
# Never longer than that: most of what tables hold beside texts.
_SHORT: Final = frozenset({type(None), bool, int, float, Decimal, datetime, date, UUID})


class WaitingCall:
    """One caller's arguments, and the future that it awaits."""

    __slots__ = ("arguments", "future", "key", "since_s", "size_bytes")

    def __init__(
        self, arguments: tuple[object, ...], key: object, future: "asyncio.Future[Any]"
    ) -> None:
        self.arguments = arguments
        self.key = key
        self.future = future
        self.since_s = time.monotonic()
        self.size_bytes = size_of(arguments)

    def give(self, result: Any) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def refuse(self, failure: BaseException) -> None:
        if self.future.done():
            return
        if isinstance(failure, Exception):
            self.future.set_exception(failure)
        else:
            self.future.cancel()


def size_of(arguments: Sequence[object]) -> int:
    """About how many bytes arguments take on the wire."""
    size_bytes = _VALUE_BYTES * len(arguments)
    for value in arguments:
        kind = type(value)
        if kind is str or kind is bytes:
            size_bytes += len(cast("str | bytes", value))
        elif kind not in _SHORT:
            size_bytes += _ALONE_BYTES if _is_list(value) else _size_of(value)
    return size_bytes


def _is_list(value: object) -> bool:
    """Whether the driver takes it for a dimension of an array; a tuple is a composite to it."""
    return (
        isinstance(value, Iterable)
        and isinstance(value, Sized)
        and not isinstance(value, str | bytes | bytearray | memoryview | Mapping | tuple)
    )


def _size_of(value: object) -> int:
    """About how many bytes a value takes on the wire."""
    try:
        return _size_within(value)
    except RecursionError:
        # By itself, to be refused by itself.
        return _ALONE_BYTES


def _size_within(value: object) -> int:
    if isinstance(value, str | bytes):
        return _VALUE_BYTES + len(value)
    if isinstance(value, tuple | list):
        return sum(map(_size_within, cast("Sequence[object]", value)))
    if isinstance(value, dict):
        document = cast("Mapping[object, object]", value)
        return sum(_size_within(item) for pair in document.items() for item in pair)
    return _VALUE_BYTES
