"""Who is asking: the user that a signed token names."""

from typing import Annotated, Any
from uuid import UUID

import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from tests.api.app.settings import Settings

MAX_TOKEN_CHARACTERS = 4_096

# Not raised by itself, so that a missing token becomes a problem document like all others.
_bearer = HTTPBearer(bearerFormat="JWT", scheme_name="token", auto_error=False)


class NotSignedIn(Exception):
    """There is no token, or it is not one that Auth made for a user of this API."""


def user_of(token: str, settings: Settings) -> UUID:
    """The user whom a token of Supabase Auth was made for.

    Raises:
        NotSignedIn: its signature, algorithm, audience, time or subject is not right, or it is
            that of a service and not of a person.
    """
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise NotSignedIn
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            settings.supabase_jwt_secret.get_secret_value(),
            # Named here and never taken from the token: "none" is an algorithm, too.
            algorithms=["HS256"],
            audience=settings.jwt_audience,
            leeway=settings.jwt_leeway_s,
            options={"require": ["exp", "aud", "sub"]},
        )
        user = UUID(claims["sub"])
    except (jwt.InvalidTokenError, ValueError, ArithmeticError, RecursionError):
        # The header is read before the signature, and may be JSON that nests too deeply.
        raise NotSignedIn from None
    if claims.get("role") != "authenticated":
        raise NotSignedIn
    return user


async def current_user(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> UUID:
    """The user of a request; the dependency `User` of the routes."""
    if credentials is None:
        raise NotSignedIn
    settings: Settings = request.app.state.settings
    return user_of(credentials.credentials, settings)


User = Annotated[UUID, Depends(current_user)]
