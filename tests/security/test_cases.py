"""Every numbered case has a test, and every test's number is a case's."""

from pathlib import Path

from tests.security.cases import CASES, GROUPS
from tests.security.listing import listing
from tests.security.running import HERE, recorded, where


def test_every_case_has_a_test_and_no_test_another_number(tmp_path: Path) -> None:
    """As the command finds them, wherever in the tests they are."""
    record, _ = recorded(tmp_path / "record.json", {}, "--collect-only")
    made = listing({"": record}, [])
    assert [case.words for case in made.cases if not case.tests] == []
    assert made.unknown == []
    assert made.complete
    # The control is in test_listing.py: a record that lacks one, and one with a number more.


def test_numbers_are_looked_for_here_first() -> None:
    here, *elsewhere = where()
    assert here == HERE
    assert not any(path.startswith(f"{HERE}/") for path in elsewhere)


def test_cases_are_numbered_without_a_gap() -> None:
    assert list(CASES) == list(range(1, len(CASES) + 1))
    assert GROUPS.keys() <= CASES.keys()
