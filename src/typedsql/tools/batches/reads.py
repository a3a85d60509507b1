"""A read by key for many keys at once: derived, written down, and compared with the read.

Text is put together by tokens; what came of it is parsed and its inner query compared with
the tree of the original, so that no mistake of the one can pass the other.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from pglast.enums import SetOperation
from pglast.parser import ParseError

from typedsql.statements import Columns, Statement
from typedsql.tools.batches.statement import POSITION, quoted
from typedsql.tools.reading.lexer import STRINGS, Token, significant, tokenize
from typedsql.tools.reading.parse_tree import ast, parse, walk
from typedsql.tools.variants.conditions import Reader, Shape

SUFFIX: Final = "__batch"
GIVEN: Final = "given"
"""What the keys are called in the derived statement."""

COMMENT_WIDTH: Final = 90
_FOUND: Final = "found"
_STEP: Final = "    "
_TAG: Final = re.compile(r"/\* [\w.]+ \*/ ")
# The planner makes a join of a subquery that has none of these.
_NOT_PULLED_UP: Final = (
    *("sortClause", "limitCount", "limitOffset", "distinctClause", "groupClause"),
    *("havingClause", "windowClause"),
)
_FENCE: Final = ("sortClause", "limitOffset", "limitOption")
_CHANGES: Final = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)


def problems(statement: Statement) -> Iterator[tuple[str, str]]:
    """Why a statement is no read that can be derived from, and what to do."""
    try:
        tree = parse(statement.sql)
    except ParseError:
        return  # Told already.
    if statement.suffix not in ("^", "$") or not isinstance(tree, ast.SelectStmt):
        yield (
            "@batch without a statement is for a SELECT with the suffix ^ or $",
            "name the statement that does it for many and the key, as in "
            "`-- @batch merge_many by id`, or remove it",
        )
        return
    if any(
        isinstance(node, _CHANGES) or getattr(node, "lockingClause", None) for node in walk(tree)
    ):
        yield (
            "@batch on a read that changes or locks rows",
            "name the statement that does it for many, or remove it",
        )
    if not statement.parameters:
        yield "@batch on a statement without parameters: there is no key", "remove it"
    if POSITION in statement.parameters:
        yield f"@batch needs the name {POSITION} for itself", f"rename the parameter {POSITION}"
    if any(token.text.strip('"').lower() == GIVEN for token in tokenize(statement.sql)):
        yield f"@batch needs the name {GIVEN} for itself", f"call it something else than {GIVEN}"


def section(statement: Statement, types: Sequence[str], columns: Columns) -> str:
    """The derived statement as it stands in the file.

    `types` are those of the parameters in the order of their numbers, `columns` those that the
    read returns.
    """
    name = statement.name.partition(".")[2]
    by_name = dict(zip(statement.parameters, types, strict=True))
    arrays = [f"CAST(:{item} AS {by_name[item]}[])" for item in statement.declared]
    names = [quoted(item) for item in (*statement.declared, POSITION)]
    shown = [f"{GIVEN}.{POSITION}", *(f"{_FOUND}.{quoted(column)}" for column, _ in columns)]
    fence = [f"ORDER BY {GIVEN}.{POSITION} ASC", "OFFSET 0"] if _needs_fence(statement) else []
    told = (
        f"{name} for each of many keys, given as arrays of equal length: what calls of it become "
        "that are made at the same time. ordinal is the position of a row's key, from 1."
    )
    if fence:
        told += " OFFSET 0 keeps it a look-up for each key, whatever their number."
    lines = [
        f"-- name: {name}{SUFFIX}({', '.join(statement.declared)})",
        *(f"-- {line}" for line in textwrap.wrap(told, COMMENT_WIDTH)),
        *([f"-- @timeout {_decimal(statement.timeout_s)}s"] if statement.timeout_s else []),
        "SELECT",
        *_listed(shown),
        "FROM",
        f"{_STEP}unnest(",
        *(f"{_STEP}{line}" for line in _listed(arrays)),
        f"{_STEP}) WITH ORDINALITY AS {GIVEN} ({', '.join(names)}),",
        f"{_STEP}LATERAL (",
        _body(statement),
        *(f"{_STEP}{_STEP}{line}" for line in fence),
        f"{_STEP}) AS {_FOUND};\n",
    ]
    return "\n".join(lines)


def is_same(derived: Statement, statement: Statement) -> bool:
    """Whether what is asked for each key is the read itself."""
    try:
        inner = parse(derived.sql).fromClause[1].subquery
    except (ParseError, AttributeError, TypeError, IndexError):
        return False
    tree = parse(statement.sql)
    expected = Reader(statement.parameters).shape(tree)
    return _OfKeys(derived.parameters).unfenced(inner, tree) == expected


class _OfKeys(Reader):
    """Reads a column of the keys as the parameter that it stands for."""

    def unfenced(self, node: Any, original: Any) -> Shape:
        """The shape of a query, its order and limits as in the original where it is fenced."""
        fenced = _is_bare(original)
        return self._node(node, {name: getattr(original, name) for name in _FENCE if fenced})

    def shape(self, node: Any) -> Shape:
        if isinstance(node, ast.ColumnRef) and len(node.fields) == 2:
            table, column = (getattr(item, "sval", None) for item in node.fields)
            if table == GIVEN:
                return ("ParamRef", column)
        return super().shape(node)


def _needs_fence(statement: Statement) -> bool:
    """Whether the planner may join it otherwise than by looking up each key.

    It decides by the number of keys and by statistics, and a read of a whole table is the
    wrong choice for those that are called at a high rate.
    """
    return _is_bare(parse(statement.sql))


def _is_bare(tree: Any) -> bool:
    return tree.op == SetOperation.SETOP_NONE and not any(
        getattr(tree, name) for name in _NOT_PULLED_UP
    )


def _body(statement: Statement) -> str:
    """The read with a column for each parameter, indented, the lines of texts left as they are."""
    sql = statement.sql
    tokens = significant(tokenize(sql))
    tag = _TAG.match(sql)
    at = tag.end() if tag else 0
    pieces: list[str] = []
    for token in tokens:
        pieces.append(_indented(sql[at : token.start]))
        pieces.append(_replaced(token, statement))
        at = token.end
    return 2 * _STEP + "".join(pieces)


def _replaced(token: Token, statement: Statement) -> str:
    if token.kind == "PARAM":
        return f"{GIVEN}.{quoted(statement.parameters[int(token.text[1:]) - 1])}"
    return token.text if token.kind in STRINGS else _indented(token.text)


def _indented(text: str) -> str:
    return re.sub(r"\n(?!\n)", f"\n{2 * _STEP}", text)


def _listed(items: Sequence[str]) -> list[str]:
    return [f"{_STEP}{item}," for item in items[:-1]] + [f"{_STEP}{items[-1]}"]


def _decimal(seconds: float) -> str:
    return format(Decimal(repr(seconds)), "f").removesuffix(".0")
