"""Directives in a statement's header: comments of the form ``-- @key value``.

They say what PostgreSQL cannot know: which filters may be left out, which orderings a caller
may choose, how long the statement may take. psql takes them for comments, so the file runs
there as it is.
"""

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from typedsql.errors import CodeError

DIRECTIVES: Final = ("batch", "one", "optional", "order_by", "returns", "staging", "timeout")
_REPEATED: Final = frozenset({"optional", "order_by"})
_DIRECTIVE = re.compile(r"@(\S+)[ \t]*(.*)")
_TIMEOUT = re.compile(r"(\d+(?:\.\d+)?)[ \t]*(ms|s|min)")
_BATCH: Final = re.compile(r"(\w+)[ \t]+by[ \t]+(.+)")
_SECONDS: Final = {"ms": Decimal("0.001"), "s": Decimal(1), "min": Decimal(60)}


class Ordering(msgspec.Struct, frozen=True):
    """One of the orders in which a caller may have the rows."""

    name: str
    expressions: str
    """What stands between ORDER BY and whatever follows, as in the file."""


class Batch(msgspec.Struct, frozen=True):
    """How concurrent calls of a statement become one statement."""

    into: str | None
    """The statement of the same file that does so; None where it follows from this one."""
    key: tuple[str, ...]
    """Parameters that tell apart the rows that are written; empty where nothing is."""


class Directives(msgspec.Struct, frozen=True, kw_only=True):
    """What one header says, beside its prose."""

    returns: str | None = None
    one: bool = False
    optional: tuple[tuple[str, ...], ...] = ()
    orderings: tuple[Ordering, ...] = ()
    timeout_s: float | None = None
    batch: Batch | None = None
    staging: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """A directive that means nothing as it is written."""

    location: str
    """``folder/file.sql:line`` of the directive."""
    line: int
    """1-based."""
    message: str
    advice: str

    def __str__(self) -> str:
        return f"{self.location}: {self.message}; {self.advice}"


class DirectivesRefused(CodeError):
    """Directives that cannot be followed, all of a file at once."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("\n".join(map(str, refusals)))
        self.refusals = tuple(refusals)


class _Malformed(Exception):
    """A directive's mistake and what to write instead."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message, advice)
        self.message = message
        self.advice = advice


def prose_of(header: str) -> str:
    """The header without its directives."""
    return "\n".join(line for line in header.splitlines() if not line.startswith("@")).strip()


def read_directives(
    header: str,
    declared: Sequence[str],
    locate: Callable[[str], tuple[str, int]],
    refusals: list[Refusal],
) -> Directives:
    """What the directives of one header say; what is wrong with them is added to `refusals`.

    `locate` tells where a line of the header stands: as ``folder/file.sql:line``, and its line.
    """
    single: dict[str, str] = {}
    optional: list[tuple[str, ...]] = []
    orderings: list[Ordering] = []
    timeout_s: float | None = None
    batch: Batch | None = None
    for line in header.splitlines():
        match = _DIRECTIVE.fullmatch(line)
        if match is None:
            continue
        key, value = match[1], match[2].strip()
        try:
            if key in single and key not in _REPEATED:
                raise _Malformed(f"directive @{key} stands twice", "keep one of them")
            single[key] = value
            if key == "optional":
                optional.append(_group(value, declared, optional))
            elif key == "order_by":
                orderings.append(_ordering(value, orderings))
            elif key == "timeout":
                timeout_s = _seconds(value)
            elif key == "batch":
                batch = _batch(value, declared)
            else:
                _check_plain(key, value)
        except _Malformed as mistake:
            refusals.append(Refusal(*locate(line), mistake.message, mistake.advice))
    return Directives(
        returns=single.get("returns"),
        one="one" in single,
        optional=tuple(optional),
        orderings=tuple(orderings),
        timeout_s=timeout_s,
        batch=batch,
        staging=single.get("staging"),
    )


def _check_plain(key: str, value: str) -> None:
    if key not in DIRECTIVES:
        known = ", ".join(f"@{name}" for name in DIRECTIVES)
        raise _Malformed(f"unknown directive @{key}", f"known are {known}")
    if key == "one" and value:
        raise _Malformed("@one takes no value", "write `-- @one`")
    if key == "returns" and not value.isidentifier():
        raise _Malformed(
            f"@returns {value} is no Python class name".replace("  ", " "),
            "write `-- @returns Name`",
        )
    if key == "staging" and not value.isidentifier():
        raise _Malformed(
            "@staging names the table that rows are merged into, without its schema",
            "write `-- @staging table`",
        )


def _group(
    value: str, declared: Sequence[str], known: Sequence[tuple[str, ...]]
) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(","))
    if not all(name.isidentifier() for name in names):
        raise _Malformed(
            "@optional names the parameters that may be left out",
            "write `-- @optional since` or `-- @optional since, until`",
        )
    for index, name in enumerate(names):
        if name not in declared:
            raise _Malformed(
                f"@optional {name} is no parameter of the statement",
                f"its parameters are {', '.join(declared)}" if declared else "it has none",
            )
        if name in names[:index] or any(name in group for group in known):
            raise _Malformed(
                f"@optional names {name} twice",
                "a parameter is left out by itself, or with one group of others",
            )
    return names


def _batch(value: str, declared: Sequence[str]) -> Batch:
    if not value:
        return Batch(None, ())
    match = _BATCH.fullmatch(value)
    names = tuple(name.strip() for name in match[2].split(",")) if match else ()
    if match is None or not all(name.isidentifier() for name in (match[1], *names)):
        raise _Malformed(
            "@batch takes nothing, or a statement and the key of the rows that it writes",
            "write `-- @batch` on a read, `-- @batch merge_many by chain_id, hash` on a write",
        )
    for index, name in enumerate(names):
        if name not in declared:
            raise _Malformed(
                f"@batch has {name} in its key, which is no parameter of the statement",
                f"its parameters are {', '.join(declared)}" if declared else "it has none",
            )
        if name in names[:index]:
            raise _Malformed(f"@batch names {name} twice", "name each parameter of the key once")
    return Batch(match[1], names)


def _ordering(value: str, known: Sequence[Ordering]) -> Ordering:
    name, _, expressions = value.partition(" ")
    expressions = expressions.strip().removesuffix(";").rstrip()
    if not (name.isidentifier() and expressions):
        raise _Malformed(
            "@order_by takes a name and what stands after ORDER BY",
            "write `-- @order_by newest t.created_at DESC, t.id DESC`",
        )
    if any(name == ordering.name for ordering in known):
        raise _Malformed(f"two orderings are named {name}", "give each a name of its own")
    return Ordering(name, expressions)


def _seconds(value: str) -> float:
    match = _TIMEOUT.fullmatch(value)
    seconds = float(Decimal(match[1]) * _SECONDS[match[2]]) if match else 0.0
    if seconds <= 0 or not math.isfinite(seconds):
        raise _Malformed(
            "@timeout takes a time of more than 0, in ms, s or min",
            "write `-- @timeout 500ms`, `-- @timeout 2s` or `-- @timeout 1min`",
        )
    return seconds
