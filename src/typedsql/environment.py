"""The environment variables that settings are made of, read once, secrets masked."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from typedsql.errors import ConfigurationError

POSTGRES_VARIABLES = {
    "host": "POSTGRES_HOST",
    "port": "POSTGRES_PORT",
    "database": "POSTGRES_DB",
    "user": "POSTGRES_USER",
    "password": "POSTGRES_PASSWORD",
}
"""What each POSTGRES_* variable says about a connection."""


class Environment(BaseSettings):
    """The process's environment and nothing else: no .env file, no folder of secrets.

    An empty variable counts as unset.
    """

    model_config = SettingsConfigDict(
        case_sensitive=True, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )
    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    database_mode: str | None = Field(default=None, validation_alias="DATABASE_MODE")
    gateway_database_url: SecretStr | None = Field(
        default=None, validation_alias="GATEWAY_DATABASE_URL"
    )
    postgres_host: SecretStr | None = Field(default=None, validation_alias="POSTGRES_HOST")
    postgres_port: SecretStr | None = Field(default=None, validation_alias="POSTGRES_PORT")
    postgres_database: SecretStr | None = Field(default=None, validation_alias="POSTGRES_DB")
    postgres_user: SecretStr | None = Field(default=None, validation_alias="POSTGRES_USER")
    postgres_password: SecretStr | None = Field(default=None, validation_alias="POSTGRES_PASSWORD")
    supabase_url: SecretStr | None = Field(default=None, validation_alias="SUPABASE_URL")
    supabase_db_password: SecretStr | None = Field(
        default=None, validation_alias="SUPABASE_DB_PASSWORD"
    )
    supabase_anon_key: SecretStr | None = Field(default=None, validation_alias="SUPABASE_ANON_KEY")
    supabase_service_role_key: SecretStr | None = Field(
        default=None, validation_alias="SUPABASE_SERVICE_ROLE_KEY"
    )
    pgsslmode: str | None = Field(default=None, validation_alias="PGSSLMODE")
    pgsslrootcert: str | None = Field(default=None, validation_alias="PGSSLROOTCERT")
    home: Path | None = Field(default=None, validation_alias="HOME")
    xdg_data_home: Path | None = Field(default=None, validation_alias="XDG_DATA_HOME")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave the process's environment as the only source."""
        return (env_settings,)

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> "Environment":
        """The variables of the process, or of `environ` in its place.

        Raises:
            ConfigurationError: a value in `environ` is no text.
        """
        if environ is None:
            return cls()
        names = [str(field.validation_alias) for field in cls.model_fields.values()]
        # Known names alone: the base class gives those that begin with _ a meaning.
        given = {name: environ[name] for name in names if environ.get(name)}
        del environ
        try:
            return _GivenEnvironment.model_validate(given)
        except ValidationError as failure:
            refused = {str(error["loc"][0]) for error in failure.errors(include_input=False)}
        # Raised outside the except block, and without the values: see `parse_url`.
        del given
        raise ConfigurationError(f"{', '.join(sorted(refused))} must be text.")

    def postgres(self) -> dict[str, SecretStr]:
        """The POSTGRES_* variables that are set, by what they say (see POSTGRES_VARIABLES)."""
        said = {name: getattr(self, f"postgres_{name}") for name in POSTGRES_VARIABLES}
        return {name: value for name, value in said.items() if value is not None}

    def api_keys(self) -> dict[str, SecretStr]:
        """The keys of Supabase's HTTP API that are set, by the variable's name.

        Read only so that they are masked, and so that none is taken for a password.
        """
        keys = {
            "SUPABASE_ANON_KEY": self.supabase_anon_key,
            "SUPABASE_SERVICE_ROLE_KEY": self.supabase_service_role_key,
        }
        return {name: value for name, value in keys.items() if value is not None}

    def home_folder(self) -> Path:
        """HOME, else the home that the system knows for this user.

        Raises:
            ConfigurationError: there is neither, as for a user in a container without a name.
        """
        if self.home is not None:
            return self.home
        try:
            return Path.home()
        except RuntimeError:
            raise ConfigurationError(
                "This user has no home folder and HOME is not set: set it, or name what was"
                " looked for in it (DATABASE_URL, PGSSLROOTCERT)."
            ) from None


class _GivenEnvironment(Environment):
    """The same variables, given by a caller."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)
