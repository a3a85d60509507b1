"""What a statement must keep to, beyond what PostgreSQL itself asks of it."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from pglast.enums import A_Expr_Kind, OnCommitAction
from pglast.parser import ParseError

from typedsql.statements import Columns, Statement
from typedsql.tools.proof import ColumnProof
from typedsql.tools.proof.cardinality.counting import Cardinality
from typedsql.tools.reading.complaints import parse_finding
from typedsql.tools.reading.findings import Finding, Refused
from typedsql.tools.reading.parse_tree import ast, parse, walk
from typedsql.tools.reading.source import SourceFile
from typedsql.tools.rows.fields import is_name, plain_name

_SESSION_STATEMENTS = (
    ast.TransactionStmt,
    ast.ListenStmt,
    ast.UnlistenStmt,
    ast.DiscardStmt,
    ast.PrepareStmt,
    ast.DeallocateStmt,
    ast.ExecuteStmt,
    ast.DeclareCursorStmt,
    ast.LoadStmt,
    ast.CopyStmt,
)
_SESSION_LOCK = re.compile(r"pg_((try_)?advisory_lock(_shared)?|advisory_unlock(_shared|_all)?)$")
_RUNS_A_TEXT = re.compile(r"(query_to_xml(schema|_and_xmlschema)?|ts_stat)$")
_IDENTITY = re.compile(r"(role|session_authorization|request\.jwt\..*)$", re.IGNORECASE)
_WORDS_OF_LIKE = {A_Expr_Kind.AEXPR_LIKE: "LIKE", A_Expr_Kind.AEXPR_ILIKE: "ILIKE"}
_ESCAPING = {"replace", "regexp_replace"}


def refuse_names(source: SourceFile, statement: Statement) -> None:
    """Raises Refused where a name cannot be one in Python."""
    name = statement.name.partition(".")[2]
    findings = [
        source.finding(
            statement,
            rule="name",
            message=f"{what} {word!r} cannot be one in Python",
            advice="choose another",
        )
        for what, word in [
            ("name", name),
            *(("parameter", item) for item in statement.parameters),
        ]
        if not is_name(word) or word == "db" or word.startswith("_")
    ]
    if findings:
        raise Refused(findings)


def refuse_suffix(source: SourceFile, statement: Statement, columns: Columns) -> Iterator[Finding]:
    """Where what comes back is not what the suffix asks for."""
    told: tuple[str, str] | None = None
    single = statement.suffix == "$" or (statement.suffix == "<!" and len(columns) == 1)
    if statement.suffix == "!" and columns:
        told = (
            "returns rows, but its suffix ! asks for a count",
            "use <! for one row, or no suffix for many",
        )
    elif statement.suffix != "!" and not columns:
        told = ("returns no columns", "use the suffix !")
    elif statement.suffix == "$" and len(columns) != 1:
        told = (f"the suffix $ is for one value, but {len(columns)} columns come back", "use ^")
    elif statement.one and (single or statement.suffix not in ("^", "<!")):
        told = (
            "@one is for a statement with the suffix ^, or <! and several columns",
            "remove it, or change the suffix",
        )
    if told is not None:
        yield source.finding(statement, rule="suffix", message=told[0], advice=told[1])


def refuse_rows(
    source: SourceFile, statement: Statement, cardinality: Cardinality
) -> Iterator[Finding]:
    """Where more rows may come back than the suffix or the name promises."""
    if statement.suffix in ("^", "$", "<!") and cardinality.most != 1:
        yield source.finding(
            statement,
            rule="cardinality",
            message=f"more than one row may come back, and its suffix {statement.suffix} takes "
            f"one: {cardinality.reason}",
            advice="fix a unique key with =, add LIMIT 1, or remove the suffix",
        )
    name = statement.name.partition(".")[2]
    if statement.suffix == "" and name.startswith("list_") and not cardinality.bounded:
        yield source.finding(
            statement,
            rule="unbounded-list",
            message="a list_ is bounded, and this one returns whatever there is",
            advice="add LIMIT :max_rows or a constant one, or name it stream_",
        )


def is_override(name: str) -> bool:
    """Whether a result column's name says whether it can be NULL."""
    return plain_name(name) != name


def override_finding(name: str, proof: ColumnProof) -> tuple[str, str] | None:
    """What is wrong with an override, and what to do: one must say what is not known."""
    if not is_override(name):
        return None
    plain = plain_name(name)
    if name.endswith("!"):
        if proof.not_null:
            return f'"{name}" repeats what is proven: {plain} cannot be NULL', "remove the !"
        if proof.nullable_because:
            return (
                f'"{name}" contradicts what is known: {proof.nullable_because}',
                "exclude NULL in the SQL, with IS NOT NULL or coalesce, or remove the !",
            )
    if name.endswith("?"):
        if proof.not_null:
            return f'"{name}" contradicts what is proven: {plain} cannot be NULL', "remove the ?"
        if proof.nullable_because:
            return (
                f'"{name}" repeats what is known: {proof.nullable_because}',
                "remove the ?",
            )
    return None


def refuse_session_state(source: SourceFile, statement: Statement) -> Iterator[Finding]:
    """What would stay behind on a pooled connection, and a select list that migrations change."""
    try:
        tree = parse(statement.sql)
    except ParseError as failure:
        yield parse_finding(failure, statement, source)
        return
    for item in _shown(tree):
        if _is_star(item):
            yield source.finding_at_byte(
                statement,
                rule="star",
                message="* stands for other columns after a migration",
                advice="list the columns",
                location=item.location,
            )
    if isinstance(tree, _SESSION_STATEMENTS) or (
        isinstance(tree, ast.VariableSetStmt) and not tree.is_local
    ):
        yield source.finding(
            statement,
            rule="session-state",
            message="changes the session or its transaction, which the next user of the "
            "connection would inherit",
            advice="use SET LOCAL, db.transaction() or db.connection()",
        )
    if isinstance(tree, ast.DoStmt):
        yield source.finding(
            statement,
            rule="session-state",
            message="a DO block can change the session, and nothing in it is looked at",
            advice="write its statements here, or what it does as a function in a migration",
        )
    for node in walk(tree):
        made = _made_for_the_session(node)
        if made is not None:
            yield source.finding_at_byte(
                statement,
                rule="session-state",
                message="makes something temporary, which the next user of the connection finds "
                "there",
                advice="make a table ON COMMIT DROP within db.transaction(), or use WITH",
                location=made.location,
            )
        if isinstance(node, ast.UpdateStmt) and node.relation.relname == "pg_settings":
            yield source.finding_at_byte(
                statement,
                rule="session-state",
                message="an UPDATE of pg_settings outlives the transaction",
                advice="use SET LOCAL, or set_config that ends in TRUE",
                location=node.relation.location,
            )
        if isinstance(node, ast.FuncCall):
            told = _lasting_call(node)
            if told is not None:
                yield source.finding_at_byte(
                    statement,
                    rule="session-state",
                    message=told[0],
                    advice=told[1],
                    location=node.location,
                )


def _made_for_the_session(node: Any) -> Any:
    """The name of a temporary table, view or sequence that the transaction's end does not drop."""
    dropped = OnCommitAction.ONCOMMIT_NOOP
    if isinstance(node, ast.CreateStmt):
        made, dropped = node.relation, node.oncommit
    elif isinstance(node, ast.IntoClause):
        made, dropped = node.rel, node.onCommit
    elif isinstance(node, ast.ViewStmt):
        made = node.view
    elif isinstance(node, ast.CreateSeqStmt):
        made = node.sequence
    else:
        return None
    is_temporary = made.relpersistence == "t" or made.schemaname == "pg_temp"
    return made if is_temporary and dropped != OnCommitAction.ONCOMMIT_DROP else None


def _lasting_call(node: Any) -> tuple[str, str] | None:
    name: str = node.funcname[-1].sval
    if _SESSION_LOCK.match(name):
        told = "is of locks that outlive" if "unlock" in name else "outlives"
        return f"{name} {told} the transaction", "use pg_advisory_xact_*"
    if name == "setseed":
        return "setseed outlives the transaction", "order by a hash of the key and a parameter"
    if _RUNS_A_TEXT.match(name):
        return f"{name} runs a text, and nothing in it is looked at", "write its SQL here"
    if name == "set_config" and not _is_true(node.args[-1]):
        return "set_config outlives the transaction unless it ends in TRUE", "pass TRUE"
    return None


def refuse_identity(source: SourceFile, statement: Statement) -> Iterator[Finding]:
    """Where a statement would decide in whose name the rest of its transaction runs."""
    try:
        tree = parse(statement.sql)
    except ParseError:
        return  # refuse_session_state tells of it
    places: list[int] = []
    if isinstance(tree, ast.VariableSetStmt) and _IDENTITY.match(tree.name or ""):
        places.append(-1)
    for node in walk(tree):
        if isinstance(node, ast.FuncCall) and node.funcname[-1].sval == "set_config":
            # A name that is no constant may be any.
            name = getattr(getattr(node.args[0], "val", None), "sval", None)
            if name is None or _IDENTITY.match(name):
                places.append(node.location)
    for location in places:
        yield source.finding_at_byte(
            statement,
            rule="identity",
            message="decides in whose name the rest of the transaction runs",
            advice="leave that to db.as_user(), which checks who it is and ends it",
            location=location,
        )


def refuse_wildcards(source: SourceFile, statement: Statement) -> Iterator[Finding]:
    """Where % and _ in what somebody typed would stand for anything."""
    try:
        tree = parse(statement.sql)
    except ParseError:
        return  # refuse_session_state tells of it
    for node in walk(tree):
        word = _WORDS_OF_LIKE.get(node.kind) if isinstance(node, ast.A_Expr) else None
        if word is not None and _takes_wildcards(node.rexpr):
            yield source.finding_at_byte(
                statement,
                rule="wildcard",
                message=f"% and _ in a parameter of {word} stand for any characters",
                advice="use starts_with() or strpos(), escape it with replace(), or write ~~ where "
                "the caller is to give a pattern",
                location=node.location,
            )


def _takes_wildcards(pattern: Any) -> bool:
    """Whether a parameter comes into the pattern as it is given."""
    if isinstance(pattern, ast.ParamRef):
        return True
    if isinstance(pattern, ast.FuncCall) and pattern.funcname[-1].sval in _ESCAPING:
        return False
    if isinstance(pattern, ast.Node):
        return any(_takes_wildcards(getattr(pattern, name)) for name in pattern)
    return isinstance(pattern, tuple) and any(map(_takes_wildcards, cast("Any", pattern)))


def _is_true(value: Any) -> bool:
    return isinstance(value, ast.A_Const) and bool(getattr(value.val, "boolval", False))


def _shown(tree: Any) -> Iterable[Any]:
    """The items of the select lists of all arms, or of RETURNING.

    PostgreSQL 18 wraps RETURNING in a clause.
    """
    if isinstance(tree, ast.SelectStmt):
        if tree.larg is not None:
            return (*_shown(tree.larg), *_shown(tree.rarg))
        return tree.targetList or ()
    clause = getattr(tree, "returningClause", None)
    if clause is not None:
        return clause.exprs or ()
    return getattr(tree, "returningList", None) or ()


def _is_star(item: Any) -> bool:
    """``*``, ``t.*`` and ``(t).*``."""
    value = item.val
    if isinstance(value, ast.ColumnRef):
        return isinstance(value.fields[-1], ast.A_Star)
    return isinstance(value, ast.A_Indirection) and isinstance(value.indirection[-1], ast.A_Star)
