"""The list says what failed, what was skipped and what is missing, and is not content with it."""

import subprocess
import sys
from pathlib import Path

import msgspec

from tests.databases import ROOT
from tests.security.cases import CASES
from tests.security.listing import as_text, listing
from tests.security.recording import CaseTest, Outcome, Record

LIMIT_S = 60

RECORDED = """
import pytest

@pytest.fixture
def broken():
    yield
    raise AssertionError

@pytest.mark.case(1)
@pytest.mark.parametrize("route", ["direct", "gateway"])
def test_passes(route): ...

@pytest.mark.case(2)
@pytest.mark.parametrize("route", ["direct", "gateway"])
def test_fails(route):
    assert route == "direct"

@pytest.mark.case(3)
@pytest.mark.case(4)
def test_skips():
    pytest.skip("not here")

@pytest.mark.xfail
@pytest.mark.case(5)
def test_is_expected_to_fail():
    raise AssertionError

@pytest.mark.case(6)
def test_fails_at_its_end(broken): ...

def test_without_a_number(): ...
"""


def complete(outcome: Outcome | None = "passed") -> Record:
    return Record(
        tests=[
            CaseTest(name=f"t.py::test_{number}", numbers=[number], route=None, outcome=outcome)
            for number in CASES
        ]
    )


def test_outcomes_are_written_down(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(RECORDED)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = case(number): a case\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-p", "tests.security.recording", "--record-cases=out.json", "--rootdir=."]
    done = subprocess.run(
        [*command, "test_some.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    record = msgspec.json.decode((tmp_path / "out.json").read_bytes(), type=Record)
    assert [(test.name.partition("::")[2], test.outcome) for test in record.tests] == [
        ("test_passes[direct]", "passed"),
        ("test_passes[gateway]", "passed"),
        ("test_fails[direct]", "passed"),
        ("test_fails[gateway]", "failed"),
        ("test_skips", "skipped"),
        ("test_is_expected_to_fail", "skipped"),
        ("test_fails_at_its_end", "failed"),
    ]
    made = listing({"18": record}, ["direct", "pgbouncer", "gateway"])
    assert [list(case.outcomes.values()) for case in made.cases[:6]] == [
        ["passed", "missing", "passed"],
        ["passed", "missing", "failed"],
        *[["skipped"] * 3] * 3,
        ["failed"] * 3,
    ]
    assert made.cases[1].tests == ["test_some.py::test_fails"]


def test_a_list_is_complete_where_everything_passed() -> None:
    made = listing({"15": complete(), "18": complete()}, ["direct", "gateway"])
    assert made.complete
    assert made.counts == {"passed": 4 * len(CASES)}
    text = as_text(made)
    assert text.startswith("15 direct   15 gateway  18 direct   18 gateway  case\n")
    assert "ok          ok          ok          ok           7. The claims are malformed" in text


def test_a_list_is_not_complete_where_anything_else_happened() -> None:
    for outcome in ("failed", "skipped", None):
        spoilt = complete()
        spoilt.tests[6].outcome = outcome  # type: ignore[assignment]
        made = listing({"15": complete(), "18": spoilt}, ["direct"])
        told = outcome or "missing"
        assert not made.complete
        assert made.cases[6].outcomes == {"15 direct": "passed", "18 direct": told}
        assert told.upper() in as_text(made)
    untested = complete()
    del untested.tests[6]
    assert not listing({"18": untested}, ["direct"]).complete
    # One test that passed does not outweigh another that did not.
    doubled = complete()
    doubled.tests.append(CaseTest(name="x", numbers=[7], route=None, outcome="skipped"))
    assert not listing({"18": doubled}, ["direct"]).complete
    stray = complete()
    stray.tests.append(CaseTest(name="y", numbers=[0], route=None, outcome="passed"))
    made = listing({"18": stray}, ["direct"])
    assert (made.unknown, made.complete) == (["y"], False)
    assert "y carries a number that no case has" in as_text(made)
