"""Rows within rows: the columns whose names have a dot, as in ``AS "alert.id"``."""

from collections.abc import Callable, Sequence
from typing import NoReturn

import msgspec

from typedsql.tools.rows.fields import (
    Field,
    Nested,
    ResultColumn,
    Row,
    ShapeRefused,
    camel,
    is_name,
    optional,
    plain_name,
)

Columns = Sequence[ResultColumn]


class RowFields:
    """The fields of one statement's row, nested ones included.

    `plain` makes the field of one column, `whole_table` finds the Struct of the table whose
    row some columns are, `name_of` is the dotted name of a nested row's Struct.
    """

    def __init__(
        self,
        name: str,
        columns: Columns,
        *,
        plain: Callable[[ResultColumn, int], Field],
        whole_table: Callable[[Columns, Columns], Row | None],
        name_of: Callable[[str], str],
    ) -> None:
        self._name = name
        self._columns = columns
        self._paths = [tuple(plain_name(column.name).split(".")) for column in columns]
        self._plain = plain
        self._whole_table = whole_table
        self._name_of = name_of
        self._telling: set[int] = set()
        """Columns that tell by a value whether there is the nested row they are in."""

    def all(self) -> tuple[Field, ...]:
        """Raises ShapeRefused, with the column, for names and joins that make no row."""
        self._check_names()
        return self._fields(range(len(self._columns)), 0, frozenset())

    def _check_names(self) -> None:
        refused = [index for index, path in enumerate(self._paths) if not all(map(is_name, path))]
        if refused:
            shown = [repr(".".join(self._paths[index])) for index in refused]
            told = f"column {shown[0]} needs a name"
            if len(shown) > 1:
                told = f"columns {', '.join(shown[:-1])} and {shown[-1]} need names"
            # One refusal has one place: that of the first.
            raise ShapeRefused(
                f"{told} that Python can use",
                'write AS name, or AS "prefix.name" for a field of a nested row',
                column=refused[0],
            )

    def _fields(self, span: range, depth: int, joins: frozenset[object]) -> tuple[Field, ...]:
        """The fields that the columns of `span` are, whose names agree in `depth` parts.

        `joins` found a row where there is a row of these fields.
        """
        found: dict[str, Field] = {}
        index = span.start
        while index < span.stop:
            path = self._paths[index]
            word = path[depth]
            end = index + 1
            if len(path) > depth + 1:
                while end < span.stop and self._paths[end][: depth + 1] == path[: depth + 1]:
                    if len(self._paths[end]) == depth + 1:
                        break
                    end += 1
            self._check(word, index, depth, found)
            if len(path) == depth + 1:
                column = self._inside(index, joins)
                found[word] = self._plain(column, index)
            else:
                found[word] = self._nested(range(index, end), depth, joins)
            index = end
        return tuple(found.values())

    def _check(self, word: str, index: int, depth: int, found: dict[str, Field]) -> None:
        if word not in found:
            return
        dotted = ".".join(self._paths[index][: depth + 1])
        nested = len(self._paths[index]) > depth + 1
        if nested and found[word].nested is not None:
            raise ShapeRefused(
                f"the columns of {dotted} stand apart", "put them one after another", column=index
            )
        if nested or found[word].nested is not None:
            raise ShapeRefused(
                f"{dotted} is a column and a nested row as well", "rename one", column=index
            )
        raise ShapeRefused(f"two columns are named {dotted}", "rename one", column=index)

    def _inside(self, index: int, joins: frozenset[object]) -> ResultColumn:
        """The column as it is where `joins` found their row."""
        column = self._columns[index]
        if index in self._telling:
            return msgspec.structs.replace(column, nullable=False)
        if column.not_null_inside and column.nulled_by and column.nulled_by <= joins:
            return msgspec.structs.replace(column, nullable=False)
        return column

    def _nested(self, span: range, depth: int, joins: frozenset[object]) -> Field:
        direct = [index for index in span if len(self._paths[index]) == depth + 2]
        word = self._paths[span.start][depth]
        dotted = ".".join(self._paths[span.start][: depth + 1])
        own = self._shared(span, direct, joins, dotted)
        inside = joins | own
        present = None
        if own:
            # NULL for want of one of the shared joins and of nothing else.
            proven = [
                index
                for index in direct
                if self._columns[index].not_null_inside and self._columns[index].nulled_by <= inside
            ]
            if not proven:
                raise ShapeRefused(
                    f"nothing tells whether there is a row for {dotted}: each of its own columns "
                    "can be NULL in a row that was joined",
                    f'add one that cannot, as in AS "{dotted}.id"',
                    rule="nested-row",
                    column=span.start,
                )
            stored = [index for index in proven if self._columns[index].origin is not None]
            telling = (stored or proven)[0]
            self._telling.add(telling)
            present = telling - span.start
            if not stored:
                # An expression may have a value where the join found no row, as coalesce()
                # of two tables has: then the row is there, and its other columns are NULL.
                inside = joins
        row = self._nested_row(span, depth, inside, direct)
        annotation = optional(self._name_of(row.name), nullable=bool(own))
        return Field(word, annotation, nested=Nested(row, len(span), present))

    def _nested_row(
        self, span: range, depth: int, inside: frozenset[object], direct: list[int]
    ) -> Row:
        if len(direct) == len(span):
            columns = [self._columns[index] for index in span]
            within = [self._inside(index, inside) for index in span]
            table = self._whole_table(columns, within)
            if table is not None:
                return table
        name = self._name + "".join(camel(word) for word in self._paths[span.start][: depth + 1])
        return Row(name, self._fields(span, depth + 1, inside))

    def _shared(
        self, span: range, direct: list[int], joins: frozenset[object], dotted: str
    ) -> frozenset[object]:
        """The joins that all of a nested row's own columns need: without them it is missing.

        A column that needs further ones, as those within a view, can be NULL in a row that
        is there. What never lacks its row would be lost in one that can: it is refused.
        """
        further = {index: self._columns[index].nulled_by - joins for index in span}
        needed = [further[index] for index in direct or span]
        own = needed[0].intersection(*needed[1:])
        nulled = [index for index in direct if further[index]]
        if not nulled:
            return own
        kept = [index for index in (span if own else direct) if not further[index]]
        if kept:
            name = ".".join(self._paths[kept[0]])
            raise ShapeRefused(
                f"{name} has its value also where the outer join of "
                f"{'.'.join(self._paths[nulled[0]])} finds no row, so that {dotted} would be "
                "there in part",
                f'name it outside the prefix, as in AS "{name.replace(".", "_")}"',
                rule="nested-row",
                column=kept[0],
            )
        if not own:
            self._refuse_mixed(direct, further, dotted)
        return own

    def _refuse_mixed(
        self, direct: list[int], further: dict[int, frozenset[object]], dotted: str
    ) -> NoReturn:
        other = next(at for at in direct if further[at] != further[direct[0]])
        raise ShapeRefused(
            f"{'.'.join(self._paths[other])} and {'.'.join(self._paths[direct[0]])} do not come "
            f"from the same outer join, so that {dotted} could be there in part",
            "give the columns of each join a prefix of their own",
            rule="nested-row",
            column=other,
        )
