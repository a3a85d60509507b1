"""What a statement begins with, after the blanks and comments that PostgreSQL skips."""

import pytest

from tests.engine.raw_statements import statement
from typedsql.statements import copies_from_client

# By backtracking each of these would take longer than any test may: twice as long per blank.
LONG = ["\n" * 2_000 + " " * 20_000, "    -- c\n" * 5_000, "/* c */\n" * 5_000, "/*" * 5_000]
SKIPPED = ["", " -- a\n", "-- a\r", ";", "/* a /* b */ c */", " -- a\n /* b */ -- c\n;"]


@pytest.mark.parametrize("skipped", LONG)
def test_it_is_found_in_one_pass(skipped: str) -> None:
    assert not copies_from_client(f"{skipped}SELECT 1")
    assert not statement(f"{skipped}SELECT 1").chains_transactions


@pytest.mark.parametrize("skipped", SKIPPED)
def test_it_is_what_postgresql_finds(skipped: str) -> None:
    assert copies_from_client(f"{skipped}COPY a FROM STDIN")
    assert statement(f"{skipped}copy a TO STDOUT").is_copy
    assert statement(f"{skipped}ROLLBACK AND CHAIN").chains_transactions
    assert statement(f"{skipped}CALL a()").calls_procedure
    quoted = statement(f"SELECT 1 /* {skipped} CALL a() COPY AND CHAIN */")
    assert not (quoted.is_copy or quoted.chains_transactions or quoted.calls_procedure)
