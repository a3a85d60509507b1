"""A plugin of pytest: writes down which test carries which case, and what became of it.

python -m pytest -p tests.security.recording --record-cases FILE tests/security
"""

from pathlib import Path
from typing import Literal

import msgspec
import pytest

from tests.security.routes import Route

Outcome = Literal["passed", "failed", "skipped"]

_PROPERTY = "case"
_RANK: dict[Outcome, int] = {"passed": 0, "skipped": 1, "failed": 2}


class CaseTest(msgspec.Struct, kw_only=True):
    """One test, with one set of parameters."""

    name: str
    """pytest's, such as tests/security/test_rows.py::test_one[direct]."""
    numbers: list[int]
    route: Route | None
    """None where it is the same by every route."""
    outcome: Outcome | None = None
    """None where it was collected and never ran."""


class Record(msgspec.Struct, kw_only=True):
    """What a run has to say: its tests that carry numbers."""

    tests: list[CaseTest]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-cases", type=Path, help="file for the outcome of each case, JSON")


def pytest_configure(config: pytest.Config) -> None:
    path: Path | None = config.getoption("--record-cases")
    if path is not None:
        config.pluginmanager.register(_Recorder(path), "recorder of security cases")


class _Recorder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._tests: dict[str, CaseTest] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            numbers = sorted({number for mark in item.iter_markers("case") for number in mark.args})
            if numbers:
                parameters = getattr(getattr(item, "callspec", None), "params", {})
                self._tests[item.nodeid] = CaseTest(
                    name=item.nodeid, numbers=numbers, route=parameters.get("route")
                )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = self._tests.get(report.nodeid)
        if test is None:
            return
        # Of its three phases the worst counts; an expected failure says that it was skipped.
        if test.outcome is None or _RANK[report.outcome] > _RANK[test.outcome]:
            test.outcome = report.outcome

    def pytest_sessionfinish(self) -> None:
        self._path.write_bytes(msgspec.json.encode(Record(tests=list(self._tests.values()))))
