"""Where Python makes SQL out of strings: read off the syntax tree, nothing is run.

Two kinds of places are found. A call that sends SQL, whose text is put together right there or
earlier in its function; and a text put together anywhere that begins as SQL does, which may be
sent elsewhere. Of each place is told what was put into the text without being quoted.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

SENDS: Final = frozenset(
    [
        "execute",
        "executemany",
        "fetch",
        "fetchmany",
        "fetchrow",
        "fetchval",
        "prepare",
        "cursor",
        "query",
        "copy_from_query",
    ]
)
"""Methods of the driver that take SQL first."""

QUOTES: Final = frozenset({"quoted", "quoted_table"})
"""The functions of typedsql.identifiers: what they return may stand in SQL."""
QUOTED: Final = frozenset({"quoted_migrations_table"})
"""Properties that return what those did."""

TOLD: Final = frozenset({"message", "advice"})
"""Keywords of what is told to a person, and may be SQL to type in."""

_BEGINS: Final = re.compile(
    r"\s*(/\*.*?\*/\s*)?(SELECT|INSERT INTO|UPDATE|DELETE FROM|MERGE INTO|WITH|TRUNCATE|COPY|"
    r"VALUES|CREATE|ALTER|DROP|GRANT|REVOKE|SET|RESET|LOCK|CALL|DO|COMMENT ON|EXPLAIN|BEGIN|COMMIT|"
    r"ROLLBACK|SAVEPOINT|RELEASE|LISTEN|NOTIFY|DISCARD|REINDEX|VACUUM|ANALYZE|REFRESH) ",
    re.S,
)


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """A text that is put together where SQL may be."""

    function: str
    """Its class and function; `` for a module's own level."""
    line: int
    unquoted: tuple[str, ...]
    """What comes into it that no function has quoted, as written."""


def built_in(source: str) -> list[Built]:
    """Every place of a module, in the order of its lines."""
    found = {(each.function, each.line): each for each in _Reader().read(ast.parse(source))}
    return sorted(found.values(), key=lambda each: each.line)


def built_below(folder: Path) -> Iterator[tuple[str, Built]]:
    """The same for all modules, with each module's path."""
    for path in sorted(folder.rglob("*.py")):
        for each in built_in(path.read_text(encoding="utf-8")):
            yield path.relative_to(folder).as_posix(), each


class _Reader(ast.NodeVisitor):
    def __init__(self) -> None:
        self._scopes: list[tuple[str, dict[str, list[ast.expr]]]] = [("", {})]
        self._found: list[Built] = []
        self._is_told = False

    def read(self, tree: ast.AST) -> list[Built]:
        self.visit(tree)
        return self._found

    def _enter(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        name = f"{self._scopes[-1][0]}.{node.name}".lstrip(".")
        self._scopes.append((name, {}))
        self.generic_visit(node)
        self._scopes.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _enter  # noqa: N815

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._assigned(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._assigned(node.target, node.value)
        self.generic_visit(node)

    visit_NamedExpr = visit_AugAssign = visit_AnnAssign  # type: ignore[assignment]  # noqa: N815

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        self._scopes[-1][1].setdefault(ast.unparse(target), []).append(value)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr in SENDS:
            sent = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "query")]
            for text in sent:
                for value in [text, *self._values_of(text)]:
                    self._look_at(value, always=True)
        for part in (node.func, *node.args):
            self.visit(part)
        for word in node.keywords:
            outside, self._is_told = self._is_told, self._is_told or word.arg in TOLD
            self.visit(word.value)
            self._is_told = outside

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._look_at(node)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._look_at(node)
        self.generic_visit(node)

    def _values_of(self, name: ast.expr) -> list[ast.expr]:
        """What was assigned to a name so far, in its function or around it."""
        written = ast.unparse(name)
        return [value for _, names in reversed(self._scopes) for value in names.get(written, ())]

    def _look_at(self, text: ast.expr, *, always: bool = False) -> None:
        """`always`: whatever it begins with, as it is sent."""
        parts = _parts(text)
        put_in = [part for part in parts if not isinstance(part, str)]
        first = parts[0] if parts else None
        begins = not self._is_told and isinstance(first, str) and _BEGINS.match(first)
        if put_in and (always or begins):
            unquoted = tuple(ast.unparse(part) for part in put_in if not self._is_quoted(part))
            self._found.append(
                Built(function=self._scopes[-1][0], line=text.lineno, unquoted=unquoted)
            )

    def _is_quoted(self, part: ast.expr) -> bool:
        if isinstance(part, ast.Constant):
            return True
        if isinstance(part, ast.IfExp):
            return self._is_quoted(part.body) and self._is_quoted(part.orelse)
        if isinstance(part, ast.Attribute):
            return part.attr in QUOTED
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
            return part.func.id in QUOTES
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            # ", ".join(map(quoted, names))
            mapped = part.args[0] if part.func.attr == "join" and part.args else None
            return (
                isinstance(mapped, ast.Call)
                and ast.unparse(mapped.func) == "map"
                and ast.unparse(mapped.args[0]) in QUOTES
            )
        if isinstance(part, ast.Name):
            values = self._values_of(part)
            return bool(values) and all(map(self._is_quoted, values))
        return False


def _parts(text: ast.expr) -> list[str | ast.expr]:
    """A text's constants and what is put between them; nothing for what is no such text."""
    if isinstance(text, ast.Constant):
        return [text.value] if isinstance(text.value, str) else []
    if isinstance(text, ast.JoinedStr):
        return [
            part.value if isinstance(part, ast.FormattedValue) else str(part.value)  # type: ignore[attr-defined]
            for part in text.values
        ]
    if isinstance(text, ast.BinOp) and isinstance(text.op, ast.Add | ast.Mod):
        sides = [_parts(text.left) or [text.left], _parts(text.right) or [text.right]]
        whole = [part for side in sides for part in side]
        # A sum of numbers is no text.
        return whole if any(isinstance(part, str) for part in whole) else []
    if (
        isinstance(text, ast.Call)
        and isinstance(text.func, ast.Attribute)
        and text.func.attr in ("format", "join", "format_map")
    ):
        return [*_parts(text.func.value), *text.args, *(word.value for word in text.keywords)]
    return []
