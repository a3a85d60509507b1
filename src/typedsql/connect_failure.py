"""Why no connection could be opened, in words that say what to do about it.

The texts of the operating system, the driver and poolers are recognised here once, for
the connection pool, the migration runner and the diagnosis alike.
"""

import errno
import os
import re
import socket
import ssl

import asyncpg
import msgspec

from typedsql.connection_target import SESSION_PORT, ConnectionTarget
from typedsql.errors import ConnectionFailed, Error
from typedsql.secrecy import forget_frames
from typedsql.supabase import is_direct, is_supabase

_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL)
# Of a host with several addresses the event loop tells all failures as one, without a number.
_UNREACHABLE_WORDS = tuple(os.strerror(number) for number in _UNREACHABLE)
_USE_SESSION_POOLER = (
    "use a network with IPv6, or the session pooler's host and port"
    f" {SESSION_PORT}, as Supabase's dashboard shows them under Connect"
)
# Supavisor's, of several releases; PgBouncer says the second as well.
_NO_SUCH_TENANT = re.compile(r"tenant(/| or )user\b.*not found", re.IGNORECASE)
_NO_CLIENT_SLOT = re.compile(
    r"max ?clients ?in|max clients reached|max client connections reached"
    r"|no more connections allowed|\bEMAXCONN",
    re.IGNORECASE,
)
_STARTUP_PARAMETER = re.compile(r"unsupported startup parameter(?: in options)?:? *([\w.]*)")
_NO_DATABASE = re.compile(r'database ".*" does not exist', re.DOTALL)
_NO_SERVER_BEHIND = ("server login", "server conn crashed", "cannot connect to server")
_PREPARED_STATEMENT = ("26000", "42P05")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_NO_SLOT = "the server has no free connection slot"
_LIMITED = re.compile("too many connections for (role|database) ")
_REJECTED_TLS = "rejected SSL upgrade"
_PASSING = ("53300", "57P01", "57P02", "57P03")
_WITHOUT_TLS = ("no encryption", "SSL off")


class ConnectProblem(msgspec.Struct, frozen=True):
    """One reason, recognisable by `code`; `action` says what to do about it."""

    code: str
    message: str
    action: str

    def __str__(self) -> str:
        return f"{self.message}: {self.action}"


def explain(failure: BaseException, target: ConnectionTarget) -> ConnectProblem | None:
    """What stands behind a failed connection attempt, None where it is not about one."""
    where = target.describe()
    if isinstance(failure, asyncpg.PostgresError):
        return _refused_by_server(failure, target, where)
    if isinstance(failure, TimeoutError):  # before OSError, of which it is a subclass
        return ConnectProblem(
            "no_answer",
            f"{where}: no answer within the time limit",
            "check host and port, and whether a firewall drops the packets",
        )
    if isinstance(failure, ssl.SSLError):
        return _tls_failed(failure, target, where)
    if isinstance(failure, OSError):
        return _not_reached(failure, target, where)
    if _ended_early(failure):
        return ConnectProblem(
            "starting", f"{where}: the connection ended as it was opened", "try again shortly"
        )
    if isinstance(failure, asyncpg.InterfaceError):
        return ConnectProblem("refused", f"{where}: {failure.args[0]}", "check what answers there")
    return None


def connection_failed(failure: BaseException, target: ConnectionTarget) -> Error | None:
    """The error to raise in place of `failure`; None where it is not about connecting."""
    if isinstance(failure, Error):
        return failure
    problem = explain(failure, target)
    if problem is None:
        return None
    sqlstate = failure.sqlstate if isinstance(failure, asyncpg.PostgresError) else None
    forget_frames(failure)
    return ConnectionFailed(str(problem), sqlstate=sqlstate)


def may_pass(failure: BaseException) -> bool:
    """Whether the next attempt may open a connection: the server restarts, or is full."""
    if isinstance(failure, asyncpg.ConnectionDoesNotExistError | ConnectionError):
        return _REJECTED_TLS not in str(failure)
    if isinstance(failure, asyncpg.PostgresError):
        return failure.sqlstate in _PASSING or _NO_CLIENT_SLOT.search(str(failure)) is not None
    if _ended_early(failure):
        return True
    if isinstance(failure, socket.gaierror):
        # The name service does not answer; that it knows no such name is another number.
        return failure.errno == socket.EAI_AGAIN
    # Without its server a socket is not there; of several addresses, each was refused.
    return isinstance(failure, FileNotFoundError) or (
        type(failure) is OSError and f"[Errno {errno.ECONNREFUSED}]" in str(failure)
    )


def _ended_early(failure: BaseException) -> bool:
    """Whether the server ended a connection between its opening and its first answer.

    Asked by then, the driver finds itself in a state that it does not expect.
    """
    if isinstance(failure, asyncpg.InterfaceError):
        return "connection is closed" in str(failure)
    return isinstance(failure, asyncpg.InternalClientError)


def _correct_login(target: ConnectionTarget) -> str:
    """Where the user's name and password were given, and what is easily wrong there."""
    if not target.source.startswith(("POSTGRES_", "SUPABASE_")):
        place = "the URL" if target.source == "argument" else target.source
        return f"correct them in {place}, where # / @ ? % and : of a password are percent-encoded"
    password = target.password.get_secret_value() if target.password else ""
    if _ESCAPE.search(password):
        return (
            f"correct them in {target.source}: the password stands there as it is, and is not"
            " percent-encoded as in a URL"
        )
    return f"correct them in {target.source}"


def _not_reached(failure: OSError, target: ConnectionTarget, where: str) -> ConnectProblem:
    if _REJECTED_TLS in str(failure):
        if not _demands_tls(target):
            return _not_postgresql(where)
        return ConnectProblem(
            "tls_unsupported",
            f"{where}: the server offers no TLS and sslmode={target.sslmode} demands it",
            "turn TLS on at the server, or set sslmode=disable if the way there is trusted",
        )
    if isinstance(failure, socket.gaierror):
        action = "check its spelling, and the network's name service"
        if is_direct(target.host):
            action += f"; if the host only has an IPv6 address: {_USE_SESSION_POOLER}"
        return ConnectProblem("unknown_host", f"{where}: the host name cannot be resolved", action)
    if failure.errno in _UNREACHABLE or any(words in str(failure) for words in _UNREACHABLE_WORDS):
        return ConnectProblem(
            "unreachable",
            f"{where}: the network cannot be reached; the host may only have an IPv6 address",
            _USE_SESSION_POOLER,
        )
    if type(failure) is ConnectionError:
        # asyncpg's own: somebody took the connection, and closed it without a word.
        return _not_postgresql(where)
    reason = failure.strerror or type(failure).__name__
    if isinstance(failure, ConnectionRefusedError):
        reason = "connection refused"
    return ConnectProblem(
        "no_server",
        f"{where}: no server answers there ({reason})",
        "start it, or check host and port",
    )


def _demands_tls(target: ConnectionTarget) -> bool:
    return (target.sslmode or "prefer") not in ("disable", "allow", "prefer")


def _not_postgresql(where: str) -> ConnectProblem:
    return ConnectProblem(
        "not_postgresql",
        f"{where}: what answers there does not speak as PostgreSQL does",
        "check host and port",
    )


def _whence(target: ConnectionTarget) -> str:
    place = " (dashboard: Database, Settings, SSL Configuration)"
    return place if is_supabase(target.host) else ""


def _tls_failed(failure: ssl.SSLError, target: ConnectionTarget, where: str) -> ConnectProblem:
    if isinstance(failure, ssl.SSLCertVerificationError):
        return ConnectProblem(
            "certificate",
            f"{where}: the server's certificate was refused ({failure.verify_message})",
            f"set PGSSLROOTCERT to the right CA certificate{_whence(target)}, and check the"
            " host name",
        )
    # OpenSSL sets the reason; Python's own TLS errors do not have one.
    reason: str = getattr(failure, "reason", None) or type(failure).__name__
    return ConnectProblem(
        "tls_failed",
        f"{where}: TLS could not be agreed on ({reason})",
        "check the server's certificate and TLS versions",
    )


def _refused_by_pooler(
    text: str, state: str, target: ConnectionTarget, where: str
) -> ConnectProblem | None:
    """What only a pooler between client and server says, None where it is not that."""
    if _NO_SUCH_TENANT.search(text):
        return ConnectProblem(
            "tenant_not_found",
            f"{where}: the shared pooler does not know this user",
            "its user names are role.project_ref, and host and region must be the project's",
        )
    if _NO_CLIENT_SLOT.search(text):
        return ConnectProblem(
            "pooler_full",
            f"{where}: the pooler takes no further client",
            "close some, let each process have fewer (max_size, bulk_max_size), or use the"
            " pooler in transaction mode, Supabase's at port 6543",
        )
    if state in _PREPARED_STATEMENT:
        return ConnectProblem(
            "prepared_statements",
            f"{where}: a pooler gives each transaction another session, without the prepared"
            " statements of this one",
            "set DATABASE_MODE=transaction",
        )
    parameter = _STARTUP_PARAMETER.search(text)
    if parameter:
        named = f" ({parameter[1]})" if parameter[1] else ""
        return ConnectProblem(
            "startup_parameter",
            f"{where}: a pooler answers there, and takes no setting for a session{named}",
            "set DATABASE_MODE=transaction, in which none is sent",
        )
    # PgBouncer has this one SQLSTATE for whatever it refuses.
    return _refused_by_pgbouncer(text, target, where) if state == "08P01" else None


def _refused_by_pgbouncer(text: str, target: ConnectionTarget, where: str) -> ConnectProblem | None:
    if "authentication failed" in text or "no such user" in text:
        return ConnectProblem(
            "wrong_password",
            f"{where}: the pooler says that the password or the user name is wrong",
            f"{_correct_login(target)}, or have its operator add the user there",
        )
    if "no such database" in text or _NO_DATABASE.fullmatch(text):
        return ConnectProblem(
            "unknown_database",
            f"{where}: the pooler has no database {target.database}",
            "check its name, and the pooler's list of databases",
        )
    if any(words in text for words in _NO_SERVER_BEHIND):
        return ConnectProblem(
            "pooler_without_server",
            f"{where}: the pooler gets no connection to its server",
            "see whether the server runs, and what the pooler's log says",
        )
    return None


def _refused_by_server(
    failure: asyncpg.PostgresError, target: ConnectionTarget, where: str
) -> ConnectProblem:
    text = str(failure.args[0]) if failure.args else type(failure).__name__
    state = failure.sqlstate or ""
    if isinstance(failure, asyncpg.ConnectionDoesNotExistError):  # the driver's own
        return _not_postgresql(where)
    problem = _refused_by_pooler(text, state, target, where)
    if problem is not None:
        return problem
    if state == "28P01":
        return ConnectProblem(
            "wrong_password",
            f"{where}: the password or the user name is wrong",
            _correct_login(target),
        )
    if state == "28000" and any(word in text for word in _WITHOUT_TLS):
        return ConnectProblem(
            "tls_required",
            f"{where}: the server refuses this client without TLS",
            "set sslmode=require, or better verify-full with the CA certificate",
        )
    if state.startswith("28"):
        return ConnectProblem(
            "refused", f"{where}: {text}", "check the user, and pg_hba.conf on the server"
        )
    if state == "3D000":
        return ConnectProblem(
            "database_missing",
            f"{where}: the server has no database {target.database}",
            "check its name; migrating creates it",
        )
    if state == "53300":
        limited = _LIMITED.match(text)
        holder = f"the {limited[1]} may have no further connection" if limited else _NO_SLOT
        limit = "the connection limit" if limited else "max_connections"
        return ConnectProblem(
            "too_many_connections", f"{where}: {holder}", f"close some, or raise {limit}"
        )
    if state == "42501":
        return ConnectProblem(
            "not_allowed",
            f"{where}: this user may not connect to the database",
            "connect as another, or have its owner GRANT CONNECT",
        )
    if state == "57P03" and "not accepting connections" in text:
        return ConnectProblem(
            "no_standby",
            f"{where}: this standby accepts no connections",
            "name the primary server, or turn hot_standby on",
        )
    if state in ("57P03", "57P01", "57P02"):
        return ConnectProblem(
            "starting", f"{where}: the server is starting or stopping", "try again shortly"
        )
    return ConnectProblem("refused", f"{where}: {text} (SQLSTATE {state})", "ask its operator")
