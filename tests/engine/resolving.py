"""Resolving a target from nothing but what a test gives."""

import pytest

from typedsql.errors import ConfigurationError
from typedsql.settings import ConnectionTarget, resolve_target

CANARY = "c4n4ry-S3cret"


def resolve(
    url: str | None = None, *, embedded_default: bool = False, **environ: str
) -> ConnectionTarget:
    return resolve_target(
        url,
        project="shop",
        environ={"HOME": "/nonexistent"} | environ,
        embedded_default=embedded_default,
    )


def refusal(url: str | None = None, **environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        resolve(url, **environ)
    return str(caught.value)


def password(target: ConnectionTarget) -> str | None:
    return None if target.password is None else target.password.get_secret_value()
