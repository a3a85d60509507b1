"""Python source of the typed functions of one .sql file."""

import re
from collections.abc import Sequence

from typedsql.errors import CodeError
from typedsql.project import Project
from typedsql.statements import Columns, Statement
from typedsql.tools.analysis import Analysed
from typedsql.tools.batches.statement import BatchStatement
from typedsql.tools.emit.merges import merge_binding, merge_function
from typedsql.tools.emit.module import LINE_WIDTH, Module, docstring, header
from typedsql.tools.emit.rows import decoder, decoders
from typedsql.tools.variants.expansion import VariantSet


class NameTaken(CodeError):
    """A statement's function cannot have its name: the module needs it for something else."""

    def __init__(self, statement: Statement, message: str) -> None:
        super().__init__(message)
        self.statement = statement


_RETURNED = {
    "Affected": "int",
    "ExactlyOne": "{}",
    "ExactlyOneValue": "{}",
    "Many": "list[{}]",
    "One": "{} | None",
    "Stream": "typedsql.query.RowStream[{}]",
    "Value": "{} | None",
}
"""What each runner of `typedsql.query` gives in the end, by the type it is generic in."""


def queries_module(stem: str, statements: Sequence[Analysed], project: Project) -> str:
    """The module with the typed functions of one .sql file. Raises NameTaken."""
    module = Module()
    if any(analysed.merge is None for analysed in statements):
        module.need("typedsql.query", "Executor")
    module.need("typedsql.statements", "QueryFile")
    module.need(f"{project.package}.project", "PROJECT")
    shapes: dict[str, str] = {}
    bindings: list[str] = []
    batches: list[str] = []
    functions: list[str] = []
    module.define("STATEMENTS", "the file's own _STATEMENTS")
    opened = f'_STATEMENTS = QueryFile(PROJECT, "{stem}")\n'
    if any(analysed.variants for analysed in statements):
        module.need("typedsql.variants", "Variants")
    if any(analysed.variants or _is_derived(analysed) for analysed in statements):
        module.define("VARIANTS", "the file's own _VARIANTS")
        opened += f'_VARIANTS = QueryFile(PROJECT, "{stem}", variants=True)\n'
    for analysed in statements:
        try:
            module.define(_short_name(analysed), f"the function {_short_name(analysed)}")
            if analysed.merge is not None:
                bindings.append(merge_binding(analysed, analysed.merge, module, project))
                functions.append(merge_function(analysed, module, project))
                continue
            bindings.append(_binding(analysed, module, shapes, project))
            if analysed.variants:
                module.define(f"{_short_name(analysed)}_variants", "the variants of a statement")
                bindings.append(_choices(analysed, analysed.variants, module, project))
            if analysed.batch:
                module.define(f"{_short_name(analysed)}_batched", "the batches of a statement")
                batches.append(_batched(analysed, analysed.batch, module, shapes, project))
            functions.append(_function(analysed, module, project))
        except CodeError as failure:
            raise NameTaken(analysed.statement, str(failure)) from None
    opening = header(f"Typed functions of {project.queries_dir}/{stem}.sql.", project)
    imports = module.imports(("typedsql", project.package))
    constants = "".join(f"{name} = {text}\n" for name, text in shapes.items())
    return (
        f"{opening}\n{imports}\n\n{opened}\n{constants}\n"
        + "\n".join([*bindings, *batches])
        + "\n\n\n"
        + "\n\n\n".join(functions)
        + "\n"
    )


def _short_name(analysed: Analysed) -> str:
    return analysed.statement.name.partition(".")[2]


def _is_derived(analysed: Analysed) -> bool:
    return analysed.batch is not None and analysed.batch.is_derived


def _is_stream(analysed: Analysed) -> bool:
    return analysed.statement.suffix == "" and _short_name(analysed).startswith("stream_")


def _result(analysed: Analysed, project: Project) -> tuple[str, str]:
    """The callable that runs the statement, and the dotted type it is generic in."""
    suffix = analysed.statement.suffix
    always = analysed.always or analysed.statement.one
    if suffix == "!":
        return "Affected", ""
    if analysed.value is not None:
        if always:
            return "ExactlyOneValue", analysed.value.annotation
        return "Value", analysed.value.annotation.removesuffix(" | None")
    row = f"{project.package}.rows.{analysed.row.name}" if analysed.row else ""
    if suffix in ("^", "<!"):
        return ("ExactlyOne" if always else "One"), row
    return ("Stream" if _is_stream(analysed) else "Many"), row


def _returned(analysed: Analysed, project: Project) -> str:
    """Dotted type of what the function gives, awaited where it must be."""
    kind, generic = _result(analysed, project)
    return "None" if (kind, generic) == ("Value", "None") else _RETURNED[kind].format(generic)


def _binding(analysed: Analysed, module: Module, shapes: dict[str, str], project: Project) -> str:
    name = _short_name(analysed)
    kind, generic = _result(analysed, project)
    module.need("typedsql.query", kind)
    bind = (
        "    _STATEMENTS.bind(\n"
        f'        "{name}",\n'
        f'        digest="{analysed.statement.digest}",\n'
        f"        columns={_columns(analysed.columns, _words(analysed), shapes)},\n"
        f"{_nullable(analysed)}"
        "    ),\n"
    )
    short = module.use(generic)
    annotation = f"{kind}[{short}]" if generic else kind
    extra: list[str] = []
    if analysed.value is not None:
        extra = [decoder(analysed.value, module)]
    elif analysed.row is not None:
        extra = [short, decoders(analysed.row.fields, module)]
    lines = "".join(f"    {item},\n" for item in extra if item)
    return f"_{name}: {annotation} = {kind}(\n{bind}{lines})"


def _nullable(analysed: Analysed) -> str:
    """The parameters for which None has a meaning; for any other it is refused."""
    if not analysed.parameters:
        return ""
    names = [
        f'"{field.name}"' for field in analysed.parameters if field.annotation.endswith(" | None")
    ]
    inline = f"        nullable=({', '.join(names)}{',' if len(names) == 1 else ''}),\n"
    if len(inline) <= LINE_WIDTH:
        return inline
    return (
        "        nullable=(\n"
        + "".join(f"            {item},\n" for item in names)
        + "        ),\n"
    )


def _choices(analysed: Analysed, variants: VariantSet, module: Module, project: Project) -> str:
    """The statements that the function chooses from, beside the one that stands in the file."""
    name = _short_name(analysed)
    result = _returned(analysed, project)
    if not _is_stream(analysed):
        result = f"collections.abc.Coroutine[typing.Any, typing.Any, {result}]"
    lines: list[str] = []
    for variant in variants.others:
        given = ", ".join(map(str, variant.given)) + ("," if len(variant.given) == 1 else "")
        ordering = f'"{variant.ordering}"' if variant.ordering else "None"
        chosen = [f'"{variant.name}"', f'"{variant.statement.digest}"']
        line = f"        (({given}), {ordering}): ({', '.join(chosen)}),\n"
        if len(line) > LINE_WIDTH:
            parts = "".join(f"            {item},\n" for item in chosen)
            line = f"        (({given}), {ordering}): (\n{parts}        ),\n"
        lines.append(line)
    annotation = f"Variants[{module.use(result)}]"
    opening = f"_{name}_variants: {annotation} = Variants("
    if len(opening) > LINE_WIDTH:
        opening = f"_{name}_variants: Variants[\n    {module.use(result)}\n] = Variants("
    entries = "".join(lines)
    return f"{opening}\n    _{name},\n    _VARIANTS,\n    {{\n{entries}    }},\n)"


def _batched(
    analysed: Analysed,
    batch: BatchStatement,
    module: Module,
    shapes: dict[str, str],
    project: Project,
) -> str:
    """What runs the function, by itself or many calls of it together."""
    module.need("typedsql.query", "Batched")
    name = _short_name(analysed)
    file = "_VARIANTS" if batch.is_derived else "_STATEMENTS"
    returned = module.use(_returned(analysed, project))
    words = _words(analysed)
    columns = _columns(batch.columns, f"Batched{words[:1].upper()}{words[1:]}", shapes)
    key = analysed.statement.batch.key if analysed.statement.batch else ()
    line = ""
    if key:
        items = [f'"{item}"' for item in key]
        line = f"    key=({', '.join(items)}{',' if len(items) == 1 else ''}),\n"
        if len(line) > LINE_WIDTH:
            line = "    key=(\n" + "".join(f"        {item},\n" for item in items) + "    ),\n"
    return (
        f"_{name}_batched: Batched[{returned}] = Batched(\n"
        f"    _{name},\n"
        f"    {file}.bind(\n"
        f'        "{batch.statement.name.partition(".")[2]}",\n'
        f'        digest="{batch.statement.digest}",\n'
        f"        columns={columns},\n"
        "        nullable=(),\n"
        "    ),\n"
        f"{line})"
    )


def _words(analysed: Analysed) -> str:
    """What a constant for the columns of a statement is called."""
    return analysed.row.name if analysed.row else _short_name(analysed)


def _columns(columns: Columns, words: str, shapes: dict[str, str]) -> str:
    """The columns in place where they are few; else a constant that statements share."""
    items = [f'("{name}", "{kind}")' for name, kind in columns]
    inline = "(" + ", ".join(items) + ("," if len(items) == 1 else "") + ")"
    if len(inline) <= LINE_WIDTH - 20:
        return inline
    text = "(\n" + "".join(f"    {item},\n" for item in items) + ")"
    for name, known in shapes.items():
        if known == text:
            return name
    name = "_" + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", words).upper() + "_COLUMNS"
    shapes[name] = text
    return name


def _function(analysed: Analysed, module: Module, project: Project) -> str:
    name = _short_name(analysed)
    returned = module.use(_returned(analysed, project))
    is_stream = _is_stream(analysed)
    opening = "def" if is_stream else "async def"
    arguments = ["db", *(field.name for field in analysed.parameters)]
    called = f"_{name}"
    if analysed.variants:
        called += "_variants"
        arguments.insert(1, _choice(analysed.variants))
    elif analysed.batch:
        called += "_batched"
    call = f"{called}.run({', '.join(arguments)})"
    if len(call) > LINE_WIDTH - 20:
        if analysed.variants and len(arguments[1]) > LINE_WIDTH - len("        ,"):
            parts = arguments[1].strip("(,)").split(", ")
            arguments[1] = "(\n" + "".join(f"            {part},\n" for part in parts) + "        )"
        call = f"{called}.run(\n        " + ",\n        ".join(arguments) + ",\n    )"
    prose = analysed.statement.prose
    if analysed.variants:
        prose = f"{prose}\n\n{_told_variants(analysed.statement)}".strip()
    if analysed.batch:
        prose = f"{prose}\n\n{_told_batch(analysed, analysed.batch)}".strip()
    doc = docstring(prose, "    ", f"{analysed.statement.name}.")
    waiting = "" if is_stream else "await "
    lines = "\n".join(_signature(analysed, module))
    return f"{opening} {name}(\n{lines}\n) -> {returned}:\n{doc}\n    return {waiting}{call}"


def _choice(variants: VariantSet) -> str:
    """What `typedsql.variants.Variants` looks up."""
    parts = ["order_by" if variants.orderings else "None"]
    parts.extend(f"{name} is None" for group in variants.base.optional for name in group)
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _signature(analysed: Analysed, module: Module) -> list[str]:
    """The lines between the parentheses of the function."""
    lines = ["    db: Executor,"]
    if analysed.parameters:
        lines.append("    *,")
    by_name = {field.name: field for field in analysed.parameters}
    left_out = analysed.variants.optional if analysed.variants else frozenset[str]()
    for parameter in analysed.statement.declared:
        field = by_name[parameter]
        annotation = field.annotation
        if parameter in left_out:
            annotation = f"{annotation.removesuffix(' | None')} | None"
        default = " = None" if field.omissible or parameter in left_out else ""
        lines.append(f"    {parameter}: {module.use(annotation)}{default},")
    if analysed.variants and analysed.variants.orderings:
        if not analysed.parameters:
            lines.append("    *,")
        module.need("typing", "Literal")
        names = [f'"{name}"' for name in analysed.variants.orderings]
        line = f"    order_by: Literal[{', '.join(names)}] = {names[0]},"
        if len(line) > LINE_WIDTH:
            parts = "".join(f"        {item},\n" for item in names)
            line = f"    order_by: Literal[\n{parts}    ] = {names[0]},"
        lines.append(line)
    return lines


def _told_batch(analysed: Analysed, batch: BatchStatement) -> str:
    """What becomes of calls that are made at the same time."""
    name = batch.statement.name.partition(".")[2]
    key = analysed.statement.batch.key if analysed.statement.batch else ()
    order = f" Calls of one {', '.join(key)} keep their order." if key else ""
    return (
        f"Calls on a Database that are made at the same time become one statement, {name}; each "
        f"has its own result or error.{order}"
    )


def _told_variants(statement: Statement) -> str:
    """What a caller may leave out or choose, for the function's docstring."""
    lines: list[str] = []
    for group in statement.optional:
        if len(group) == 1:
            lines.append(f"{group[0]}: None leaves its condition out.")
        else:
            lines.append(
                f"{', '.join(group)}: given together; None for all leaves their conditions out."
            )
    lines.extend(f"order_by {item.name!r}: {item.expressions}." for item in statement.orderings)
    refused = [
        *(["an ordering that is not one of these"] if statement.orderings else []),
        *(
            ["parameters of which only some are given"]
            if any(len(group) > 1 for group in statement.optional)
            else []
        ),
    ]
    if refused:
        lines.append(f"Raises ValueError for {', and for '.join(refused)}; nothing is sent then.")
    return "\n".join(lines)
