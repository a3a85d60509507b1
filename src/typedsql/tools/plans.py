"""How PostgreSQL would run a named statement with given arguments, or how it did."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Sequence,
)
from contextlib import suppress
from typing import Any, Literal, TypeVar

import asyncpg
import msgspec

from typedsql.database import Database
from typedsql.errors import NoRowFound
from typedsql.query import Batched, as_fetched
from typedsql.statements import Statement
from typedsql.transaction import Transaction

R = TypeVar("R")

Form = Literal["text", "json"]
Call = Callable[[Any], Awaitable[Any] | AsyncIterator[Any]]
"""A generated function with all its arguments but the database."""


class Plan(msgspec.Struct, frozen=True):
    """The plan of one statement."""

    query: str
    analyzed: bool
    """Whether it was run for this, within a transaction that was rolled back."""
    plan: Any
    """PostgreSQL's lines as one text, or its JSON document."""
    indexes: tuple[str, ...]
    """Those it reads through, by name."""
    scanned: tuple[str, ...]
    """Tables it reads from end to end, by name."""


class _Undone(Exception):
    """Ends the transaction that a statement was analysed in."""


class _Listener:
    """Stands in for a database, and keeps what it is asked to run."""

    def __init__(self) -> None:
        self.statement: Statement | None = None
        self.arguments: Sequence[object] = ()

    async def fetch_all(
        self,
        statement: Statement,
        arguments: Sequence[object],
        read: Callable[[list[asyncpg.Record]], R],
    ) -> R:
        self._keep(statement, arguments)
        return read([])

    async def fetch_one(
        self,
        statement: Statement,
        arguments: Sequence[object],
        read: Callable[[asyncpg.Record | None], R],
    ) -> R:
        self._keep(statement, arguments)
        return read(None)

    async def execute(self, statement: Statement, arguments: Sequence[object]) -> int:
        self._keep(statement, arguments)
        return 0

    async def batches(
        self, statement: Statement, arguments: Sequence[object]
    ) -> AsyncGenerator[list[asyncpg.Record], None]:
        rows = await self.fetch_all(statement, arguments, as_fetched)
        if rows:
            yield rows

    def run_batched(
        self, batched: Batched[R], arguments: tuple[object, ...]
    ) -> Coroutine[Any, Any, R]:
        return batched.runner.run(self, *arguments)

    def _keep(self, statement: Statement, arguments: Sequence[object]) -> None:
        self.statement, self.arguments = statement, arguments


async def explain_query(
    db: Database, call: Call, *, analyze: bool = False, form: Form = "text"
) -> Plan:
    """The plan of the statement that `call` runs on the database it is given.

    `call` is a generated function with its arguments bound. Without `analyze` nothing is
    run, and the transaction is read-only. With it the statement is run, whatever it is, in
    a transaction that is rolled back: only sequences that it advanced stay so, and what its
    functions and triggers did outside the database.

    Raises:
        Error: as running the statement would.
    """
    listener = _Listener()
    await _listen(call, listener)
    statement = listener.statement
    assert statement is not None  # noqa: S101 - a generated function runs its statement
    arguments = listener.arguments
    explained: list[Any] = []
    with suppress(_Undone):
        async with db.transaction(readonly=not analyze) as transaction:
            explained.append(await _explain(transaction, statement, arguments, "json"))
            if analyze or form == "text":
                explained.append(await _explain(transaction, statement, arguments, form, analyze))
            raise _Undone
    nodes = list(_nodes(explained[0][0]["Plan"]))
    return Plan(
        query=statement.name,
        analyzed=analyze,
        plan=explained[-1],
        indexes=_names(nodes, "Index Name"),
        scanned=_names([n for n in nodes if n["Node Type"] == "Seq Scan"], "Relation Name"),
    )


async def _listen(call: Call, listener: _Listener) -> None:
    result = call(listener)
    if isinstance(result, AsyncIterator):
        async for _ in result:
            pass
        return
    with suppress(NoRowFound):  # what a statement marked @one says to no row
        await result


async def _explain(
    transaction: Transaction,
    statement: Statement,
    arguments: Sequence[object],
    form: Form,
    analyze: bool = False,
) -> Any:
    measured = ", ANALYZE, BUFFERS" if analyze else ""
    question = msgspec.structs.replace(
        statement, sql=f"EXPLAIN (FORMAT {form}{measured}) {statement.sql}", columns=None
    )
    records = await transaction.fetch_all(question, arguments, as_fetched)
    if form == "json":
        return msgspec.json.decode(records[0][0])
    return "\n".join(record[0] for record in records)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _names(nodes: Sequence[dict[str, Any]], key: str) -> tuple[str, ...]:
    """Each name once, in the order of the plan."""
    return tuple(dict.fromkeys(node[key] for node in nodes if key in node))
