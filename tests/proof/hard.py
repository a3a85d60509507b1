"""The hand-made hard cases: statements whose nullability a person has worked out.

In ``hard_cases/*.sql`` a case is a line ``-- name: verdict``, its statement, and where it has
parameters ``-- args: (...)``. The verdict has a letter for each column: N where the column is
never NULL, ? where it can be, and ~ where it never is but nobody can be expected to see it.
Every ? is shown to be right by a NULL in what the statement returns.
"""

import ast
import re
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from typedsql.tools.proof import Prover

FOLDER = Path(__file__).parent / "hard_cases"
FILES = ("field", "joins", "values", "groups", "writes")

_HEAD = re.compile(r"^-- (.+): ([N?~]+)$")
_ARGUMENTS = re.compile(r"^-- args: (.+)$")


class Case(NamedTuple):
    name: str
    verdict: str
    sql: str
    arguments: tuple[Any, ...]


class Outcome(NamedTuple):
    claimed: str
    """A letter for each column: N where it is claimed to be never NULL, else ?."""
    seen: str
    """? where the statement returned NULL, else N."""


def read(stem: str) -> list[Case]:
    """The cases of one file."""
    cases: list[Case] = []
    for line in (FOLDER / f"{stem}.sql").read_text(encoding="utf-8").splitlines():
        if head := _HEAD.match(line):
            cases.append(Case(f"{stem}: {head[1]}", head[2], "", ()))
        elif found := _ARGUMENTS.match(line):
            cases[-1] = cases[-1]._replace(arguments=ast.literal_eval(found[1]))
        elif cases:
            cases[-1] = cases[-1]._replace(sql=f"{cases[-1].sql}{line}\n")
    return cases


async def install(connection: "asyncpg.Connection") -> None:
    """Make the tables of the cases, and fill them."""
    await connection.execute((FOLDER / "schema.sql").read_text(encoding="utf-8"))


async def ask(connection: "asyncpg.Connection", prover: Prover, case: Case) -> Outcome:
    """What is claimed of a case, and what its statement returns; nothing is kept."""
    proof = await prover.prove(connection, case.sql)
    changes = connection.transaction()
    await changes.start()
    try:
        rows = await connection.fetch(case.sql, *case.arguments)
    finally:
        await changes.rollback()
    seen = ["N"] * len(proof.columns)
    for row in rows:
        for index, value in enumerate(row):
            if value is None:
                seen[index] = "?"
    claimed = ("N" if column.not_null else "?" for column in proof.columns)
    return Outcome("".join(claimed), "".join(seen))


async def exact(
    connection: "asyncpg.Connection", prover: Prover, cases: list[Case]
) -> tuple[int, int]:
    """How many columns are claimed as they are, neither wrongly nor too cautiously; of how many."""
    right = columns = 0
    for case in cases:
        claimed, _ = await ask(connection, prover, case)
        truth = case.verdict.replace("~", "N")
        right += sum(claim == true for claim, true in zip(claimed, truth, strict=True))
        columns += len(truth)
    return right, columns
