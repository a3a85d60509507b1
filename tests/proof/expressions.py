"""Random expressions over the columns in scope."""

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.proof import templates
from tests.proof.schema import TYPES, VALUES, Column

Choice = TypeVar("Choice")

_HOLE = re.compile(rf"<({'|'.join(TYPES)}|K|N2|N|E|F|W)([!=]?)>")
_PREFERENCE = 25.0
"""How much more often than others what a campaign prefers is chosen."""

# Types whose arrays cannot be elements, or whose elements ARRAY[...] cannot hold.
_NO_ARRAY_OF = {"ints", "texts", "code", "qty"}
# PostgreSQL would have to compare or take apart what has no such operator.
_TEXT_LITERAL = {"text", "code"}


@dataclass
class Scope:
    """What an expression may name."""

    columns: list[Column] = field(default_factory=list[Column])
    rows: list[str] = field(default_factory=list[str])
    """Relations that may be named as a whole row."""
    outer: "Scope | None" = None
    wanted: list[str] = field(default_factory=list[str])
    """The types of what is to be selected: conditions are rather about columns of these."""
    proven: list[Column] = field(default_factory=list[Column])
    """Columns that a condition is about: they are what is worth selecting."""

    def of(self, kind: str) -> list[Column]:
        return [column for column in self.columns if column.kind == kind]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a query, and a value for it that is no NULL, as the driver takes it."""

    kind: str
    value: Any


PARAMETER_VALUES: dict[str, Any] = {"int": 2, "text": "a", "bool": True, "ints": [1, None]}


class Expressions:
    """Writes expressions; the queries around them are written by what inherits from it."""

    def __init__(self, rng: random.Random, focus: Iterable[str] = ()) -> None:
        self.rng = rng
        self.focus = frozenset(focus)
        self.parameters: list[Parameter] = []
        self.flat = False
        """No subqueries in expressions for now."""
        self._names = 0

    # What queries.py adds, and expressions need.
    def subquery(self, kind: str, scope: Scope, depth: int) -> str:
        """A query in parentheses that yields one value at most."""
        raise NotImplementedError

    def membership(self, scope: Scope, depth: int) -> str:
        """A condition with a query in it."""
        raise NotImplementedError

    def name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def chance(self, probability: float, tag: str = "") -> bool:
        if tag and tag in self.focus:
            probability = max(probability, 0.6)
        return self.rng.random() < probability

    def pick(self, choices: Sequence[tuple[str, Choice]]) -> Choice:
        """One of several, each with the word it is preferred by."""
        weights = [_PREFERENCE if tag in self.focus else 1.0 for tag, _ in choices]
        return self.rng.choices(choices, weights)[0][1]

    def weighted(self, choices: Sequence[tuple[str, float, Choice]]) -> Choice:
        weights = [w * (_PREFERENCE if tag in self.focus else 1.0) for tag, w, _ in choices]
        return self.rng.choices(choices, weights)[0][2]

    def constant(self, kind: str) -> str:
        if kind == "pair":
            return f"{self.rng.choice(VALUES[kind])}::pair"
        return f"{self.rng.choice(VALUES[kind])}::{TYPES[kind]}"

    def leaf(self, kind: str, scope: Scope, *, constants: bool = True) -> str:
        """A column where there is one; those that are NOT NULL rather than the others."""
        proven = [column for column in scope.proven if column.kind == kind]
        if proven and self.chance(0.5):
            return self.rng.choice(proven).sql
        found = scope.of(kind)
        if scope.outer is not None and (not found or self.chance(0.2)):
            outer = scope.outer.of(kind)
            if outer and self.chance(0.9):
                found = outer
        if not found or (constants and self.chance(0.12)):
            if kind != "code" and self.chance(0.04, "null-constant"):
                return f"NULL::{TYPES[kind]}"
            return self.constant(kind)
        solid = [column for column in found if column.solid]
        return self.rng.choice(solid if solid and self.chance(0.7) else found).sql

    def parameter(self, kind: str) -> str:
        same = [n for n, known in enumerate(self.parameters, 1) if known.kind == kind]
        if same and self.chance(0.4):
            return f"${self.rng.choice(same)}::{TYPES[kind]}"
        self.parameters.append(Parameter(kind, PARAMETER_VALUES[kind]))
        return f"${len(self.parameters)}::{TYPES[kind]}"

    def expression(self, kind: str, scope: Scope, depth: int) -> str:
        if depth <= 0 or self.chance(0.3):
            if kind in PARAMETER_VALUES and self.chance(0.04, "param"):
                return self.parameter(kind)
            return self.leaf(kind, scope)
        special = [
            ("", 8.0, "own"),
            ("", 2.5, "any"),
            ("subquery", 1.0, "subquery"),
            ("cast", 0.2, "cast"),
        ]
        if kind not in _NO_ARRAY_OF:
            special.append(("subscript", 0.2, "element"))
        if kind == "bool":
            special.append(("sublink", 1.0, "membership"))
            if scope.rows:
                special.append(("whole-row", 0.3, "row"))
        if kind == "json" and scope.rows:
            special.append(("whole-row", 0.5, "row"))
        if kind == "text" and scope.rows:
            special.append(("whole-row", 0.1, "row"))
        if self.focus & {tag for tag, _ in templates.EXPRESSIONS[kind]}:
            special[0] = ("", 60.0, "own")
        if self.focus & {tag for tag, _ in templates.OF_ANY}:
            special[1] = ("", 40.0, "any")
        if self.flat:
            special = [c for c in special if c[2] not in ("subquery", "membership")]
        choice = self.weighted(special)
        if choice == "own":
            return self.fill(self.pick(templates.EXPRESSIONS[kind]), kind, scope, depth)
        if choice == "any":
            return self.fill(self.pick(templates.OF_ANY), kind, scope, depth)
        if choice == "subquery":
            return self.subquery(kind, scope, depth - 1)
        if choice == "membership":
            return self.membership(scope, depth - 1)
        if choice == "row":
            row = self.rng.choice(scope.rows)
            if kind == "bool":
                return f"({row} IS {self.rng.choice(['', 'NOT '])}NULL)"
            return f"to_jsonb({row})" if kind == "json" else f"{row}::text"
        if choice == "element":
            return self.fill("(ARRAY[<K>, <K>])[<int=>]", kind, scope, depth)
        return f"({self.expression(kind, scope, depth - 1)})::{TYPES[kind]}"

    def fill(self, template: str, kind: str, scope: Scope, depth: int, **holes: str) -> str:
        """Write what the holes of a template ask for."""
        same: dict[str, str] = dict(holes)

        def hole(match: re.Match[str]) -> str:
            wanted, how = match[1], match[2]
            if wanted in ("F", "W"):
                return same.get(wanted, "")
            if wanted in ("N", "N2"):
                if wanted not in same:
                    same[wanted] = self.leaf(kind, scope, constants=False)
                return same[wanted]
            if wanted == "E":
                if "E" not in same:
                    same["E"] = self.expression(kind, scope, min(depth - 1, 2))
                return same["E"]
            asked = kind if wanted == "K" else wanted
            if how == "=":
                return self.constant(asked)
            if how == "!":
                return self.leaf(asked, scope)
            return self.expression(asked, scope, depth - 1)

        return _HOLE.sub(hole, template)

    def condition(self, scope: Scope, depth: int = 1) -> str:
        """A condition that lets some rows through more often than not."""
        parts = [self._comparison(scope, depth) for _ in range(self.rng.choice((1, 1, 2)))]
        if len(parts) == 2 and self.chance(0.3):
            return f"({parts[0]} OR {parts[1]})"
        return " AND ".join(parts)

    def _comparison(self, scope: Scope, depth: int) -> str:
        if self.chance(0.08, "sublink"):
            return self.membership(scope, depth)
        kinds = sorted({c.kind for c in scope.columns if c.kind not in _TEXT_LITERAL | {"bool"}})
        wanted = [kind for kind in scope.wanted if kind in kinds]
        if wanted and self.chance(0.7):
            kinds = wanted
        kind = self.rng.choice(kinds) if kinds else "int"
        template = self.weighted(
            [
                (tag, 0.4 if tag == "plain-qual" else 1.0, t)
                for tag, t in templates.CONDITIONS
                if kind not in _NO_ARRAY_OF or (" = ANY (" not in t and " <> ALL " not in t)
            ]
        )
        found = scope.of(kind)
        if not found:
            return self.fill(template, kind, scope, depth)
        # Rather a column that may be NULL: about the others there is nothing to prove.
        loose = [column for column in found if not column.solid] or found
        first = self.rng.choice(loose if self.chance(0.75) else found)
        second = self.rng.choice(found)
        scope.proven += [first, second] if "N2" in template else [first]
        holes = {"N": first.sql, "N2": second.sql}
        if "<E>" in template:
            holes["E"] = self.expression(kind, scope, depth)
            # A column proven may as well be an expression that is written again.
            scope.proven = [*scope.proven[:-1], Column(holes["E"], kind, False)]
        return self.fill(template, kind, scope, depth, **holes)
