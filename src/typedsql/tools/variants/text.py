"""The text of a variant: its base's with conditions cut out, or in another order.

Lines stay as they are written; those that a cut leaves empty go.
"""

import itertools
import re
from collections.abc import Sequence
from typing import Final

from typedsql.statements import Statement
from typedsql.tools.reading.lexer import PARAMETER, Token, tokenize
from typedsql.tools.variants.conjuncts import Clause, OrderBy

LINE_WIDTH: Final = 100
_STEP: Final = "    "
_TAG: Final = re.compile(r"/\* [\w.]+ \*/ ")
_LINE_COMMENT: Final = re.compile(r"--[^\n]*")


class TextWriter:
    """Collects the changes to ``statement.sql``, and makes a file's text of it."""

    def __init__(self, statement: Statement, tokens: Sequence[Token]) -> None:
        self._sql = statement.sql
        self._parameters = statement.parameters
        self._tokens = tokens
        self._changes: list[tuple[int, int, str]] = []

    def leave_out(self, clause: Clause, kept: Sequence[bool]) -> None:
        """Cut the conjuncts that are not kept, with what joins them to the others."""
        if all(kept):
            return
        items = clause.conjuncts
        if not any(kept):
            if clause.keyword == "ON":
                self._changes.append((items[0].start, items[-1].end, "TRUE"))
            else:
                self._cut(clause.start, items[-1].end)
            return
        first = kept.index(True)
        if first:
            self._changes.append((items[0].start, items[first].start, ""))
        for is_kept, run in itertools.groupby(range(first, len(items)), key=kept.__getitem__):
            if not is_kept:
                cut = list(run)
                self._cut(items[cut[0]].joined, items[cut[-1]].end)

    def reorder(self, order_by: OrderBy, expressions: Sequence[str]) -> None:
        """Put other expressions behind ORDER BY, on one line where they were and fit."""
        last = order_by.tokens[-1]
        line = self._sql.rfind("\n", 0, order_by.start) + 1
        indent = re.match(r"[ \t]*", self._sql[line:])
        before = indent[0] if indent else ""
        on_one_line = "\n" not in self._sql[order_by.start : last.end]
        text = " " + ", ".join(expressions)
        if not on_one_line or order_by.start - line + len(text) > LINE_WIDTH:
            text = "".join(f"\n{before}{_STEP}{item}," for item in expressions).removesuffix(",")
        self._changes.append((order_by.start, last.end, text))

    def text(self) -> tuple[str, frozenset[str]]:
        """The statement as in a file, without tag and semicolon, and its parameters' names."""
        tag = _TAG.match(self._sql)
        at = tag.end() if tag else 0
        changes = list(self._changes)
        present: set[str] = set()
        for token in self._tokens:
            if token.kind == "PARAM" and not self._is_changed(token):
                name = self._parameters[int(token.text[1:]) - 1]
                present.add(name)
                changes.append((token.start, token.end, f":{name}"))
        pieces: list[str] = []
        for start, end, text in sorted(changes):
            pieces += [self._sql[at:start], text]
            at = end
            present.update(item.name for item in tokenize(text) if item.kind == PARAMETER)
        pieces.append(self._sql[at:])
        return "".join(pieces).strip(), frozenset(present)

    def _is_changed(self, token: Token) -> bool:
        return any(start <= token.start < end for start, end, _ in self._changes)

    def _cut(self, start: int, end: int) -> None:
        """Take something out, with the blanks and the line that only it had."""
        sql = self._sql
        left = start
        while left and sql[left - 1] in " \t":
            left -= 1
        right = end
        while right < len(sql) and sql[right] in " \t":
            right += 1
        begins_line = left == 0 or sql[left - 1] == "\n"
        comment = _LINE_COMMENT.match(sql, right)
        if begins_line and comment:
            # It is about what is left out.
            right = comment.end()
        ends_line = right == len(sql) or sql[right] == "\n"
        if begins_line and ends_line:
            self._changes.append((left, min(right + 1, len(sql)), ""))
        elif ends_line:
            self._changes.append((left, right, ""))
        elif begins_line:
            self._changes.append((start, right, ""))
        else:
            self._changes.append((left, end, ""))
