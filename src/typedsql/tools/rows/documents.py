"""The Python types that [tool.typedsql.documents] declares for JSON: how they are written,
and whether they exist.
"""

import ast
import importlib
import re
from pathlib import Path
from typing import Final

_BUILTIN: Final = ("bool", "bytes", "dict", "float", "int", "list", "None", "object", "str")
_WORD: Final = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_EXPRESSION: Final = re.compile(r"[\w.]+(?:[\w.,|\[\] ]*[\w\]])?")

# What to_json, json_agg and jsonb_build_object write as msgspec reads it; not so interval,
# bytea, ranges and addresses.
_SAFE: Final = (
    r"(?:bool|float|int|str|decimal\.Decimal|datetime\.(?:date|datetime|time)|uuid\.UUID"
    r"|typing\.Any|[A-Z]\w*|(?!typedsql\b|ipaddress\b)[a-z_]\w*(?:\.\w+)*\.[A-Z]\w*)"
)
JSON_SAFE: Final = re.compile(
    rf"(?:{_SAFE}|list\[{_SAFE}(?: \| None)?\])(?: \| None)?",
)


def declared_type(declared: str, rows_prefix: str) -> str:
    """The declared type with dotted names throughout: a bare name is one of the rows."""

    def qualified(match: re.Match[str]) -> str:
        word = match.group()
        return f"{rows_prefix}{word}" if word in bare else word

    bare = bare_names(declared)
    return _WORD.sub(qualified, declared)


def bare_names(declared: str) -> list[str]:
    """The names of rows in a declared type."""
    return [word for word in _WORD.findall(declared) if "." not in word and word not in _BUILTIN]


def refused_type(declared: str, source_root: Path) -> str | None:
    """Why the declared type cannot be used, None if it can.

    `source_root` is the folder from which the project's own packages are imported. Their
    modules are read, not run: what they import may be what is about to be generated.
    """
    try:
        ast.parse(declared, mode="eval")
    except SyntaxError:
        return "is no Python type"
    if not _EXPRESSION.fullmatch(declared):
        return "is no Python type; write a dotted path, or list[...] of one"
    for word in _WORD.findall(declared):
        module, _, name = word.rpartition(".")
        if not module:
            continue
        told = _missing(module, name, source_root)
        if told:
            return told
    return None


def _missing(module: str, name: str, source_root: Path) -> str | None:
    path = source_root.joinpath(*module.split("."))
    if source_root.joinpath(module.partition(".")[0]).is_dir():
        for candidate in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if candidate.is_file():
                if name in _top_level_names(candidate):
                    return None
                return f"names {name}, which {candidate.relative_to(source_root)} does not define"
        return f"names the module {module}, which does not exist"
    try:
        found = importlib.import_module(module)
    except ImportError:
        return f"names the module {module}, which cannot be imported"
    return None if hasattr(found, name) else f"names {name}, which {module} does not have"


def _top_level_names(path: Path) -> set[str]:
    """What a module defines or imports at its top level, also under an if or try."""
    names: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        else:
            pending.extend(ast.iter_child_nodes(node))
    return names
