"""A plugin of pytest: what the fuzzer has to say at the end."""

import json

import pytest

from tests.proof.report import Report

FUZZED = "fuzzed"
"""The property in which a test leaves the report of its part of a campaign."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the fuzzer did, whichever processes did it: nobody looks into a test that passed."""
    whole: Report | None = None
    for outcome in ("passed", "failed"):
        for test in terminalreporter.getreports(outcome):
            for name, value in test.user_properties:
                if name != FUZZED or test.when != "call":
                    continue
                part = Report.from_json(json.loads(str(value)))
                if whole is None:
                    whole = part
                else:
                    whole.add(part)
    if whole is not None:
        terminalreporter.section("random statements against the prover")
        terminalreporter.write_line("\n".join(whole.lines()))
