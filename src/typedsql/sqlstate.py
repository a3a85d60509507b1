"""From the driver's exceptions to ours: which SQLSTATE means what to the caller.

Source of the classes: PostgreSQL's Appendix A, "PostgreSQL Error Codes".
"""

import re
from typing import Final

import asyncpg

from typedsql.errors import (
    CodeError,
    ConnectionLost,
    DataError,
    Error,
    OperatorError,
    OutcomeUnknown,
    TimeoutExpired,
    TransientError,
    WriteTimedOut,
)
from typedsql.suspects import Given
from typedsql.unfit import NUL_IN_DOCUMENT, NUL_IN_TEXT

ROLLED_BACK: Final = {
    "40001": "the transaction could not be serialized against a concurrent one",
    "40P01": "the transaction was the victim of a deadlock",
    "55P03": "a lock was not available in time",
}
"""By SQLSTATE, why a transaction was rolled back that may succeed when it is run again."""
_BROKEN = (
    "the connection to the server broke: see whether it runs and what was stored, then try again"
)
_LATE = "no answer within the time limit; the statement was cancelled"
_LOOK = "look before running it again, unless it may be stored twice"
# The server had not read what was sent: it ended a session in which nothing was running.
_ENDED_IDLE = ("25P03", "57P05")
# transaction_resolution_unknown, statement_completion_unknown: what a pooler may say.
_UNRESOLVED = ("08007", "40003")
_OTHER_SESSION = (
    "a pooler ran this in another session than the statement was prepared in: set"
    " DATABASE_MODE=transaction"
)
_ADVICE = {
    "08003": _BROKEN,  # the driver's own word for a connection that ended under a statement
    "08006": _BROKEN,
    "23502": "column {column} must not be NULL",
    "23503": "foreign key {constraint} has no matching row",
    "23505": "unique key {constraint} already has this value",
    "23514": "check constraint {constraint} refused the row",
    "25006": "this transaction is read-only, by its beginning, its role or its server: where that"
    " was not meant, write through the primary server, as a role that may",
    "26000": _OTHER_SESSION,
    "42501": "the role lacks the privilege, or row level security refused the row",
    "42703": "a column the statement names does not exist: is the database migrated?",
    "42883": "a function the statement names does not exist: is the database migrated?",
    "42P05": _OTHER_SESSION,
    "42P01": "a table the statement names does not exist: is the database migrated?",
    "53100": "the server's disk is full: free space there, then run it again",
    "53200": "the server has no memory for it: run it again when less is at work there",
    "53300": "the server has no free connection slot: close some, or raise max_connections",
    "57014": "the statement was cancelled, by its timeout or by an operator",
    "57P01": "the server shuts down, or an operator ended the connection: look what was stored,"
    " then try again",
    "57P02": "the server crashed and restarts: look what was stored, then try again",
    "57P03": "the server is starting or stopping: try again shortly",
}
# These name an object of the schema, or a table's policies, and nothing else.
_DENIED = re.compile(r"(permission denied for|must be owner of) [a-z ]+ [\w.\"$-]+")
_POLICY = re.compile(r'row-level security policy .*for table ("?[\w$-]+"?)')
# A partitioned table without a partition for the row also reports 23514, with no constraint.
_NO_PARTITION = "no partition of the table takes the row: make it first"

# DETAIL, of which the values stand behind the columns.
_PARTITION_KEY = re.compile(r"[^(]*\(([\w$]+(?:, [\w$]+)*)\) = \(")

# A value too long for an index, or nested too deeply.
_TOO_MUCH = ("54000", "54001")

# The server names the parameter whose text it could not read, and its value where told to.
_PARAMETER = re.compile(r"portal (?:\"[^\"]*\" )?parameter \$(\d+)")
# So it does the line and the column that a COPY had come to; the value may stand behind them.
_COPY = re.compile(r"^COPY .*?, line (\d+)(?:, column ([^:\n]+))?", re.MULTILINE)
_ARGUMENT = re.compile(r"invalid input for query argument \$(\d+)")
_UNFIT = "the value does not fit the parameter's type"
# Reasons of the driver and of our codecs that never contain the value itself.
_SAFE_REASON = re.compile(
    r"\((value out of \w+ range|expected [\w ]+, got (?:type )?'?\w+'?"
    r"|an? [\w ]+ is required \(got type \w+\)"
    r"|a sized iterable container expected \(got type '\w+'\)"
    r"|can't subtract offset-naive and offset-aware datetimes"
    r"|a signalling NaN has no text in PostgreSQL"
    r"|a JSON document cannot hold NaN or Infinity)\)$"
)
# PostgreSQL never translates its internal errors.
_LOST_TYPE = "cache lookup failed for type "
# PL/pgSQL reports where an explicit RAISE stood; only then is the text its author's own.
_RAISED = re.compile(r"at RAISE$")


class ArgumentRefused(DataError):
    """The driver cannot send an argument, such as an integer beyond 64 bits; nothing was."""


def is_stale_plan(failure: BaseException) -> bool:
    """Whether a prepared statement no longer fits, because the schema changed under it."""
    if isinstance(failure, asyncpg.InternalServerError):
        # Of a parameter whose type was dropped and made anew: an enum that lost a label.
        return str(failure.args[0]).startswith(_LOST_TYPE)
    return isinstance(
        failure, asyncpg.InvalidCachedStatementError | asyncpg.OutdatedSchemaCacheError
    )


def translate(
    failure: BaseException,
    *,
    query: str | None,
    given: Given | None = None,
    may_be_stored: bool = False,
    late: str | None = None,
) -> Error | None:
    """The error to raise in place of `failure`; None where it is not the database's.

    With `may_be_stored`, a COMMIT or a write outside a transaction was under way: a failure
    that leaves open whether it was stored is an OutcomeUnknown. `given` are the arguments of
    the statement that failed, which are looked at more closely then. `late` says which limit it
    is that ends a wait, if not the connection's. The failure itself is stripped of whatever
    can hold row contents or parameters, so that chaining it shows none.
    """
    if isinstance(failure, Error):
        return failure
    where = f"{query}: " if query else ""
    late = late or _LATE
    if may_be_stored and _leaves_open(failure):
        return _unknown(failure, where, query, late)
    if is_stale_plan(failure):
        _strip(failure)
        return TransientError(
            f"{where}the schema changed meanwhile",
            query=query,
            sqlstate=getattr(failure, "sqlstate", None),
        )
    if isinstance(failure, asyncpg.PostgresError):
        # The driver reports a value it cannot encode as if the server had refused it.
        return _refused_argument(failure, where, query, given) or _from_server(
            failure, where, query, given
        )
    if isinstance(failure, asyncpg.InterfaceError):
        return _refused_argument(failure, where, query, given) or _from_driver(
            failure, where, query
        )
    if isinstance(failure, asyncpg.InternalClientError):
        return ConnectionLost(f"{where}{_BROKEN}", query=query)
    if isinstance(failure, TimeoutError):  # before OSError, of which it is a subclass
        return TimeoutExpired(f"{where}{late}", query=query)
    if isinstance(failure, OSError):
        return ConnectionLost(f"{where}{_BROKEN}", query=query)
    if isinstance(failure, Exception) and given is not None:
        index = given.unshowable()
        if index is not None:
            return _refuse(failure, where, query, given.name(index), given.why_at_all(index))
    if isinstance(failure, ValueError | OverflowError):
        failure.args = ("the driver cannot make a Python value of it",)
        return DataError(
            f"{where}a value in the result is outside its Python type, such as a year after "
            "9999: select it as text",
            query=query,
        )
    return None


def _unknown(failure: BaseException, where: str, query: str | None, late: str) -> OutcomeUnknown:
    if isinstance(failure, TimeoutError):
        return WriteTimedOut(f"{where}{late}, perhaps after it was stored: {_LOOK}", query=query)
    if is_stale_plan(failure):
        told = "the schema changed while the rows came back, so this is probably stored"
    else:
        told = "the connection to the server broke before it told whether this was stored"
    if isinstance(failure, asyncpg.PostgresError):
        # Its texts can hold a row's content; taken from it as from any other.
        _from_server(failure, "", query, None)
    sqlstate: str | None = getattr(failure, "sqlstate", None)
    return OutcomeUnknown(f"{where}{told}: {_LOOK}", query=query, sqlstate=sqlstate)


def _leaves_open(failure: BaseException) -> bool:
    """Whether what was sent may have been stored all the same."""
    if isinstance(failure, asyncpg.OutdatedSchemaCacheError):
        # Raised over the rows that came back: by then the statement is done.
        return True
    if isinstance(failure, asyncpg.ConnectionDoesNotExistError):
        # The driver's own, with what the server said before it hung up as its cause.
        said = getattr(failure.__cause__, "sqlstate", None)
        return said not in _ENDED_IDLE
    if isinstance(failure, asyncpg.PostgresError):
        # A backend that is told to end does so after its commit as well, before the answer.
        ended = getattr(failure, "severity_en", None) in ("FATAL", "PANIC")
        state: str = failure.sqlstate or ""
        told_nothing = state in _UNRESOLVED or state.startswith("08")
        return told_nothing or (ended and state not in _ENDED_IDLE)
    # The driver refuses by InterfaceError before anything is sent.
    return isinstance(failure, asyncpg.InternalClientError | OSError)


def _from_server(
    failure: asyncpg.PostgresError, where: str, query: str | None, given: Given | None
) -> Error:
    state: str = failure.sqlstate or "XX000"
    context: str = getattr(failure, "context", None) or ""
    detail: str = getattr(failure, "detail", None) or ""
    constraint: str | None = getattr(failure, "constraint_name", None)
    column: str | None = getattr(failure, "column_name", None)
    if state == "23514" and not constraint:
        text, column = _no_partition(detail)
    elif state in ROLLED_BACK:
        text = ROLLED_BACK[state]
    elif state == "42501":
        text = _refused_right(str(failure.args[0]))
    elif state == "54000" and constraint:
        text = f"index {constraint} cannot hold a value as long as that"
    elif state in _ADVICE:
        text = _ADVICE[state].format(column=column or "?", constraint=constraint or "?")
    elif _RAISED.search(context) or state.startswith(("42", "28", "3D", "3F", "55", "0A", "25")):
        text = str(failure.args[0])
    else:
        text = _condition(failure, detail)
    if match := _PARAMETER.search(context):
        index = int(match[1]) - 1
        name, told = (given.name(index), given.why(index)) if given else (f"${match[1]}", None)
        text = f"parameter {name} was refused: {told or text}"
    elif (place := place_in_copy(context)) and place[1]:
        column = place[1]
        text = f"column {column} was refused: {text}"
    elif given is not None and _is_of_a_value(state) and not _RAISED.search(context):
        text = given.accuse(state, str(failure.args[0]), detail, text) or text
    message = f"{where}{text} (SQLSTATE {state})"
    failure.args = (text,)
    _strip(failure)
    if state in ROLLED_BACK:
        return TransientError(message, query=query, sqlstate=state)
    if state == "57014":
        return TimeoutExpired(message, query=query, sqlstate=state)
    if _is_of_a_value(state) or state.startswith(("23", "44", "P0")):
        return DataError(message, query=query, sqlstate=state, constraint=constraint, column=column)
    if state.startswith("08") or state in ("57P01", "57P02", "57P05"):
        return ConnectionLost(message, query=query, sqlstate=state)
    if state in ("42501", "26000", "42P05"):
        return OperatorError(message, query=query, sqlstate=state)
    if state.startswith(("0A", "21", "25P", "2D", "34", "3B", "42")):
        return CodeError(message, query=query, sqlstate=state)
    return OperatorError(message, query=query, sqlstate=state)


def _is_of_a_value(state: str) -> bool:
    return state.startswith("22") or state in _TOO_MUCH


def place_in_copy(context: str) -> tuple[int, str] | None:
    """The line, from 1, and the column, or "", that a COPY had come to, by an error's context."""
    # The statement itself stands last, behind what its triggers ran.
    found: list[tuple[str, str]] = _COPY.findall(context)
    return (int(found[-1][0]), found[-1][1]) if found else None


def _strip(failure: BaseException) -> None:
    """Take from the server's words those that can hold a parameter or a row."""
    for name in ("detail", "hint", "context", "internal_query", "query"):
        setattr(failure, name, None)


def _refused_right(text: str) -> str:
    """Which right is lacking, as far as the server's words say it, and what to do."""
    denied = _DENIED.fullmatch(text)
    if denied:
        return f"{denied[0]}: connect as a role that may, or have its owner GRANT the right"
    policy = _POLICY.search(text)
    if policy:
        table = policy[1].strip('"')
        return (
            f"row level security of table {table} refused the row: act as a user whom its "
            "policies let write it"
        )
    return _ADVICE["42501"]


def _condition(failure: asyncpg.PostgresError, detail: str) -> str:
    """PostgreSQL's own name of the condition, as words: "numeric value out of range"."""
    if failure.sqlstate == "22021" and str(failure.args[0]).endswith(": 0x00"):
        return NUL_IN_TEXT
    if failure.sqlstate == "22P05" and "\\u0000" in detail:
        return NUL_IN_DOCUMENT
    name = type(failure).__name__.removesuffix("Error")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()


def _no_partition(detail: str) -> tuple[str, str | None]:
    """That there is none for a row, and by which column, as far as the server's DETAIL tells."""
    key = _PARTITION_KEY.match(detail)
    if key is None:
        return _NO_PARTITION, None
    told = f"{_NO_PARTITION} (partitioned by {key[1]})"
    return told, None if "," in key[1] else key[1]


def _refused_argument(
    failure: asyncpg.PostgresError | asyncpg.InterfaceError,
    where: str,
    query: str | None,
    given: Given | None,
) -> Error | None:
    text = str(failure.args[0])
    match = _ARGUMENT.match(text)
    if match is None:
        return None
    if given is None:
        return _refuse(failure, where, query, f"${match[1]}", _UNFIT)
    index = int(match[1]) - 1
    reason = _SAFE_REASON.search(text)
    told = given.why(index) or (reason[1] if reason else given.why_at_all(index))
    return _refuse(failure, where, query, given.name(index), told)


def _refuse(
    failure: Exception, where: str, query: str | None, name: str, told: str
) -> ArgumentRefused:
    failure.args = (f"parameter {name}: {told}",)
    # The codec's own exception quotes the value as well.
    failure.__cause__ = None
    failure.__context__ = None
    return ArgumentRefused(f"{where}parameter {name} was refused: {told}", query=query)


def _from_driver(failure: asyncpg.InterfaceError, where: str, query: str | None) -> Error:
    text = str(failure.args[0])
    if "closed" in text or "released back to the pool" in text:
        return ConnectionLost(f"{where}{_BROKEN}", query=query)
    return CodeError(f"{where}{text}", query=query)
