"""The command that shows what is in the database: tables, views, and what rules them."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from typedsql.cli.invocation import (
    DebugOption,
    Invocation,
    JsonOption,
    UrlOption,
    WrongUsage,
    say,
)
from typedsql.cli.named_queries import did_you_mean
from typedsql.cli.output import count, show, write_paragraph
from typedsql.project import Project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typedsql.tools.describe import Described, Details, Part, Relation

_INDENT, _DEEP = " " * 2, " " * 4
_LINE_END = re.compile(r"[ \t\r]*\n\s*")


def register(app: typer.Typer, project: Project) -> None:
    """Add the command to an app."""

    @app.command()
    def describe(
        context: typer.Context,
        table: Annotated[
            str | None, typer.Argument(metavar="TABLE", help="A table or view; none lists all.")
        ] = None,
        every: Annotated[
            bool,
            typer.Option(
                "--all", help="List other schemas and partitions too.", show_default=False
            ),
        ] = False,
        url: UrlOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
    ) -> None:
        """Show tables, columns and rules.

        Without a name: tables and views, with rows (an estimate) and size. With one: its
        columns, keys, constraints, indexes, policies and triggers. Asks the database, and
        changes nothing.
        """
        invocation = Invocation.of(context, project, url, debug, json)

        async def work() -> None:
            from typedsql.tools.describe import describe as read

            found = await read(invocation.target(), project, table, every=every)
            if found.details is None and table is not None:
                raise _unknown(project, table, found)
            if json:
                invocation.write_json(found.details or found.relations)
            elif found.details is None:
                _write_list(found.relations)
            else:
                _write_details(found.details)

        invocation.run(work)

    del describe


def _unknown(project: Project, name: str, found: "Described") -> WrongUsage:
    dotted = "." in name
    known = [
        item.qualified if dotted or not item.on_path else item.name for item in found.relations
    ]
    advice = did_you_mean(name, known) or f"see them all with `{project.command} describe --all`"
    return WrongUsage(f"there is no table or view {name}: {advice}")


def _write_list(relations: "Sequence[Relation]") -> None:
    for item in relations:
        name = item.name if item.on_path else item.qualified
        write_paragraph(f"{name}: {_extent(item)}", hanging=_DEEP)
        if item.comment:
            write_paragraph(_flowing(item.comment), indent=_DEEP)
    _say_locked(relations)
    say(f"{len(relations)} listed; a name tells more of one, --all lists all schemas")


def _say_locked(relations: "Sequence[Relation]") -> None:
    names = [item.name if item.on_path else item.qualified for item in relations if item.locked]
    if names:
        say(
            f"Locked by another session, perhaps a migration under way: {', '.join(names)};"
            " sizes are known when that has ended"
        )


def _extent(item: "Relation") -> str:
    """What it is and how large: "table, about 3 rows, 24 KiB"."""
    words = [item.kind]
    if item.partitions is not None:
        words[0] += f" ({count(item.partitions, 'partition')})"
    if item.size_bytes is not None or item.locked:
        known = item.rows_estimate
        words.append("rows not counted yet" if known is None else f"about {count(known, 'row')}")
    if item.size_bytes is not None:
        words.append(_size(item.size_bytes))
    elif item.locked:
        words.append("size unknown: locked")
    return ", ".join(words)


def _flowing(text: str) -> str:
    """As one line, to be broken where the terminal ends and not where its writer did."""
    return _LINE_END.sub(" ", text.strip())


def _size(size_bytes: int) -> str:
    value, unit = float(size_bytes), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "bytes" or value >= 10 else f"{value:.1f} {unit}"


def _write_details(details: "Details") -> None:
    relation = details.relation
    write_paragraph(f"{relation.qualified}: {_extent(relation)}", hanging=_DEEP)
    if relation.comment:
        write_paragraph(_flowing(relation.comment))
    show("\nColumns")
    for column in details.columns:
        line = f"{column.name}  {column.type}" + ("" if column.nullable else ", not null")
        default = f", default {column.default}" if column.default else ""
        write_paragraph(_flowing(line + default), indent=_INDENT, hanging=_DEEP)
        if column.comment:
            write_paragraph(_flowing(column.comment), indent=_INDENT + _DEEP)
    _write_parts("Keys", details.keys)
    _write_parts("Constraints", details.constraints)
    _write_parts("Referenced by", details.referenced_by)
    _write_parts("Indexes", details.indexes)
    _write_policies(details)
    _write_parts("Triggers", details.triggers)
    if details.definition:
        show("\nDefinition")
        show(details.definition)
    _say_locked([relation])


def _write_policies(details: "Details") -> None:
    if details.row_security and not details.policies:
        show("\nRow level security is on without a policy: only its owner and superusers see rows")
    state = "on" if details.row_security else "off: they do nothing"
    _write_parts(f"Policies (row level security is {state})", details.policies)


def _write_parts(title: str, parts: "Sequence[Part]") -> None:
    if not parts:
        return
    show(f"\n{title}")
    for part in parts:
        write_paragraph(part.name, indent=_INDENT)
        write_paragraph(_flowing(part.definition), indent=_INDENT + _DEEP)
