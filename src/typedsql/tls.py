"""How much TLS a connection demands, and the certificates it is checked against.

asyncpg alone would fall back to plaintext unless told otherwise (`prefer`), would take
`require` for encryption to anybody at all, and would take `system` for a file's name.
"""

import ssl
from collections.abc import Callable
from pathlib import Path

from typedsql.errors import ConfigurationError
from typedsql.hosts import is_local
from typedsql.supabase import is_supabase

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

SYSTEM_STORE = Path("system")
"""As `sslrootcert`: the certificates that the operating system trusts."""

_UNCHECKED_MODES = ("disable", "allow", "prefer")


def choose_tls(
    host: str,
    *,
    name: str,
    mode: str | None,
    certificate: str | None,
    environment_mode: str | None,
    environment_certificate: str | None,
    home: Callable[[], Path],
) -> tuple[str | None, Path | None]:
    """Settle sslmode and sslrootcert of one target.

    `mode` and `certificate` are what the target itself says; PGSSLMODE and PGSSLROOTCERT
    (the `environment_` two) complete it, as in libpq. Stricter than libpq in two places:
    a named certificate without a mode means verify-full, that of the environment for the hosts
    that are not this machine, and a Supabase host is only ever reached verified.

    Raises:
        ConfigurationError: what is said contradicts itself, or a certificate is missing.
    """
    if host.startswith("/"):  # a socket, which is not encrypted
        return mode, None
    if environment_mode is not None and environment_mode not in SSL_MODES:
        raise ConfigurationError(f"PGSSLMODE must be one of {', '.join(SSL_MODES)}.")
    if certificate is not None and mode is None:
        mode = "verify-full"
    mode = mode or environment_mode
    if environment_certificate is not None and mode is None and not is_local(host):
        mode = "verify-full"
    supabase = is_supabase(host)
    if supabase:
        mode = mode or "verify-full"
        if not mode.startswith("verify-"):
            raise ConfigurationError(
                f"{name} is a Supabase host with sslmode={mode}, which does not check who"
                " answers; use sslmode=verify-full.",
                code="unverified_server",
            )
    if mode is None or mode in _UNCHECKED_MODES:
        if certificate is not None:
            raise ConfigurationError(
                f"{name} has an sslrootcert with sslmode={mode}, which checks nothing; use"
                " sslmode=verify-full."
            )
        return mode, None
    return _with_certificate(mode, certificate or environment_certificate, name, supabase, home)


def client_context(mode: str, certificate: Path | None) -> ssl.SSLContext:
    """The context of a verified connection (`verify-ca` or `verify-full`).

    Raises:
        ConfigurationError: the certificate cannot be read.
    """
    # Not ssl.create_default_context: its strict X.509 flag (since Python 3.13) refuses
    # certificate authorities that libpq takes.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    if certificate is None or certificate == SYSTEM_STORE:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cafile=certificate)
    except (OSError, ValueError):
        raise ConfigurationError(
            f"The CA certificate {certificate} cannot be used: it must be a readable file"
            " that holds certificates in PEM form."
        ) from None
    return context


def _with_certificate(
    mode: str, certificate: str | None, name: str, supabase: bool, home: Callable[[], Path]
) -> tuple[str, Path | None]:
    if certificate == str(SYSTEM_STORE):
        if mode != "verify-full":
            raise ConfigurationError(
                f"{name} has sslrootcert=system with sslmode={mode}: anybody can have a"
                " certificate of a public authority, so use sslmode=verify-full."
            )
        return mode, SYSTEM_STORE
    if certificate is not None:
        # Absolute, so that it is never mistaken for the word `system` and does not
        # depend on the folder that is current when the connection is opened.
        path = (
            home() / certificate[2:] if certificate[:2] == "~/" else Path(certificate)
        ).absolute()
        if not path.is_file():
            raise ConfigurationError(
                f"{name}: the sslrootcert file {path} does not exist.", code="no_authority"
            )
        # As in libpq: who names a certificate wants it checked, whatever `require` says.
        return ("verify-ca" if mode == "require" else mode), path
    if mode == "require":
        return mode, None
    default = home() / ".postgresql" / "root.crt"
    if default.is_file():
        return mode, default
    where = "whoever runs the server"
    if supabase:
        where = "the project's dashboard (Database, Settings, SSL Configuration)"
    raise ConfigurationError(
        f"{name} is to be verified (sslmode={mode}) but no CA certificate is known.",
        action=f"Get it from {where} and set PGSSLROOTCERT (or sslrootcert= in the URL) to the"
        " file, or to the word system if the server's certificate is from a public authority.",
        code="no_authority",
    )
