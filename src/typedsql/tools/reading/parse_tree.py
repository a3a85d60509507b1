"""PostgreSQL's parse tree of a statement, as pglast gives it."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import pglast
import pglast.ast

# The node classes are not typed well enough to be of help: all their members are Optional.
ast: Any = pglast.ast


def parse(sql: str) -> Any:
    """The tree of the first statement. Raises pglast's ParseError."""
    return pglast.parse_sql(sql)[0].stmt


def walk(node: Any) -> Iterator[Any]:
    """A tree's nodes, the outer ones first."""
    if isinstance(node, ast.Node):
        yield node
        for name in node:
            yield from walk(getattr(node, name))
    elif isinstance(node, tuple):
        for item in cast("Iterable[Any]", node):
            yield from walk(item)
