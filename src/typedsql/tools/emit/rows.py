"""Python source of the module with every Struct, and of what builds them at run time."""

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from typedsql.errors import CodeError
from typedsql.project import Project
from typedsql.tools.emit.module import LINE_WIDTH, Module, docstring, header, quoted
from typedsql.tools.rows.fields import Alias, Field, Row, rows_of
from typedsql.tools.rows.types import Decoder

_INDENT = "    "


def rows_module(rows: Iterable[Row], project: Project, aliases: Iterable[Alias] = ()) -> str:
    """The module with every Struct, those nested in others too, and the Literals.

    Raises CodeError where two rows have one name, or rows contain each other.
    """
    module = Module()
    prefix = f"{project.package}.rows."
    found: dict[str, Row] = {}
    for row in rows:
        for part in rows_of(row):
            if found.setdefault(part.name, part).fields != part.fields:
                raise CodeError(f"two rows are named {part.name}")
    texts: list[str] = []
    for alias in aliases:
        module.define(alias.name, f"texts {alias.name}")
        texts.append(_alias(alias, module))
    classes: list[str] = []
    for row in _after_their_parts(found, prefix):
        module.define(row.name, f"row {row.name}")
        classes.append(_struct(row, module, prefix))
    opening = header("Rows that the named statements return.", project)
    imports = module.imports(("typedsql", project.package))
    parts = ["\n".join(texts)] if texts else []
    # One blank line before a constant, two before a class.
    gap = "\n\n" if texts else "\n\n\n"
    return f"{opening}\n{imports}{gap}" + "\n\n\n".join([*parts, *classes]) + "\n"


def decoders(fields: Sequence[Field], module: Module, indent: str = _INDENT) -> str:
    """A dict of what makes values by position of the column, empty text if none is needed.

    For the third argument of the callables in `typedsql.query`, on a line with that indent.
    """
    found = _decoders(fields, module)
    return _laid_out(found, indent) if found is not None else ""


def decoder(field: Field, module: Module, indent: str = _INDENT) -> str:
    """What makes one field's value, empty text where it is taken as the driver gives it."""
    found = _of_field(field, module)
    return _laid_out(found, indent) if found is not None else ""


class _Call(Struct, frozen=True):
    """Source text that goes on one line, or else one line for each of its items."""

    opening: str
    items: "tuple[_Call | str, ...]"
    closing: str

    def __str__(self) -> str:
        return f"{self.opening}{', '.join(map(str, self.items))}{self.closing}"


def _decoders(fields: Sequence[Field], module: Module) -> _Call | None:
    entries: list[_Call | str] = []
    position = 0
    for field in fields:
        found = _of_field(field, module)
        if isinstance(found, _Call):
            entries.append(replace(found, opening=f"{position}: {found.opening}"))
        elif found is not None:
            entries.append(f"{position}: {found}")
        position += 1 if field.nested is None else field.nested.width
    return _Call("{", tuple(entries), "}") if entries else None


def _of_field(field: Field, module: Module) -> _Call | str | None:
    if field.nested is None:
        return _of_decoder(field.decoder, module) if field.decoder else None
    module.need("typedsql.decoding", "Nested")
    row = module.use(field.annotation.removesuffix(" | None"))
    arguments: list[_Call | str] = [row, str(field.nested.width)]
    inner = _decoders(field.nested.row.fields, module)
    if inner is not None:
        arguments.append(inner)
    if field.nested.present is not None:
        arguments.append(f"present={field.nested.present}")
    return _Call("Nested(", tuple(arguments), ")")


def _of_decoder(found: Decoder, module: Module) -> _Call | str:
    if found.kind == "document":
        return module.use(found.type)
    if found.kind == "range":
        module.need("typedsql.decoding", "Ranges")
        return "Ranges()"
    if found.element is not None:
        module.need("typedsql.decoding", "Items")
        return _Call("Items(", (_of_decoder(found.element, module),), ")")
    module.need("typedsql.decoding", "Members")
    arguments: list[_Call | str] = [module.use(found.type)]
    if found.members:
        members: list[_Call | str] = []
        for at, item in found.members:
            made = _of_decoder(item, module)
            if isinstance(made, _Call):
                members.append(replace(made, opening=f"{at}: {made.opening}"))
            else:
                members.append(f"{at}: {made}")
        arguments.append(_Call("{", tuple(members), "}"))
    return _Call("Members(", tuple(arguments), ")")


def _laid_out(found: _Call | str, indent: str) -> str:
    """The text for a line with that indent and a comma at its end."""
    text = str(found)
    if isinstance(found, str) or len(indent) + len(text) < LINE_WIDTH:
        return text
    further = indent + _INDENT
    items = "".join(f"{further}{_laid_out(item, further)},\n" for item in found.items)
    return f"{found.opening}\n{items}{indent}{found.closing}"


def _alias(alias: Alias, module: Module) -> str:
    module.need("typing", "Literal")
    labels = [quoted(label) for label in alias.labels]
    text = f"{alias.name} = Literal[{', '.join(labels)}]"
    if len(text) > LINE_WIDTH:
        text = f"{alias.name} = Literal[\n" + "".join(f"{_INDENT}{it},\n" for it in labels) + "]"
    if alias.comment:
        text += "\n" + docstring(alias.comment, "", "")
    return text


def _struct(row: Row, module: Module, prefix: str) -> str:
    base = "Struct" if row.composite is None else "Composite"
    module.need("msgspec" if row.composite is None else "typedsql.values", base)
    options = "frozen=True, gc=False, kw_only=True" if row.given else "frozen=True, gc=False"
    text = f"class {row.name}({base}, {options}):\n"
    fallback = f"A row of its own ({row.name})."
    if row.given:
        fallback = f"A row to be stored in {row.table}; what can be NULL there may be left out."
    elif row.table is not None:
        fallback = f"A row of {row.table}."
    elif row.composite is not None:
        fallback = f"A value of type {row.composite[0]}."
    text += docstring(row.comment or "", _INDENT, fallback) + "\n"
    taken = frozenset(field.name for field in row.fields)
    for field in row.fields:
        local = _local(field.annotation, prefix)
        for name in taken & set(re.findall(r"(?<![\w.])[A-Za-z_]\w*(?![\w.])", local)):
            if f"{prefix}{name}" in field.annotation:
                raise CodeError(
                    f"row {row.name}: the field {name} is named as the type of {field.name}; "
                    "rename one, the type under [tool.typedsql.rows]"
                )
        default = " = None" if row.given and field.omissible else ""
        text += f"\n{_INDENT}{field.name}: {module.use(local, taken)}{default}"
        if field.comment:
            text += "\n" + docstring(field.comment, _INDENT, "")
    if row.composite is not None:
        name, kinds = row.composite
        members = _Call("(", tuple(map(quoted, kinds)), ",)" if len(kinds) == 1 else ")")
        made = _Call("__composite__ = (", (quoted(name), members), ")")
        text += f"\n\n{_INDENT}{_laid_out(made, _INDENT)}"
    return text


def _local(annotation: str, prefix: str) -> str:
    """The annotation as the module of rows itself writes it."""
    return re.sub(rf"(?<![\w.]){re.escape(prefix)}(?=\w)", "", annotation)


def _after_their_parts(rows: dict[str, Row], prefix: str) -> list[Row]:
    """The rows in their order, but each after those it mentions.

    Raises CodeError where that cannot be.
    """
    ordered: dict[str, Row] = {}
    under_way: list[str] = []

    def place(row: Row) -> None:
        if row.name in ordered:
            return
        if row.name in under_way:
            raise CodeError(
                f"rows {' and '.join(under_way)} contain each other: declare another type for "
                "one of their documents in [tool.typedsql.documents]"
            )
        under_way.append(row.name)
        for field in row.fields:
            for name in re.findall(rf"(?<![\w.]){re.escape(prefix)}(\w+)", field.annotation):
                if name in rows:
                    place(rows[name])
        under_way.pop()
        ordered[row.name] = row

    for row in rows.values():
        place(row)
    return list(ordered.values())
