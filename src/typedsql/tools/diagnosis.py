"""What the doctor found out."""

from typing import Literal

import msgspec

from typedsql.errors import ConfigurationError


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong (error) or may become so (warning), and what to do."""

    level: Literal["error", "warning"]
    code: str
    message: str
    action: str


class Diagnosis(msgspec.Struct, kw_only=True):
    """What was found out, as far as it went; None for what was not reached."""

    target: str | None = None
    decided_by: str | None = None
    """What decided where to connect: argument, DATABASE_URL, POSTGRES_*, SUPABASE_*, embedded."""
    overruled: list[str] = []
    """Variables that are set and do not count, by name."""
    answers: bool = False
    server_version: str | None = None
    latency_ms: float | None = None
    tls: bool | None = None
    role: str | None = None
    read_only: bool | None = None
    server_log: str | None = None
    """Where the server writes its log, in words."""
    migration_version: str | None = None
    expected_migration: str | None = None
    pending_migrations: int | None = None
    dbmate: str | None = None
    """Version and path of the program that runs migrations."""
    gateway: str | None = None
    """Where the gateway's login would connect; None where GATEWAY_DATABASE_URL does not count."""
    embedded_available: bool = False
    """Whether the extra with the embedded server is installed."""
    findings: list[Finding] = []

    def add_misconfigured(self, failure: ConfigurationError) -> None:
        """Append what settings that cannot be used say of themselves."""
        self.add("error", failure.code, failure.problem, failure.action)

    @property
    def sound(self) -> bool:
        """Whether nothing stands in the way."""
        return not any(finding.level == "error" for finding in self.findings)

    def add(self, level: Literal["error", "warning"], code: str, message: str, action: str) -> None:
        """Append a finding."""
        self.findings.append(Finding(level, code, message, action))
