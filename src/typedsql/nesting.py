"""Blocks that must not be inside one another on the same database."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar


class _Block:
    """One that is open; `database` is None once it has ended.

    A task that outlives it carries the ended one along, and so does the context that an
    asynchronous generator was begun in, where it ends in another.
    """

    __slots__ = ("database",)

    def __init__(self, database: object) -> None:
        self.database: object | None = database


class Nesting:
    """One kind of block; `refusal` and `message` make the error of the inner one."""

    def __init__(self, name: str, refusal: type[Exception], message: str) -> None:
        self._open: ContextVar[tuple[_Block, ...]] = ContextVar(f"typedsql_{name}", default=())
        self._refusal = refusal
        self._message = message

    @contextmanager
    def alone(self, database: object) -> Generator[None]:
        """Refuses another on the same database, in this task and in those that it starts."""
        outer = tuple(block for block in self._open.get() if block.database is not None)
        if any(block.database is database for block in outer):
            raise self._refusal(self._message)
        block = _Block(database)
        self._open.set((*outer, block))
        try:
            yield
        finally:
            block.database = None
