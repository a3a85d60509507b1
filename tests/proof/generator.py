"""Random statements over the fuzzer's schema."""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass

from tests.proof.expressions import Parameter
from tests.proof.modifying import Modifying
from tests.proof.schema import Column

_DEPTH = 2
_PARAMETER = re.compile(r"\$(\d+)")


@dataclass(frozen=True)
class Statement:
    """A statement, and values that its parameters may have."""

    sql: str
    parameters: tuple[Parameter, ...]


class Generator(Modifying):
    """Writes one statement; make another one for the next."""

    def statement(self) -> Statement:
        kinds = self.kinds(self.rng.randint(1, 4))
        form = self.weighted(
            [
                ("query", 6.0, "query"),
                ("dml", 2.0, "modification"),
                ("cte", 1.0, "with"),
                ("modifying-cte", 0.7, "modifying with"),
                ("recursive", 0.5, "recursive"),
            ]
        )
        if form == "query":
            sql = self.query(kinds, None, _DEPTH)
        elif form == "modification":
            sql = self.modification(kinds, _DEPTH)
        else:
            sql = self._with(form, kinds)
        return self._numbered(sql)

    def _numbered(self, sql: str) -> Statement:
        """Only the parameters that are still there: alternatives are written and dropped."""
        used: list[int] = []

        def renumber(match: re.Match[str]) -> str:
            number = int(match[1])
            if number not in used:
                used.append(number)
            return f"${used.index(number) + 1}"

        numbered = _PARAMETER.sub(renumber, sql)
        return Statement(numbered, tuple(self.parameters[number - 1] for number in used))

    def _with(self, form: str, kinds: list[str]) -> str:
        parts: list[str] = []
        recursive = ""
        if form == "recursive":
            recursive = "RECURSIVE "
            name, sql = self.recursive(1)
            parts.append(f"{name}{sql}")
        elif form == "modifying with":
            inner = self.kinds(self.rng.randint(1, 3))
            name, names = self.name("x"), [self.name("c") for _ in inner]
            parts.append(f"{name}({', '.join(names)}) AS ({self.modification(inner, 1)})")
            found = [Column(n, k, True) for n, k in zip(names, inner, strict=True)]
            self.ctes.append((name, found))
        else:
            for _ in range(self.rng.choice((1, 2))):
                name, sql = self.cte(1)
                parts.append(f"{name}{sql}")
        if recursive == "" and self.chance(0.2, "dml") and form != "modifying with":
            body = self.modification(kinds, 1)
        elif self.chance(0.5):
            # Straight from the CTE, or its columns would seldom get to the top.
            relation = self._cte()
            scope = relation.scope(None)
            listed = [
                self.leaf(c.kind, scope, constants=False)
                if self.chance(0.6)
                else self.expression(c.kind, scope, 1)
                for c in relation.columns
            ]
            body = f"SELECT {', '.join(listed)} FROM {relation.sql}"
        else:
            # Not another WITH, which cannot follow one.
            body = self.plain(kinds, None, 1)
        return f"WITH {recursive}{', '.join(parts)} {body}"


def statement(seed: int, number: int, focus: Iterable[str] = ()) -> Statement:
    """The statement of that number in a campaign; the same one whenever it is asked for."""
    return Generator(random.Random(f"{seed}/{number}"), focus).statement()
