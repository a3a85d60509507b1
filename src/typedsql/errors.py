"""What can go wrong, sorted by what the caller does next.

| class | next |
| --- | --- |
| `TransientError` | run the whole transaction again |
| `ConnectionLost` | the same: nothing was stored |
| `OutcomeUnknown`, a `ConnectionLost` | the same if it is idempotent, else look first |
| `TimeoutExpired` | nothing was stored; give it more time, or find out what keeps it |
| `DataError` | fix the data: this row can never be stored as it is |
| `CodeError` | fix the code or the SQL: the call can never work as it is |
| `OperatorError` | call whoever runs the database or sets the environment |

No message holds a parameter, the content of a row or a connection string: PostgreSQL's
DETAIL and the driver's texts, which can, are removed from the chained cause as well.
"""


class Error(Exception):
    """Base of every error this package raises.

    `sqlstate` is PostgreSQL's five-character code, None where the server said nothing;
    `query` is the statement's name (``file.name``), None outside a named statement.
    """

    def __init__(
        self, message: str, *, query: str | None = None, sqlstate: str | None = None
    ) -> None:
        super().__init__(message)
        self.query = query
        self.sqlstate = sqlstate


class TransientError(Error):
    """Nothing was stored and the same work may succeed: run the whole transaction again."""


class TimeoutExpired(Error):
    """A wait reached its limit: for a connection, or for a statement to finish.

    The statement was cancelled and nothing of it is stored, but where it is an
    `OutcomeUnknown` as well.
    """


class ConnectionLost(Error):
    """The connection broke while it was in use, and nothing was stored.

    So it is inside a transaction that had not begun to commit, and outside one where the
    statement only reads or was not sent yet. Else it is an `OutcomeUnknown`.
    """


class OutcomeUnknown(ConnectionLost):
    """A COMMIT, or a write outside a transaction, was under way: it is stored or it is not.

    The connection broke before the server told. Running it again may store it twice: look
    first, or run again what may be run twice, such as a merge by key. A transaction of
    `Database.run_transaction` asks the server, and raises this where the server cannot tell.
    """


class WriteTimedOut(OutcomeUnknown, TimeoutExpired):
    """An `OutcomeUnknown` because the time limit came first, not because a connection broke.

    The server was told to cancel it, which comes too late for a write that is just done.
    """


class DataError(Error):
    """A value or row was refused by its type or by a constraint; nothing was stored.

    `constraint` and `column` name what refused it, where PostgreSQL tells.
    """

    def __init__(
        self,
        message: str,
        *,
        query: str | None = None,
        sqlstate: str | None = None,
        constraint: str | None = None,
        column: str | None = None,
    ) -> None:
        super().__init__(message, query=query, sqlstate=sqlstate)
        self.constraint = constraint
        self.column = column


class NoRowFound(DataError):
    """A statement that promises a row (``-- @one``) found none."""


class ChoiceRefused(DataError, ValueError):
    """No variant of a statement fits the arguments; nothing was sent.

    Parameters that belong together were given in part, or an ordering is not in the file.
    """


class CodeError(Error):
    """The call or the SQL is wrong and stays wrong however often it is tried."""


class IdentityRefused(CodeError, ValueError):
    """`Database.as_user` was asked for what it never does; nothing was sent.

    A role other than those of API users, a user who is no UUID, or one user inside of another.
    """


class IdentityLost(CodeError):
    """The transaction that ran in a user's name is over before its block is.

    Something inside ended it, so nothing more is run: it would be in the login's own name.
    """


class StatementDrift(CodeError):
    """A statement is not what was analysed: its file or the database changed since."""


class OperatorError(Error):
    """The server or its configuration needs somebody: rights, disk, connections, shutdown."""


class ConfigurationError(OperatorError):
    """Settings are missing, contradict each other or cannot be used.

    `code` is a word that the doctor tells the mistake by. `problem` and `action` are the two
    halves of the message, `action` empty where the problem says what to do as well.
    """

    def __init__(
        self,
        problem: str,
        *,
        action: str = "",
        code: str = "configuration",
        query: str | None = None,
    ) -> None:
        super().__init__(f"{problem} {action}" if action else problem, query=query)
        self.problem = problem
        self.action = action
        self.code = code


class ConnectionFailed(OperatorError):
    """No connection could be opened: no server there, or it refused this client."""


class MigrationMismatch(OperatorError):
    """The database's migration version is not the one this build was generated for."""
