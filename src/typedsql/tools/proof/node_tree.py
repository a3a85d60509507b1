"""PostgreSQL's text form of a node tree, read into `Node` objects.

The form is that of src/backend/nodes/outfuncs.c: ``{KIND :field value ...}`` with values
that are nodes, lists in parentheses, ``<>`` for NULL, and words in which white space and
brackets are escaped by a backslash. It is no stable interface: what reads the fields of
nodes is written for one major release, that of the reference server.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeGuard

from typedsql.errors import CodeError

# A word may hold an escaped line break: the server's log breaks lines at blanks, also at
# escaped ones.
_TOKEN: Final = re.compile(r'[{}()\[\]]|"(?:[^"\\]|\\.)*"|(?:[^\s{}()\[\]\\]+|\\.)+', re.S)
_ESCAPE: Final = re.compile(r"\\(.)", re.S)
_NULL: Final = "<>"


class Node:
    """A node with its fields; which there are depends on its kind."""

    __slots__ = ("fields", "kind")

    def __init__(self, kind: str, fields: dict[str, Any]) -> None:
        self.kind = kind
        """As it is printed: QUERY, VAR, OPEXPR ..."""
        self.fields = fields

    def __repr__(self) -> str:
        return f"{{{self.kind} {self.fields}}}"

    def text(self, name: str) -> str | None:
        """A word or string; None for NULL."""
        value = self.fields[name]
        if value is None or isinstance(value, str):
            return value
        raise self._unexpected(name)

    def number(self, name: str) -> int:
        """An integer, such as an object's oid or a position in a list."""
        value = self.fields[name]
        if isinstance(value, str):
            return int(value)
        raise self._unexpected(name)

    def flag(self, name: str) -> bool:
        """A truth value."""
        value = self.fields[name]
        if value in ("true", "false"):
            return bool(value == "true")
        raise self._unexpected(name)

    def node(self, name: str) -> "Node | None":
        """Another node; None where there is none."""
        value = self.fields[name]
        if value is None or isinstance(value, Node):
            return value
        raise self._unexpected(name)

    def the(self, name: str) -> "Node":
        """Another node that has to be there."""
        value = self.fields[name]
        if isinstance(value, Node):
            return value
        raise self._unexpected(name)

    def items(self, name: str) -> list[Any]:
        """A list of anything; empty for NULL."""
        value = self.fields[name]
        if value is None:
            return []
        if is_list(value):
            return value
        raise self._unexpected(name)

    def nodes(self, name: str) -> "list[Node]":
        """A list of nodes; empty for NULL."""
        found = self.items(name)
        if all(isinstance(item, Node) for item in found):
            return found
        raise self._unexpected(name)

    def numbers(self, name: str) -> list[int]:
        """A list of integers or oids, or a set of integers in ascending order."""
        value = self.fields[name]
        if value is None:
            return []
        if isinstance(value, Numbers):
            return value.values
        raise self._unexpected(name)

    def _unexpected(self, name: str) -> CodeError:
        return CodeError(
            f"the node tree of this PostgreSQL release is not as expected: {name} of {self.kind}"
        )


class Numbers:
    """A list or set of integers."""

    __slots__ = ("values",)

    def __init__(self, values: list[int]) -> None:
        self.values = values

    def __repr__(self) -> str:
        return repr(self.values)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether a value of a node tree is a list."""
    return isinstance(value, list)


def walk(value: Any) -> Iterator[Node]:
    """Every node in a value of a node tree, the outer ones first."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Node):
            yield item
            pending.extend(reversed(item.fields.values()))
        elif is_list(item):
            pending.extend(reversed(item))


def read_node_tree(text: str) -> Any:
    """A `Node`, or the list of nodes that the text is. Raises CodeError if it is none."""
    # A word keeps its escapes, so that an escaped bracket is none.
    words = iter(_TOKEN.findall(text))
    try:
        value = _value(next(words), words.__next__)
    except StopIteration:
        raise CodeError("the node tree ends too early") from None
    if next(words, None) is not None:
        raise CodeError("the node tree goes on after its end")
    return value


Following = Callable[[], str]
"""The next word; StopIteration at the end."""


def _value(word: str, following: Following) -> Any:
    if word == "{":
        return _node(following)
    if word == "(":
        return _list(following)
    if word == "[":
        return _bytes(following)
    if word == _NULL:
        return None
    if word in ("}", ")", "]"):
        raise CodeError(f"the node tree has a {word} out of place")
    return _plain(word)


def _plain(word: str) -> str:
    inner = word[1:-1] if word.startswith('"') else word
    if "\\" not in inner:
        return inner
    return _ESCAPE.sub(lambda match: " " if match[1] == "\n" else match[1], inner)


def _node(following: Following) -> Node:
    kind = following()
    fields: dict[str, Any] = {}
    name: str | None = None
    while (word := following()) != "}":
        if word[0] == ":" and len(word) > 1:
            name = word[1:]
            fields[name] = None
        elif name is None:
            raise CodeError(f"the node tree has a value without a name in {kind}")
        else:
            # A constant is printed as its length and then its bytes: the bytes are kept.
            fields[name] = _value(word, following)
    return Node(kind, fields)


_NUMBER_LISTS: Final = ("b", "i", "o", "x")


def _list(following: Following) -> Any:
    word = following()
    if word in _NUMBER_LISTS:
        numbers: list[int] = []
        while (word := following()) != ")":
            numbers.append(int(word))
        return Numbers(numbers)
    found: list[Any] = []
    while word != ")":
        found.append(_value(word, following))
        word = following()
    return found


def _bytes(following: Following) -> bytes:
    found: list[int] = []
    while (word := following()) != "]":
        # Printed as signed characters.
        found.append(int(word) & 0xFF)
    return bytes(found)
