"""``python -m tests.proof.score``: how much is proven, of the hard cases and the project's SQL.

Over-caution is counted by hand's verdict: columns that never are NULL, as whoever wrote the
case knows, and that are not proven all the same. Wrong is what data contradict.
"""

import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

import asyncpg

from tests.proof import hard
from typedsql import embedded
from typedsql.statements import load_statements
from typedsql.tools.config import read_checkout
from typedsql.tools.migrations import migrate
from typedsql.tools.proof import Prover
from typedsql.tools.schema import REFERENCE_MAJOR

RECORDED = {"pgtyped's rule": 24, "sqlx's": 19, "sqlc": 37, "safeql": 35}
"""Columns that other tools, or their way of telling, got right of the same 51."""
ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Print a line for each set of statements; 1 if anything claimed is wrong."""
    settings = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    with tempfile.TemporaryDirectory(prefix="score-") as folder:
        # Root's server runs as another user, who must be able to get to its data.
        Path(folder).chmod(0o711)
        with embedded.start(
            Path(folder) / "server", major=REFERENCE_MAJOR, settings=settings
        ) as server:
            wrong = asyncio.run(_hard_cases(server))
            asyncio.run(_own_queries(server))
    return 1 if wrong else 0


async def _hard_cases(server: embedded.EmbeddedServer) -> int:
    await _create(server, "hard")
    connection = await asyncpg.connect(**server.target("hard").asyncpg_arguments())
    wrong = 0
    try:
        await hard.install(connection)
        prover = await Prover.load(connection)
        exact, columns = await hard.exact(connection, prover, hard.read("field"))
        recorded = ", ".join(f"{name} {figure}" for name, figure in RECORDED.items())
        print(
            f"the statements that other tools were asked: {exact} of {columns} columns exact\n"
            f"    (recorded, not measured here: {recorded})"
        )
        for stem in hard.FILES:
            count: Counter[str] = Counter()
            for case in hard.read(stem):
                claimed, seen = await hard.ask(connection, prover, case)
                for verdict, claim, shown in zip(case.verdict, claimed, seen, strict=True):
                    count["columns"] += 1
                    count["proven"] += claim == "N"
                    count["over-cautious"] += claim == "?" and verdict in "N~"
                    count["wrong"] += claim == "N" and (shown == "?" or verdict == "?")
            print(f"hard cases, {stem}: {_line(count)}")
            wrong += count["wrong"]
    finally:
        await connection.close()
    return wrong


async def _own_queries(server: embedded.EmbeddedServer) -> None:
    checkout = read_checkout(ROOT)
    await migrate(server.target("own"), checkout.project)
    connection = await asyncpg.connect(**server.target("own").asyncpg_arguments())
    count: Counter[str] = Counter()
    try:
        prover = await Prover.load(connection)
        for path in sorted((ROOT / checkout.project.queries_dir).glob("*.sql")):
            for statement in load_statements(path).values():
                proof = await prover.prove(connection, statement.sql)
                for column in proof.columns:
                    count["columns"] += 1
                    count["proven"] += column.not_null
                    unknown = not column.not_null and column.nullable_because is None
                    count["neither proven nor known to be nullable"] += unknown
    finally:
        await connection.close()
    print(f"the project's queries: {_line(count)}")


async def _create(server: embedded.EmbeddedServer, name: str) -> None:
    connection = await asyncpg.connect(**server.target("postgres").asyncpg_arguments())
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()


def _line(count: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in count.items())


if __name__ == "__main__":
    sys.exit(main())
