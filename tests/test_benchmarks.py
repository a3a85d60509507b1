"""The benchmark's frame: a tiny run of it, end to end. What is fast it does not say."""

import argparse
import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.benchmarks import command
from tests.benchmarks.cases import agreement
from tests.benchmarks.cases.everything import CASES
from tests.benchmarks.frame import (
    OURS,
    Bench,
    Case,
    Contenders,
    Goal,
    Outcome,
    Sample,
    time_in_turn,
)
from tests.benchmarks.peers import raw
from tests.benchmarks.results import Results
from typedsql import testing

TINY = ["--quick", "--rounds", "2", "--scale", "0.002"]
ONLY = ("fetch/1000", "coalesced_insert/64", "merge/new")


def options(*more: str) -> argparse.Namespace:
    return command.parser().parse_args([*TINY, *more])


async def test_a_tiny_run_ends_with_one_object_of_ratios(
    whaledb_databases: testing.Databases, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = options("--out", str(tmp_path), *(f"--only={name}" for name in ONLY))
    # It has event loops of its own.
    results = await asyncio.to_thread(command.run, whaledb_databases, ["here"], chosen)
    *lines, last = capsys.readouterr().out.splitlines()
    ratios = json.loads(last)
    assert ratios == results.ratios()
    assert {"fetch_1000_time_vs_asyncpg", "merge_new_rate_vs_limit"} <= ratios.keys()
    assert ratios["coalesced_insert_64_rate_vs_pool"] > 0
    written = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert written["ratios"] == ratios
    assert [case["name"] for case in written["cases"]] == list(ONLY)
    for case in written["cases"]:
        # A peer that is not installed is told, and keeps nobody else from being measured.
        assert {OURS, case["control"]} <= case["contenders"].keys()
        assert not case["missing"].keys() & case["contenders"].keys()
    table = (tmp_path / "table.md").read_text("utf-8")
    assert f"**{OURS}**" in table
    assert f"**{OURS}**" in "\n".join(lines)


async def test_a_users_own_alerts_are_read_by_every_contender(
    whaledb_databases: testing.Databases, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = command.parser().parse_args(
        ["--rounds", "2", "--scale", "0.002", "--only", "own_alerts/*"]
    )
    results = await asyncio.to_thread(command.run, whaledb_databases, ["here"], chosen)
    assert results.ratios().keys() == {"list_mine_time_vs_without_rls"}
    assert capsys.readouterr().out.count("both plans use idx_alerts_user_id") == 2


@asynccontextmanager
async def nobody(_: Bench) -> AsyncGenerator[Contenders, None]:
    yield Contenders({}, 0)


def outcome(goal: Goal, **seconds: list[float]) -> Outcome:
    case = Case("a", "A", "rows", raw.NAME, nobody, (goal,))
    return Outcome(case, seconds, 10, {}, ())


def test_a_ratio_is_the_median_of_pairs_of_one_round() -> None:
    """The control: the ratio of the medians would be 1, as the machine slowed down half way."""
    goal = Goal("k", OURS, raw.NAME, "rate", "at least", 1.5)
    found = outcome(goal, **{OURS: [1.0, 2.0, 9.0], raw.NAME: [2.0, 4.0, 1.0]})
    assert found.ratio(goal) == 2.0
    (reached,) = Results((), 0, [found]).reached()
    assert reached.verdict == "reached"
    slower = outcome(goal, **{OURS: [2.0, 2.0], raw.NAME: [2.0, 2.0]})
    assert Results((), 0, [slower]).reached()[0].verdict == "missed"
    absent = outcome(goal, **{raw.NAME: [2.0, 2.0]})
    assert Results((), 0, [absent]).ratios() == {"k": None}


async def test_every_contender_has_one_sample_in_each_round_in_shuffled_order() -> None:
    seen: list[str] = []

    def sample(name: str) -> Sample:
        async def take() -> float:
            seen.append(name)
            return 1.0

        return take

    names = list("abcdef")
    taken = await time_in_turn({name: sample(name) for name in names}, rounds=5, seed=1)
    rounds = [seen[at : at + len(names)] for at in range(0, len(seen), len(names))]
    assert [sorted(each) for each in rounds] == [names] * 6
    assert len({tuple(each) for each in rounds}) > 1
    assert {name: len(each) for name, each in taken.items()} == dict.fromkeys(names, 5)


def test_who_returns_something_else_is_not_measured() -> None:
    with pytest.raises(agreement.Disagreement, match="liar returned other values"):
        agreement.check_agreement({OURS: [(1, 2)], "liar": [(1, 3)]}, 1)
    with pytest.raises(agreement.Disagreement, match="lazy returned 0 rows"):
        agreement.check_agreement({OURS: [(1, 2)], "lazy": []}, 1)


def test_an_unknown_case_is_told_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["--only", "no such case"]) == 2
    told = capsys.readouterr().out.splitlines()
    assert {case.name for case in CASES} <= set(told)


@pytest.mark.parametrize("option", ["--out", "--data"])
def test_a_folder_that_cannot_be_made_is_told_before_anything_is_measured(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    folder = tmp_path / "file" / "folder"
    assert command.main(["--quick", option, str(folder)]) == 2
    assert capsys.readouterr().out.startswith(f"{folder} cannot be made: ")
