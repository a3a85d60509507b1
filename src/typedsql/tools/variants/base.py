"""A statement that has variants: whether they can be made, and what each one is."""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import msgspec
from pglast.parser import ParseError

from typedsql.errors import CodeError
from typedsql.statements import Statement
from typedsql.tools.reading.findings import Finding
from typedsql.tools.reading.lexer import PARAMETER, LexicalError, Token, significant, tokenize
from typedsql.tools.reading.parse_tree import ast, parse
from typedsql.tools.reading.source import SourceFile
from typedsql.tools.variants import changes, conditions
from typedsql.tools.variants.conjuncts import Clause, Conjunct, clauses, expressions, order_by
from typedsql.tools.variants.pages import PageKeys
from typedsql.tools.variants.text import TextWriter

RULE: Final = "variants"


class VariantsRefused(Exception):
    """Findings in one statement."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__()
        self.findings = findings


class Choice(msgspec.Struct, frozen=True):
    """One combination, before its text is written."""

    given: tuple[bool, ...]
    ordering: int


class Base:
    """A statement that has variants, checked for whether they can be made."""

    def __init__(self, source: SourceFile, statement: Statement) -> None:
        self.statement = statement
        self.name = statement.name.partition(".")[2]
        self._source = source
        self._tree = parse(statement.sql)
        self._reader = conditions.Reader(statement.parameters)
        self._tokens = significant(tokenize(statement.sql))
        self._order_by = order_by(self._tokens)
        self._optional = {
            name: index for index, group in enumerate(statement.optional) for name in group
        }
        self._clauses = self._eligible()
        self._shapes = self._orderings()
        self._check_mentions()
        refused = [*self._emptied_changes(), *self._keys_of_pages()]
        if refused:
            raise VariantsRefused(*refused)

    def finding(self, message: str, advice: str, offset: int | None = None) -> Finding:
        """At a character of ``statement.sql``, or at the statement's name."""
        return self._source.finding(
            self.statement, rule=RULE, message=message, advice=advice, offset=offset
        )

    def ordering_name(self, choice: Choice) -> str | None:
        """None where there is no choice."""
        orderings = self.statement.orderings
        return orderings[choice.ordering].name if orderings else None

    def variant_name(self, choice: Choice) -> str:
        """`list_recent__plain`, `list_recent__since_and_until`, `list_recent__all__largest`."""
        parts = [self.name]
        if self.statement.optional:
            present = [
                name
                for group, is_given in zip(self.statement.optional, choice.given, strict=True)
                if is_given
                for name in group
            ]
            parts.append("all" if all(choice.given) else "_and_".join(present) or "plain")
        if choice.ordering:
            parts.append(self.statement.orderings[choice.ordering].name)
        return "__".join(parts)

    def _left_out(self, choice: Choice) -> frozenset[str]:
        return frozenset(name for name, group in self._optional.items() if not choice.given[group])

    def section(self, name: str, choice: Choice) -> str:
        """The variant as it stands in the file."""
        writer = TextWriter(self.statement, self._tokens)
        without = self._left_out(choice)
        for clause in self._clauses:
            writer.leave_out(clause, [not without & self._names(item) for item in clause.conjuncts])
        if choice.ordering and self._order_by is not None:
            text = self.statement.orderings[choice.ordering].expressions
            writer.reorder(self._order_by, expressions(text))
        body, present = writer.text()
        declared = [item for item in self.statement.declared if item in present]
        statement = self.statement
        lines = [
            f"-- name: {name}({', '.join(declared)}){statement.suffix}",
            f"-- {self._told(choice)}",
            *([f"-- @returns {statement.returns}"] if statement.returns else []),
            *(["-- @one"] if statement.one else []),
            *([f"-- @timeout {_decimal(statement.timeout_s)}s"] if statement.timeout_s else []),
            f"{body};\n",
        ]
        return "\n".join(lines)

    def _told(self, choice: Choice) -> str:
        missing = ", ".join(
            name for name in self.statement.declared if name in self._left_out(choice)
        )
        parts = [f"without {missing}"] if missing else ["with everything given"]
        ordering = self.ordering_name(choice)
        if ordering:
            parts.append(f"ordered by {ordering}")
        return f"{self.name} {', '.join(parts)}."

    def unloadable(self, choice: Choice, failure: CodeError) -> Finding:
        """A variant that aiosql does not read as it is meant, of which nothing else is known.

        Where it has another ordering, it is the first with these parameters, so that is why.
        """
        message = f"its variant does not load: {failure}"
        advice = (
            "aiosql finds parameters in every text but '...' and \"...\", and comments line by "
            "line: write it without"
        )
        if choice.ordering:
            return self._at_ordering(choice.ordering, message, advice)
        return self.finding(message, advice)

    def verify(self, variant: Statement, choice: Choice) -> None:
        """Whether the loaded variant is the base without these conditions, in that ordering.

        Parameters are compared by their names: each variant numbers its own. Raises
        VariantsRefused.
        """
        without = self._left_out(choice)
        shape = self._shapes[choice.ordering] if choice.ordering else None
        expected = conditions.Reader(self.statement.parameters, without, shape)
        try:
            tree = parse(variant.sql)
        except ParseError:
            tree = None
        if tree is None or expected.statement(self._tree) != conditions.Reader(
            variant.parameters
        ).statement(tree):
            names = ", ".join(sorted(without))
            raise VariantsRefused(
                self.finding(
                    f"its text without {names or 'its ordering'} would be another statement",
                    "join the conditions by AND alone, without parentheses around several of them",
                )
            )

    def _names(self, conjunct: Conjunct) -> frozenset[str]:
        """The optional parameters in it."""
        return frozenset(
            name
            for text in conjunct.parameters
            if (name := self._parameter(text)) in self._optional
        )

    def _parameter(self, text: str) -> str:
        return self.statement.parameters[int(text.removeprefix("$")) - 1]

    def _eligible(self) -> tuple[Clause, ...]:
        """The clauses with optional parameters, without those that are inside another's."""
        found = clauses(self._tokens)
        wanted: list[Clause] = []
        for _, condition in conditions.conditions(self._tree):
            if self._optional.keys().isdisjoint(self._reader.mentions(condition)):
                continue
            first, last = conditions.extent(condition)
            holding = [clause for clause in found if clause.holds(first, last)]
            if holding:
                wanted.append(max(holding, key=lambda clause: clause.start))
        return tuple(
            clause
            for clause in wanted
            if not any(
                item.start <= clause.start < item.end and self._names(item)
                for other in wanted
                for item in other.conjuncts
            )
        )

    def _check_mentions(self) -> None:
        """Each mention of an optional parameter is in a condition that can be left out."""
        refused: list[Finding] = []
        for token in self._tokens:
            name = self._parameter(token.text) if token.kind == "PARAM" else ""
            if name in self._optional and not self._is_covered(token):
                refused.append(
                    self.finding(
                        f"the @optional parameter {name} stands outside of the conditions that "
                        "AND joins in a WHERE or ON, so nothing can be left out",
                        f"move it to a condition of its own, or take {name} from @optional",
                        token.start,
                    )
                )
        for clause in self._clauses:
            for item in clause.conjuncts:
                groups = {self._optional[name] for name in self._names(item)}
                if len(groups) > 1:
                    names = sorted(self._names(item))
                    refused.append(
                        self.finding(
                            f"one condition has {' and '.join(names)}, which stand on different "
                            "@optional lines",
                            f"write `-- @optional {', '.join(names)}`, or a condition for each",
                            item.start,
                        )
                    )
        if refused:
            raise VariantsRefused(*refused)

    def _is_covered(self, token: Token) -> bool:
        return any(
            item.start <= token.start < item.end
            for clause in self._clauses
            for item in clause.conjuncts
        )

    def _emptied_changes(self) -> Iterator[Finding]:
        """No variant changes rows by fewer conditions than it needs to have any."""
        bare = conditions.Reader(self.statement.parameters, frozenset(self._optional))
        for node, condition in changes.emptied(self._tree, bare):
            names = ", ".join(sorted(self._optional.keys() & self._reader.mentions(condition)))
            lost = next(
                item
                for item in conditions.conjuncts_of(condition)
                if self._optional.keys() & self._reader.mentions(item)
            )
            own = isinstance(node, ast.UpdateStmt | ast.DeleteStmt)
            yield self.finding(
                f"without {names} it would touch every row"
                if own
                else f"without {names}, nothing would be left of this condition, and it decides "
                "which rows are changed",
                "keep a condition that is always there",
                conditions.extent(lost)[0],
            )

    def _keys_of_pages(self) -> Iterator[Finding]:
        """No page is read in another order than its key's."""
        orderings = self.statement.orderings
        if len(orderings) < 2:
            return
        clauses = [
            conditions.sort_clause(self._numbered(text, tokenize(text)))
            for text in (ordering.expressions for ordering in orderings)
        ]
        keys = PageKeys(self._tree, frozenset(self._optional), self._reader, clauses)
        for _, condition in conditions.conditions(self._tree):
            places = map(keys.place, conditions.conjuncts_of(condition))
            place = next((place for place in places if place is not None), None)
            if place is not None:
                yield self.finding(
                    f"a page's key fits one ordering, and the statement has {len(orderings)}",
                    "make a statement of its own for each ordering that is paged through; where "
                    "this is a filter, end each ordering in the column that tells rows apart",
                    place,
                )

    def _orderings(self) -> list[conditions.Shape]:
        """What each ordering means, in their order. Raises VariantsRefused."""
        orderings = self.statement.orderings
        if not orderings:
            return []
        if "order_by" in self.statement.declared:
            raise VariantsRefused(
                self._at_ordering(
                    0, "the function's order_by is the ordering", "rename the parameter order_by"
                )
            )
        if self._order_by is None or not isinstance(self._tree, ast.SelectStmt):
            raise VariantsRefused(
                self._at_ordering(
                    0, "the statement has no ORDER BY of its own", "write the first ordering there"
                )
            )
        if len(orderings) == 1:
            raise VariantsRefused(
                self._at_ordering(0, "one ordering is no choice", "add another, or remove it")
            )
        return [self._ordering(index) for index in range(len(orderings))]

    def _ordering(self, index: int) -> conditions.Shape:
        ordering = self.statement.orderings[index]
        try:
            tokens = tokenize(ordering.expressions)
        except LexicalError as failure:
            raise VariantsRefused(self._at_ordering(index, failure.message, "")) from None
        if any(token.is_comment for token in tokens):
            raise VariantsRefused(
                self._at_ordering(index, "an ordering with a comment in it", "remove it")
            )
        for token in tokens:
            if token.kind != PARAMETER:
                continue
            if token.name not in self.statement.parameters or token.name in self._optional:
                raise VariantsRefused(
                    self._at_ordering(
                        index,
                        f"the ordering has {token.text}, which is not always there",
                        "order by parameters that the statement always has, or by none",
                    )
                )
        if index == 0 and not self._is_own(tokens):
            raise VariantsRefused(
                self._at_ordering(
                    0,
                    f"the first ordering, {ordering.name}, is not the statement's ORDER BY",
                    "write the same in both: what stands in the file is the default",
                )
            )
        try:
            shape = conditions.ordering_shape(
                self._numbered(ordering.expressions, tokens), self.statement.parameters
            )
        except ParseError as failure:
            raise VariantsRefused(self._at_ordering(index, str(failure.args[0]), "")) from None
        if shape is None:
            raise VariantsRefused(
                self._at_ordering(
                    index,
                    f"the ordering {ordering.name} is more than a list of expressions",
                    "write only what stands between ORDER BY and what follows it",
                )
            )
        return shape

    def _is_own(self, tokens: Sequence[Token]) -> bool:
        """Whether these are the tokens of the ORDER BY that stands in the statement."""
        own = self._order_by.tokens if self._order_by else ()
        return [_word(token) for token in tokens] == [
            f":{self._parameter(token.text)}" if token.kind == "PARAM" else _word(token)
            for token in own
        ]

    def _numbered(self, text: str, tokens: Sequence[Token]) -> str:
        """The text with numbers for its parameters, for PostgreSQL's parser."""
        pieces: list[str] = []
        at = 0
        for token in tokens:
            if token.kind == PARAMETER:
                number = self.statement.parameters.index(token.name) + 1
                pieces += [text[at : token.start], f"${number}"]
                at = token.end
        return "".join([*pieces, text[at:]])

    def _at_ordering(self, index: int, message: str, advice: str) -> Finding:
        """At the line of an @order_by."""
        section = self._source.section(self.statement)
        name = re.escape(self.statement.orderings[index].name)
        line = re.compile(rf"--[ \t]*(@order_by[ \t]+{name})\b")
        match = line.search(self._source.text, section.start, section.end)
        return self._source.at(
            match.start(1) if match else section.name_offset,
            rule=RULE,
            message=message,
            advice=advice,
            statement=self.statement.name,
        )


def _word(token: Token) -> str:
    """A token's text; keywords and plain names are the same in either case."""
    return token.text if token.text[:1] in "\"'" else token.text.lower()


def _decimal(seconds: float) -> str:
    """The shortest text that is read back as the same number, without an exponent."""
    return format(Decimal(repr(seconds)), "f").removesuffix(".0")
