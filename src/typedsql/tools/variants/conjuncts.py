"""Where a statement's conditions and its ordering stand, found by PostgreSQL's own tokens.

A clause is the condition of a WHERE or of a JOIN's ON; its conjuncts are what AND joins at its
top. The parser's tree has no ends of expressions, only tokens have. What is found here is
checked against the tree by `variants.expansion`, so a mistake is found before it is used.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from typedsql.tools.reading.lexer import Token, tokenize

_OPENING: Final = frozenset({"ASCII_40", "ASCII_91"})
_CLOSING: Final = frozenset({"ASCII_41", "ASCII_93"})
_COMMA: Final = "ASCII_44"
_DOT: Final = "ASCII_46"
_AFTER_CONDITION: Final = frozenset(
    {"DO", "FETCH", "FOR", "GROUP_P", "HAVING", "JOIN", "LIMIT", "OFFSET", "ON", "ORDER"}
    | {"EXCEPT", "INTERSECT", "UNION", "RETURNING", "WHEN", "WHERE", "WINDOW"}
    | {"ASCII_44", "ASCII_59"}
)
# These are names of functions as well, and begin a join only before one of these.
_JOIN_WORDS: Final = frozenset({"LEFT", "RIGHT", "FULL", "INNER_P", "CROSS", "NATURAL"})
_BEHIND_JOIN_WORD: Final = _JOIN_WORDS | {"JOIN", "OUTER_P"}
_AFTER_ORDERING: Final = frozenset({"LIMIT", "OFFSET", "FETCH", "FOR", "RETURNING", "ASCII_59"})


class Conjunct(msgspec.Struct, frozen=True):
    """One of the conditions that AND joins. Offsets are characters of the text."""

    start: int
    end: int
    joined: int
    """Where the AND before it begins; of the first, which has none, its own start."""
    parameters: frozenset[str]
    """Texts of the parameters in it, ``$1``."""


class Clause(msgspec.Struct, frozen=True):
    """The condition of a WHERE or an ON."""

    keyword: str
    """WHERE or ON."""
    start: int
    """Of the keyword."""
    conjuncts: tuple[Conjunct, ...]

    @property
    def end(self) -> int:
        return self.conjuncts[-1].end

    def holds(self, first: int, last: int) -> bool:
        """Whether both places are within the condition."""
        return self.conjuncts[0].start <= first and last < self.end


class OrderBy(msgspec.Struct, frozen=True):
    """What stands behind the outermost ORDER BY."""

    start: int
    """Behind the BY."""
    tokens: tuple[Token, ...]


def clauses(tokens: Sequence[Token]) -> tuple[Clause, ...]:
    """Every WHERE and ON of a statement, the outer ones first. No comments among the tokens."""
    found: list[Clause] = []
    for index, token in enumerate(tokens):
        if token.kind not in ("WHERE", "ON") or _is_label(tokens, index):
            continue
        if token.kind == "ON" and (
            tokens[index + 1].kind == "CONFLICT" or tokens[index - 1].kind == "DISTINCT"
        ):
            continue
        parts = list(_conjuncts(_condition(tokens, index + 1)))
        if parts:
            found.append(Clause(token.kind, token.start, tuple(parts)))
    return tuple(found)


def order_by(tokens: Sequence[Token]) -> OrderBy | None:
    """The statement's own ORDER BY, not those of subqueries, windows or aggregates."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token.kind in _OPENING) - (token.kind in _CLOSING)
        if depth == 0 and token.kind == "ORDER" and not _is_label(tokens, index):
            by = tokens[index + 1]
            return OrderBy(by.end, tuple(_outermost_until(tokens, index + 2, _AFTER_ORDERING)))
    return None


def expressions(text: str) -> tuple[str, ...]:
    """The single expressions of a list, split at its commas."""
    depth = 0
    starts = [0]
    ends: list[int] = []
    for token in tokenize(text):
        depth += (token.kind in _OPENING) - (token.kind in _CLOSING)
        if depth == 0 and token.kind == _COMMA:
            ends.append(token.start)
            starts.append(token.end)
    return tuple(
        text[start:end].strip() for start, end in zip(starts, [*ends, len(text)], strict=True)
    )


def _is_label(tokens: Sequence[Token], index: int) -> bool:
    """Behind a dot every word is a column's name."""
    return index > 0 and tokens[index - 1].kind == _DOT


def _condition(tokens: Sequence[Token], first: int) -> list[Token]:
    """The tokens of the condition that begins here."""
    found: list[Token] = []
    cases = 0
    for index, token, depth in _nested(tokens, first):
        if depth == 0 and not _is_label(tokens, index):
            cases += (token.kind == "CASE") - (token.kind == "END_P")
            if cases == 0 and _ends_condition(tokens, index):
                break
        found.append(token)
    return found


def _ends_condition(tokens: Sequence[Token], index: int) -> bool:
    kind = tokens[index].kind
    if kind in _JOIN_WORDS:
        return index + 1 < len(tokens) and tokens[index + 1].kind in _BEHIND_JOIN_WORD
    return kind in _AFTER_CONDITION


def _outermost_until(tokens: Sequence[Token], first: int, ends: frozenset[str]) -> Iterator[Token]:
    for index, token, depth in _nested(tokens, first):
        if depth == 0 and token.kind in ends and not _is_label(tokens, index):
            return
        yield token


def _nested(tokens: Sequence[Token], first: int) -> Iterator[tuple[int, Token, int]]:
    """Tokens from `first` on with how deep they are in brackets, to the bracket that ends them.

    A bracket counts as deep as what it encloses.
    """
    depth = 0
    for index in range(first, len(tokens)):
        token = tokens[index]
        if token.kind in _OPENING:
            depth += 1
        yield_depth = depth
        if token.kind in _CLOSING:
            if depth == 0:
                return
            depth -= 1
        yield index, token, yield_depth


def _conjuncts(condition: Sequence[Token]) -> Iterator[Conjunct]:
    """Split at the ANDs that join conditions; BETWEEN has an AND of its own."""
    joints: list[int] = []
    cases = 0
    betweens = 0
    for index, token, depth in _nested(condition, 0):
        if depth or _is_label(condition, index):
            continue
        cases += (token.kind == "CASE") - (token.kind == "END_P")
        if cases:
            continue
        if token.kind == "OR":
            # It binds less than AND: all of the condition is one.
            joints = []
            break
        if token.kind == "BETWEEN":
            betweens += 1
        elif token.kind == "AND" and betweens:
            betweens -= 1
        elif token.kind == "AND":
            joints.append(index)
    for joint, following in itertools.pairwise([-1, *joints, len(condition)]):
        part = condition[joint + 1 : following]
        if part:
            yield Conjunct(
                start=part[0].start,
                end=part[-1].end,
                joined=condition[max(joint, 0)].start,
                parameters=frozenset(token.text for token in part if token.kind == "PARAM"),
            )
