"""JSON that is nested deeper than a decoder goes, taken apart one level at a time.

Python's decoders stop at about 1,000 brackets within one another. A reply of callTracer
about a transaction whose calls go 500 deep has more, and such transactions exist. What is
found here is not checked to be JSON: each part is, once it is decoded.
"""

import re
from collections.abc import Collection, Iterator
from typing import Final

# A transaction's calls go 1,024 deep, which is twice that in brackets, and some more around.
MAX_NESTED_BRACKETS: Final = 4_096

# A string is one token, so that brackets and commas within it are none.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)
_CLOSING: Final = {b"]": b"[", b"}": b"{"}


class Unbalanced(ValueError):
    """The brackets do not match or are too many, or something stands beside the value."""


def elements(data: bytes) -> Iterator[bytes]:
    """The items of an array, or the members of an object (`"name": value`), in order.

    Raises:
        Unbalanced: it is neither, or its brackets do not match.
    """
    open_brackets: list[bytes] = []
    start = end = 0
    for found in _TOKEN.finditer(data):
        token, at = found[0], found.start()
        if end:
            raise Unbalanced
        if not open_brackets and (token not in (b"[", b"{") or data[:at].strip()):
            raise Unbalanced
        if token in (b"[", b"{"):
            if len(open_brackets) == MAX_NESTED_BRACKETS:
                raise Unbalanced
            open_brackets.append(token)
            if len(open_brackets) == 1:
                start = at + 1
        elif token in _CLOSING:
            if open_brackets.pop() != _CLOSING[token]:
                raise Unbalanced
            if not open_brackets:
                end = at + 1
                if data[start:at].strip():
                    yield data[start:at].strip()
        elif token == b"," and len(open_brackets) == 1:
            yield data[start:at].strip()
            start = at + 1
    if not end or data[end:].strip():
        raise Unbalanced


def members(data: bytes, names: Collection[str]) -> dict[str, bytes]:
    """The values of an object's members of these names.

    Raises:
        Unbalanced: it is no object, or its brackets do not match.
    """
    found: dict[str, bytes] = {}
    if data.lstrip()[:1] != b"{":
        raise Unbalanced
    for member in elements(data):
        name, _, value = member.partition(b":")
        text = name.strip()[1:-1].decode("utf-8", "replace")
        if text in names:
            found[text] = value.strip()
    return found
