"""A table without a key: whatever is stored twice is there twice."""

from collections import Counter
from typing import Any, Final

from typedsql.query import Affected, ExactlyOneValue
from typedsql.statements import Statement

TABLE: Final = "CREATE TABLE public.ledger (number BIGINT NOT NULL, part INT NOT NULL)"
PARTS: Final = (1, 2)
"""Of each entry, written by two statements."""


def _statement(name: str, sql: str, suffix: str, *parameters: str, **found: Any) -> Statement:
    return Statement(
        name=name,
        sql=f"/* {name} */ {sql}",
        suffix=suffix,
        parameters=parameters,
        declared=parameters,
        prose="",
        location="ledger.sql:1",
        **found,
    )


enter: Final = Affected(
    _statement("ledger.enter", "INSERT INTO public.ledger VALUES ($1, $2)", "!", "number", "part")
)
count: Final = ExactlyOneValue[int](
    _statement(
        "ledger.count",
        "SELECT count(*) AS entries FROM public.ledger AS l WHERE l.number = $1",
        "$",
        "number",
        columns=(("entries", "int8"),),
        reads_only=True,
    )
)


async def complaints(connection: Any, acknowledged: set[int]) -> list[str]:
    """What is wrong with the table, if those are what callers were told is stored."""
    rows = await connection.fetch("SELECT l.number, l.part FROM public.ledger AS l")
    found = Counter((row["number"], row["part"]) for row in rows)
    expected = {(number, part) for number in acknowledged for part in PARTS}
    wrong: list[str] = []
    if lost := len(expected - found.keys()):
        wrong.append(f"{lost} acknowledged entries are not there")
    if doubled := sum(times > 1 for times in found.values()):
        wrong.append(f"{doubled} entries are there twice")
    if torn := sum((number, 3 - part) not in found for number, part in found):
        wrong.append(f"{torn} entries are there in part")
    return wrong
