"""A transaction in the name of one of an application's users."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final, NoReturn, TypeVar

import asyncpg

from typedsql.errors import CodeError, ConfigurationError, IdentityLost, IdentityRefused
from typedsql.nesting import Nesting
from typedsql.sqlstate import translate
from typedsql.statements import Statement
from typedsql.transaction import Session, Transaction

R = TypeVar("R")

STATEMENT_TIMEOUT_S: Final = 15.0
"""For each statement in a user's name; the server ends it (57014)."""
IDLE_TIMEOUT_S: Final = 15.0
"""After which the server ends a user's transaction in which nothing happens (25P03)."""
MAX_LIMIT_S: Final = 2_147_483.0
"""PostgreSQL counts either in milliseconds, of 31 bits."""

ONE_AT_A_TIME: Final = Nesting(
    "users",
    IdentityRefused,
    "as_user inside the block of another user, or of the same: end that block first, or hand its "
    "transaction on",
)


def check_limits(*limits_s: object) -> None:
    """Raises ConfigurationError for what is no limit, or none that PostgreSQL can count."""
    for limit_s in limits_s:
        if not (isinstance(limit_s, int | float) and 0 < limit_s <= MAX_LIMIT_S):
            raise ConfigurationError(
                f"as_user: expected seconds, more than 0 and at most {MAX_LIMIT_S:.0f}, as limits"
            )


class UserTransaction(Transaction):
    """As `Transaction`, in a user's name; made by `Database.as_user`.

    Named statements alone run in it. There is no raw connection, on which a COMMIT between
    two statements would have the second one run in the login's own name; and no COPY, which
    PostgreSQL refuses into a table with row level security (0A000).
    """

    def _open(self) -> Session:
        session = super()._open()
        self.require_identity()
        return session

    def require_identity(self) -> None:
        """Raises IdentityLost where the transaction has ended, and the identity with it."""
        connection = self._connection
        # A connection that broke has its own error, with what became of the transaction.
        if not connection.is_closed() and not connection.is_in_transaction():
            raise IdentityLost(
                "the transaction in the user's name was ended by a statement inside of it; what "
                "that stored is stored, and nothing more is run"
            )

    async def leave(self) -> None:
        """At the end of the block, before COMMIT: it is still the user's, and nobody's later.

        Raises IdentityLost as `require_identity` does.
        """
        session = self._open()
        if session.failed is None:
            try:
                # Functions that were called may have set anything.
                await self._connection.leave_nothing()
            except Exception as failure:
                raise translate(failure, query="COMMIT") or failure from failure

    @property
    def driver_connection(self) -> NoReturn:
        """Refused with a CodeError."""
        raise CodeError(
            "a user's transaction runs named statements alone, and no COPY: insert many rows by "
            "a statement with unnest, or as a worker inside `db.transaction()`"
        )

    # A transaction hands its session's coroutines on; here each call looks at the server's state
    # first, as the driver knows it from the last answer, and when it is awaited: a call that was
    # made before the transaction ended is not run after that. It does not know one transaction from
    # another that was begun by the statement that ended it.

    def _open_for(self, statement: Statement) -> Session:
        session = self._open()
        if statement.chains_transactions:
            raise CodeError(
                f"{statement.name}: AND CHAIN would go on in the login's own name; end the block "
                "of as_user instead, and begin another",
                query=statement.name,
            )
        return session

    async def fetch_all(
        self,
        statement: Statement,
        arguments: Sequence[object],
        read: Callable[[list[asyncpg.Record]], R],
    ) -> R:
        return await self._open_for(statement).fetch_all(statement, arguments, read)

    async def fetch_one(
        self,
        statement: Statement,
        arguments: Sequence[object],
        read: Callable[[asyncpg.Record | None], R],
    ) -> R:
        return await self._open_for(statement).fetch_one(statement, arguments, read)

    async def execute(self, statement: Statement, arguments: Sequence[object]) -> int:
        return await self._open_for(statement).execute(statement, arguments)

    def batches(
        self, statement: Statement, arguments: Sequence[object]
    ) -> AsyncGenerator[list[asyncpg.Record], None]:
        return self._open_for(statement).batches(statement, arguments)
