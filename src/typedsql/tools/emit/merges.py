"""Python source of the function that a statement of @staging becomes."""

from collections.abc import Sequence

from typedsql.project import Project
from typedsql.tools.analysis import Analysed
from typedsql.tools.emit.module import LINE_WIDTH, Module, docstring, quoted
from typedsql.tools.staging import Merge

_TOLD = """\
Reads rows only as far ahead as its limits say, and stores each chunk in a transaction
of its own: what was stored stays, and merging the same rows again is safe.
`typedsql.bulk` says what it returns and raises."""


def merge_binding(analysed: Analysed, merge: Merge, module: Module, project: Project) -> str:
    """What the function calls."""
    name = _short_name(analysed)
    module.need("typedsql.bulk", "BulkMerge")
    row = _row(analysed, module, project)
    columns = ", ".join(f'("{column}", "{kind}")' for column, kind in analysed.columns)
    return (
        f"_{name}: BulkMerge[{row}] = BulkMerge(\n"
        "    _STATEMENTS.bind(\n"
        f'        "{name}",\n'
        f'        digest="{analysed.statement.digest}",\n'
        f"        columns=({columns}),\n"
        "    ),\n"
        f"    {row},\n"
        f"    table={quoted(merge.table)},\n"
        f"    key={_texts(merge.key)},\n"
        ")"
    )


def merge_function(analysed: Analysed, module: Module, project: Project) -> str:
    """The function itself."""
    name = _short_name(analysed)
    row = _row(analysed, module, project)
    for wanted in ("MergeLimits", "MergeReport", "OnProgress", "OnRejected"):
        module.need("typedsql.bulk", wanted)
    module.need("typedsql.database", "Database")
    module.need("typing", "Unpack")
    module.need("collections.abc", "AsyncIterable")
    module.need("collections.abc", "Iterable")
    prose = f"{analysed.statement.prose}\n\n{_TOLD}".strip()
    return (
        f"async def {name}(\n"
        "    db: Database,\n"
        f"    rows: Iterable[{row}] | AsyncIterable[{row}],\n"
        "    *,\n"
        "    on_progress: OnProgress | None = None,\n"
        f"    on_rejected: OnRejected[{row}] | None = None,\n"
        "    **limits: Unpack[MergeLimits],\n"
        ") -> MergeReport:\n"
        f"{docstring(prose, '    ', '')}\n"
        f"    return await _{name}.run(db, rows, on_progress, on_rejected, limits)"
    )


def _short_name(analysed: Analysed) -> str:
    return analysed.statement.name.partition(".")[2]


def _row(analysed: Analysed, module: Module, project: Project) -> str:
    assert analysed.row is not None  # noqa: S101 - a merge is given rows
    return module.use(f"{project.package}.rows.{analysed.row.name}")


def _texts(words: Sequence[str]) -> str:
    inline = f"({', '.join(map(quoted, words))}{',' if len(words) == 1 else ''})"
    if len(inline) < LINE_WIDTH - len("    key=,"):
        return inline
    return "(\n" + "".join(f"        {quoted(word)},\n" for word in words) + "    )"
