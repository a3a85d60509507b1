"""What the API reads from its environment. The database's variables are whaledb's own."""

from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

MIN_SECRET_CHARACTERS = 32
"""RFC 7518, 3.2: a key for HS256 has at least 256 bits."""


class Settings(BaseSettings):
    """Settings of one process; no representation and no error of it holds the secret."""

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)

    supabase_jwt_secret: SecretStr = Field(default=..., min_length=MIN_SECRET_CHARACTERS)
    """What Supabase Auth signs its tokens with."""
    jwt_audience: Annotated[str, StringConstraints(min_length=1)] = "authenticated"
    """The `aud` that a token must name; Supabase's is this."""
    jwt_leeway_s: Annotated[int, Field(ge=0, le=60)] = 5
    """How far the clock of the issuer may be off."""
