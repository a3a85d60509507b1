"""What is different between two analyses of the same queries, in sentences for people."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from typedsql.tools.analysis import Analysed
from typedsql.tools.declaration_findings import FILE
from typedsql.tools.project_analysis import ProjectAnalysis, statements_of
from typedsql.tools.rows.fields import Field, Row

ROWS_MODULE = "rows.py"


class Change(msgspec.Struct, frozen=True):
    """What a migration changes for one query, for the rows they share, or for the declaration."""

    query: str
    """``file.name``, ``rows.py`` or ``pyproject.toml``."""
    what: tuple[str, ...]
    """Sentences without a full stop: its types, nullability, rows or validity."""
    breaks: bool
    """Whether it can no longer be run or typed."""


def compare(before: ProjectAnalysis, after: ProjectAnalysis) -> Iterator[Change]:
    """What is different: of the declaration, of shared rows, and of each query by name."""
    yield from _compare_declaration(before, after)
    if after.files:
        # There are none where they clash, which is told of the declaration.
        shared = (*_rows(before, after), *_aliases(before, after))
        if shared:
            yield Change(ROWS_MODULE, shared, breaks=False)
    known = {item.statement.name: item for item in statements_of(before)}
    now = {item.statement.name: item for item in statements_of(after)}
    wrong = _messages(after)
    for name in sorted({*known, *now}):
        old, new = known.get(name), now.get(name)
        if new is None:
            told = wrong.get(name, ("it cannot be analysed",))
            yield Change(name, tuple(f"breaks: {item}" for item in told), breaks=True)
        elif old is None:
            yield Change(name, ("works from here on",), breaks=False)
        else:
            told_all = tuple(_differences(old, new, after))
            if told_all:
                yield Change(name, told_all, breaks=False)


def _compare_declaration(before: ProjectAnalysis, after: ProjectAnalysis) -> Iterator[Change]:
    """What the declaration names that is not there."""
    old, new = (
        [item.message for item in analysis.findings if item.file == FILE]
        for analysis in (before, after)
    )
    added = tuple(f"breaks: {told}" for told in new if told not in old)
    if added:
        yield Change(FILE, added, breaks=True)
    elif old and not new:
        yield Change(FILE, ("is right from here on",), breaks=False)


def _messages(analysis: ProjectAnalysis) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for item in analysis.findings:
        if item.statement is not None:
            told = f"{item.message} ({item.file}:{item.line}:{item.column})"
            found[item.statement] = (*found.get(item.statement, ()), told)
    return found


def _rows(before: ProjectAnalysis, after: ProjectAnalysis) -> Iterator[str]:
    """Of the Structs of tables and composite types; those of statements are told with them.

    A new one changes nothing for who uses what was there.
    """
    new = {row.name: row for row in after.rows}
    for old in before.rows:
        if old.table is None and old.composite is None:
            continue
        row = new.get(old.name)
        if row is None:
            yield f"{old.name} is gone"
            continue
        known = {field.name: field.annotation for field in old.fields}
        now = {field.name: field.annotation for field in row.fields}
        yield from (f"{row.name} no longer has {name}" for name in known if name not in now)
        for name, annotation in now.items():
            if name not in known:
                yield f"{row.name} has {name} as well: {annotation}"
            else:
                yield from _retyped(f"{row.name}.{name}", known[name], annotation)
        yield from _reordered(f"{row.name} has its fields", list(known), list(now))


def _aliases(before: ProjectAnalysis, after: ProjectAnalysis) -> Iterator[str]:
    """Of the names for the texts that are possible."""
    new = {alias.name: alias for alias in after.aliases}
    for old in before.aliases:
        alias = new.get(old.name)
        if alias is None:
            yield f"{old.name} is gone"
            continue
        for label in alias.labels:
            if label not in old.labels:
                yield f"{old.name} may be {label!r} as well"
        for label in old.labels:
            if label not in alias.labels:
                yield f"{old.name} is never {label!r} now"


def _differences(old: Analysed, new: Analysed, after: ProjectAnalysis) -> Iterator[str]:
    if old.row is not None and new.row is not None and old.row.name != new.row.name:
        yield f"returns {_renamed(old.row, new.row, after)}"
    yield from _result(old, new)
    yield from _nested(old, new, after)
    yield from _parameters(old, new)
    yield from _count(old, new)


def _renamed(old: Row, new: Row, after: ProjectAnalysis) -> str:
    """That a row is another Struct, and why where it stopped or began to be a table's."""
    told = f"{new.name}, no longer {old.name}"
    if new.table is not None and old.table is None:
        return f"{told} (it selects every column of the table now)"
    if old.table is None or new.table is not None:
        return told
    selected = {field.name for field in new.fields}
    lacking = [name for table, name in after.columns if table == old.table and name not in selected]
    if not lacking:
        return told
    columns = "a column" if len(lacking) == 1 else "columns"
    return f"{told} (the table has {columns} it does not select: {', '.join(lacking)})"


def _result(old: Analysed, new: Analysed) -> Iterator[str]:
    """Columns by name: their type, whether they can be NULL, their type in Python, their order."""
    before, after = _columns(old), _columns(new)
    yield from (f"no longer returns {name}" for name in before if name not in after)
    for name, (kind, nullable, python) in after.items():
        if name not in before:
            yield f"returns {name} as well"
            continue
        old_kind, old_nullable, old_python = before[name]
        if kind != old_kind:
            yield f"{name} is {kind}, no longer {old_kind}"
        elif _plain(python) != _plain(old_python):
            yield f"{name} is {python} in Python, no longer {old_python}"
        if nullable != old_nullable:
            yield f"{name} {'can be NULL now' if nullable else 'can no longer be NULL'}"
    orders = [
        [field.name for field in item.row.fields] if item.row is not None else list(_columns(item))
        for item in (old, new)
    ]
    yield from _reordered("returns its columns", *orders)


def _nested(old: Analysed, new: Analysed, after: ProjectAnalysis) -> Iterator[str]:
    """Fields that are rows themselves."""
    known = {path: field for path, field in _fields(old.row) if field.nested is not None}
    for path, field in _fields(new.row):
        other = known.get(path)
        if field.nested is None or other is None or other.nested is None:
            continue
        if field.nested.row.name != other.nested.row.name:
            yield f"{path} is {_renamed(other.nested.row, field.nested.row, after)}"
        lacks, lacked = (item.nested.present is not None for item in (field, other) if item.nested)
        if lacks != lacked:
            yield f"{path} {'can be None now' if lacks else 'can no longer be None'}"


def _parameters(old: Analysed, new: Analysed) -> Iterator[str]:
    types = dict(zip(new.statement.parameters, new.parameter_types, strict=True))
    for name, kind in zip(old.statement.parameters, old.parameter_types, strict=True):
        if types[name] != kind:
            yield f"parameter {name} is {types[name]}, no longer {kind}"
    annotations = {field.name: field.annotation for field in new.parameters}
    for field in old.parameters:
        if annotations[field.name] != field.annotation:
            yield (
                f"parameter {field.name} is {annotations[field.name]} in Python, no longer "
                f"{field.annotation}"
            )


def _count(old: Analysed, new: Analysed) -> Iterator[str]:
    """How many rows come back, or are written where none does."""
    verb = "write" if new.statement.suffix == "!" else "return"
    if old.always != new.always:
        yield f"always {verb}s a row now" if new.always else f"may {verb} no row now"
    most = new.cardinality.most
    if most != old.cardinality.most:
        if most is None or most > (old.cardinality.most or most):
            yield f"may {verb} more than {_rows_in_words(old.cardinality.most)} now"
        else:
            yield f"{verb}s at most {_rows_in_words(most)} now"
    if old.cardinality.bounded != new.cardinality.bounded:
        bounded = "is bounded now" if new.cardinality.bounded else "is no longer bounded"
        yield f"the number of rows it {verb}s {bounded}"


def _rows_in_words(count: int | None) -> str:
    return "one row" if count == 1 else f"{count} rows"


def _columns(item: Analysed) -> dict[str, tuple[str, bool, str]]:
    """Type, whether it can be NULL, and Python type of each column by its name."""
    annotations: Mapping[str, str] = {path: field.annotation for path, field in _fields(item.row)}
    if item.value is not None:
        annotations = {item.columns[0][0]: item.value.annotation}
    return {
        name: (kind, nullable, annotations.get(name, ""))
        for (name, kind), nullable in zip(item.columns, item.nullable, strict=True)
    }


def _fields(row: Row | None, prefix: str = "") -> Iterator[tuple[str, Field]]:
    """Fields with their names as columns have them: ``alert.id`` inside of a nested row."""
    for field in row.fields if row is not None else ():
        yield f"{prefix}{field.name}", field
        if field.nested is not None:
            yield from _fields(field.nested.row, f"{prefix}{field.name}.")


def _retyped(what: str, old: str, new: str) -> Iterator[str]:
    if _plain(old) != _plain(new):
        yield f"{what} is {new}, no longer {old}"
    elif old != new:
        yield f"{what} {'can be NULL now' if new != _plain(new) else 'can no longer be NULL'}"


def _reordered(what: str, old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Where those that stay are in another order: Structs are made by position, too."""
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield f"{what} in another order: {', '.join(new)}"


def _plain(annotation: str) -> str:
    return annotation.removesuffix(" | None")
