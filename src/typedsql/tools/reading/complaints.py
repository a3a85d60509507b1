"""What PostgreSQL, or its parser, says of a statement, as findings in the .sql file."""

import re

import asyncpg
from pglast.parser import ParseError

from typedsql.statements import Statement
from typedsql.tools.reading.findings import Finding
from typedsql.tools.reading.lexer import LexicalError, parse_error, tokenize
from typedsql.tools.reading.source import SourceFile


def postgres_finding(
    failure: asyncpg.PostgresError, statement: Statement, source: SourceFile
) -> Finding:
    """What PostgreSQL said of a statement, its caret moved to the file.

    Its DETAIL stands behind the message, its HINT is the advice, and $1 is called by its name.
    """
    message = _named(_part(failure, "message") or str(failure), statement)
    detail = _part(failure, "detail")
    if detail:
        message += f" ({_named(detail, statement).rstrip('.')})"
    hint = _named(_part(failure, "hint") or "", statement).rstrip(".")
    position = _part(failure, "position")
    offset = int(position) - 1 if position else None
    if offset is None and not _part(failure, "internal_position"):
        offset = _parameter_in(_part(failure, "message") or "", statement)
    return source.finding(statement, rule="postgresql", message=message, advice=hint, offset=offset)


def parse_finding(failure: ParseError, statement: Statement, source: SourceFile) -> Finding:
    """What pglast said of ``statement.sql``, its caret moved to the file."""
    message, offset = parse_error(failure)
    return source.finding(
        statement, rule="postgresql", message=_named(message, statement), offset=offset
    )


def _part(failure: asyncpg.PostgresError, name: str) -> str | None:
    # asyncpg sets these where the server sent them, and its stubs do not have them all.
    value: object = getattr(failure, name, None)
    return value if isinstance(value, str) and value else None


def _named(text: str, statement: Statement) -> str:
    def replace(found: re.Match[str]) -> str:
        index = int(found[1]) - 1
        known = 0 <= index < len(statement.parameters)
        return f":{statement.parameters[index]}" if known else found[0]

    return re.sub(r"\$(\d+)", replace, text)


def _parameter_in(message: str, statement: Statement) -> int | None:
    """Where the one parameter that a message names first stands in ``statement.sql``."""
    found = re.search(r"\$\d+", message)
    if found is None:
        return None
    try:
        tokens = tokenize(statement.sql)
    except LexicalError:
        return None
    return next((t.start for t in tokens if t.kind == "PARAM" and t.text == found[0]), None)
