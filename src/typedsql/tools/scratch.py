"""A throwaway server, migrated as a checkout says, for the analysis to ask."""

import tempfile
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from typedsql import codecs, embedded
from typedsql.project import Project
from typedsql.settings import ConnectionTarget
from typedsql.tools.migration_files import MigrationFile
from typedsql.tools.migrations import migrate
from typedsql.tools.schema import REFERENCE_MAJOR

# Nothing in it outlives the command, so nothing needs to reach the disk.
_CARELESS: Final = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}


@contextmanager
def scratch_server(project: Project) -> Generator[embedded.EmbeddedServer]:
    """A server of the reference release.

    Of its own, because the release decides what is dumped and what the analysis reads, and
    because roles that migrations make belong to the whole server.
    """
    with tempfile.TemporaryDirectory(prefix=f"{project.name}-analysis-") as folder:
        # Root's server runs as another user, who must be able to get to its data.
        Path(folder).chmod(0o711)
        with embedded.start(
            Path(folder) / "server", major=REFERENCE_MAJOR, settings=_CARELESS
        ) as server:
            yield server


@asynccontextmanager
async def open_analysis(target: ConnectionTarget) -> AsyncGenerator[Any, None]:
    """A connection with the codecs that a worker's has: what they cannot read is a finding."""
    connection = await asyncpg.connect(**target.asyncpg_arguments())
    try:
        await codecs.install(connection)
        yield connection
    finally:
        await connection.close()


async def migrate_with(
    target: ConnectionTarget, project: Project, files: Sequence[MigrationFile]
) -> None:
    """Apply these migrations alone, in the order of their versions."""
    with tempfile.TemporaryDirectory(prefix=f"{project.name}-migrations-") as folder:
        root = Path(folder)
        directory = root / project.migrations_dir
        directory.mkdir(parents=True)
        for file in files:
            (directory / file.path.name).write_bytes(file.path.read_bytes())
        (root / project.dbmate_env).parent.mkdir(parents=True, exist_ok=True)
        (root / project.dbmate_env).write_bytes((project.root / project.dbmate_env).read_bytes())
        await migrate(target, msgspec.structs.replace(project, checkout=root))
