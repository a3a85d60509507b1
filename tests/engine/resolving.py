"""Resolving a target from nothing but what a test gives."""

import pytest

from typedsql.errors import ConfigurationError
from typedsql.settings import ConnectionTarget, Mode, resolve_target

CANARY = "c4n4ry-S3cret"

SUPABASE = {
    "SUPABASE_URL": "https://abcdefgh.supabase.co",
    "SUPABASE_DB_PASSWORD": CANARY,
    "PGSSLROOTCERT": "system",
}


def resolve(
    url: str | None = None,
    *,
    embedded_default: bool = False,
    mode: Mode | None = None,
    **environ: str,
) -> ConnectionTarget:
    return resolve_target(
        url,
        project="shop",
        environ={"HOME": "/nonexistent"} | environ,
        embedded_default=embedded_default,
        mode=mode,
    )


def refused(url: str | None = None, **environ: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        resolve(url, **environ)
    return caught.value


def refusal(url: str | None = None, **environ: str) -> str:
    return str(refused(url, **environ))


def password(target: ConnectionTarget) -> str | None:
    return None if target.password is None else target.password.get_secret_value()
