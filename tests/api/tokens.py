"""Tokens as Supabase Auth makes them, good ones and bad ones."""

import time
from typing import Any
from uuid import UUID, uuid4

import jwt

from tests.api.app.settings import Settings

SECRET = "only-for-tests: " + uuid4().hex
SETTINGS = Settings.model_validate({"supabase_jwt_secret": SECRET})
LIFETIME_S = 3600


def claims_of(user: UUID, **changed: Any) -> dict[str, Any]:
    """The claims of a user's token; those that are changed to None are left out."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "aud": "authenticated",
        "exp": now + LIFETIME_S,
        "iat": now,
        "iss": "https://example.supabase.co/auth/v1",
        "sub": str(user),
        "email": "",
        "role": "authenticated",
        "aal": "aal1",
        "session_id": str(uuid4()),
        "is_anonymous": False,
    }
    return {name: value for name, value in (claims | changed).items() if value is not None}


def token_of(user: UUID, *, secret: str = SECRET, algorithm: str = "HS256", **changed: Any) -> str:
    """A token of a user, valid for an hour unless something is changed."""
    return jwt.encode(claims_of(user, **changed), secret, algorithm=algorithm)


def bearer(user: UUID) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_of(user)}"}
