"""Constants of a node tree, where their value decides."""

import struct
from typing import Final

from typedsql.tools.proof.node_tree import Node

_BOOL: Final = 16
_TEXT: Final = 25
INTERVAL: Final = 1186
"""pg_type.oid of interval."""
_HEADER: Final = 4


def is_null(node: Node) -> bool:
    """Whether it is the constant NULL."""
    return node.kind == "CONST" and node.flag("constisnull")


def boolean(node: Node | None) -> bool | None:
    """The truth value that a constant is; None for anything else, NULL too."""
    if node is None or node.kind != "CONST" or node.number("consttype") != _BOOL:
        return None
    value = _bytes(node)
    return None if not value else value[0] != 0


def text(node: Node) -> str | None:
    """The text that a constant is; None for anything else."""
    while node.kind == "RELABELTYPE":
        node = node.the("arg")
    if node.kind != "CONST" or node.number("consttype") != _TEXT:
        return None
    value = _body(_bytes(node))
    return None if value is None else value.decode("utf-8", "replace")


def array(node: Node) -> tuple[bool, bool] | None:
    """Of an array constant whether it has elements, and whether none of them is NULL.

    None for anything else. The form is that of src/include/utils/array.h.
    """
    if node.kind != "CONST" or node.flag("constisnull") or node.number("constlen") != -1:
        return None
    value = _body(_bytes(node))
    if value is None or len(value) < 12:
        return None
    dimensions, offset = struct.unpack_from("=ii", value)
    if not 0 <= dimensions <= 6:
        return None
    return dimensions > 0, offset == 0


def forward_interval(node: Node) -> bool:
    """Whether it is an interval of which no part goes backwards."""
    if node.kind != "CONST" or node.number("consttype") != INTERVAL:
        return False
    value = _bytes(node)
    return value is not None and len(value) >= 16 and min(struct.unpack_from("=qii", value)) >= 0


def whole_number(node: Node | None) -> int | None:
    """The bigint that a constant is; None for anything else."""
    if node is None or node.kind != "CONST" or node.flag("constisnull"):
        return None
    value = _bytes(node)
    if value is None or len(value) < 8 or not node.flag("constbyval"):
        return None
    return int(struct.unpack_from("=q", value)[0])


def _bytes(node: Node) -> bytes | None:
    value = node.fields["constvalue"]
    return value if isinstance(value, bytes) else None


def _body(value: bytes | None) -> bytes | None:
    """What follows the length of a value of variable length."""
    if value is None or len(value) < _HEADER:
        return None
    # The length is in the upper 30 bits on little-endian machines, the lower on others.
    little, big = (int.from_bytes(value[:4], order) for order in ("little", "big"))
    if little >> 2 != len(value) and big & 0x3FFFFFFF != len(value):
        return None
    return value[_HEADER:]
