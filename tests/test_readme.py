"""What the READMEs show runs as it stands, and what they name exists."""

import importlib
import os
import re
import secrets
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

import whaledb
from tests.anvil import running
from tests.markdown import Block, block_named, blocks_of
from tests.servers import TestServer
from typedsql.environment import Environment
from typedsql.errors import OperatorError
from typedsql.settings import ConnectionTarget
from whaledb.queries import alerts

ROOT: Final = Path(__file__).parents[1]
README: Final = ROOT / "README.md"
SIGNS: Final = [
    path
    for path in sorted(ROOT.rglob("README.md"))
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
]
COMMAND_LIMIT_SECONDS: Final = 300

# .ci/run runs these two as they stand, on a clone; the picture is none to run, and the role of
# the gateway is the whole server's: a test of its own gives it another name.
SETUP: Final = {"quickstart", "tests"}
SHOWN: Final = {"picture", "gateway"}
# These ask a node, which a test of their own starts.
FOLLOWING: Final = ("alert.py", "whale.py", "node", "behind")

SPECIFIED: Final = [
    *("models", "WhaleTransaction", "LiquidityZone", "SMCPattern", "Alert", "MarketData", "User"),
    *("migrations", "Initial Schema", "Indexes", "Constraints", "Views"),
    *("schemas", "API Schemas", "Database Schemas", "Validation Schemas"),
    *("utils", "Connection Management", "Query Builders", "Data Transformers"),
    *("Migration Helpers", "config", "get_db_session", "create_tables", "drop_tables"),
    *("reset_database", "check_database_health", "alembic upgrade head"),
    *("alembic revision --autogenerate", "alembic downgrade -1", "alembic current"),
    "alembic history",
]


class Workspace:
    """A copy of the checkout, in which the README's blocks are followed one by one."""

    def __init__(self, folder: Path, target: ConnectionTarget, server: TestServer) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns(".*", "__pycache__", "build", "dist")
        shutil.copytree(ROOT, folder, ignore=ignored)
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "src"),
            "HOME": str(folder.parent),
            "DATABASE_URL": target.dbmate_url(),
            "TEST_DATABASE_URL": server.target.dbmate_url(),
        }

    def follow(self, block: Block) -> str:
        """Do what a block says; returns what it printed."""
        if "." in block.label:
            self._write(block)
            return ""
        match block.language:
            case "sh":
                return self._run(["bash", "-euo", "pipefail", "-c", block.text], block)
            case "python":
                return self._run([sys.executable, "-c", block.text], block)
            case _:
                raise ValueError(f"README.md, line {block.line}: nobody runs this block")

    def _write(self, block: Block) -> None:
        """A new file; the end of one that is there; or its section, in a .toml."""
        if block.language == "toml":
            path = self.folder / block.label
            section, _, lines = block.text.partition("\n")
            before, header, after = path.read_text("utf-8").partition(section + "\n")
            assert header, f"{block.label} has no {section}"
            path.write_text(before + header + lines + after, "utf-8")
            return
        if "*" in block.label:
            (path,) = self.folder.glob(block.label)
            path.write_text(block.text, "utf-8")
            return
        path = self.folder / block.label
        path.parent.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            if file.tell():
                file.write("\n")
            file.write(block.text)

    def _run(self, command: list[str], block: Block) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT_SECONDS,
        )
        told = f"README.md, line {block.line}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert done.returncode == 0, told
        return done.stdout


def test_every_block_does_what_it_says(
    target: ConnectionTarget, server: TestServer, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "checkout", target, server)
    printed: dict[str, str] = {}
    for block in blocks_of(README):
        if block.label in SETUP | SHOWN | set(FOLLOWING):
            continue
        if block.language == "text":
            assert printed.pop(block.label) == block.text
            continue
        printed[block.label] = workspace.follow(block)
    # The control: the folder that was worked on is another one than this checkout.
    assert list(workspace.folder.glob("db/migrations/*_address_labels.sql"))
    assert not list(ROOT.glob("db/migrations/*_address_labels.sql"))


async def test_the_gateway_it_shows_acts_for_users_alone(
    target: ConnectionTarget, connection: asyncpg.Connection
) -> None:
    name = f"api_gateway_{secrets.token_hex(6)}"
    await connection.execute(block_named(README, "gateway").text.replace("api_gateway", name))
    try:
        gateway = replace(target, user=name, password=SecretStr("its own"))
        async with whaledb.connect(target, gateway=gateway) as db, db.as_user(uuid4()) as tx:
            assert await alerts.list_mine(tx, max_rows=1) == []
        async with whaledb.connect(gateway, migrations="ignore") as alone:
            with pytest.raises(OperatorError, match="permission denied"):
                await alerts.list_mine(alone, max_rows=1)
    finally:
        await connection.execute(f"DROP ROLE {name}")


def test_a_node_is_followed_as_it_says(
    target: ConnectionTarget, server: TestServer, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "checkout", target, server)
    with running() as anvil:
        workspace.environment["ETH_RPC_URL"] = anvil.http_url
        printed = {label: workspace.follow(block_named(README, label)) for label in FOLLOWING}
        whale = anvil.head()["transactions"][0]
    # What was sent, the transfer, and the event of the alert that fired on it.
    assert printed["node"].count(whale) == 3
    assert "missing: none" in printed["behind"]
    assert "Rows of chain 31337: 1. Priced: 1," in printed["behind"]


def test_a_block_that_fails_is_noticed(
    target: ConnectionTarget, server: TestServer, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "checkout", target, server)
    with pytest.raises(AssertionError, match="line 7"):
        workspace.follow(Block("sh", "", "whaledb query no_such.statement | cat\n", 7))


def test_dbmate_commands_of_db_run(empty_database: ConnectionTarget, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "db", tmp_path / "db")
    shutil.copy(ROOT / "dbmate.env", tmp_path)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block_named(ROOT / "db" / "README.md", "dbmate").text],
        cwd=tmp_path,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DATABASE_URL": empty_database.dbmate_url(),
        },
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert "Rolled back" in done.stdout


def test_ci_runs_both_setup_commands() -> None:
    assert {block.label for block in blocks_of(README)} >= SETUP
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    for label in SETUP:
        assert re.search(rf"^readme {label}$", script, re.M)


def undocumented(table: str) -> set[str]:
    """Variables that are read and of which the table says nothing."""
    read = {str(field.validation_alias) for field in Environment.model_fields.values()}
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        text = path.read_text("utf-8")
        # By its name, or by that of a constant.
        read |= set(re.findall(r'os\.environ(?:\.get\(|\[)"([A-Z_]+)"', text))
        for constant in re.findall(r"os\.environ(?:\.get\(|\[)([A-Z_]+)", text):
            read |= set(re.findall(rf'^{constant}(?:: \w+)? = "([A-Z_]+)"', text, re.M))
    read |= set(re.findall(r"^([A-Z_]+)=", (ROOT / "dbmate.env").read_text("utf-8"), re.M))
    # The system's, and every program's.
    ours = read - {"PATH", "PYTHONPATH", "SHELL", "TMPDIR"}
    return {name for name in ours if f"`{name}`" not in table}


def test_every_variable_is_documented() -> None:
    table = section("Where it connects")
    assert undocumented(table) == set()
    for name in (
        *("DATABASE_URL", "TEST_DATABASE_URL", "TEST_POSTGRES_IMAGE", "DBMATE_STRICT"),
        "ETH_RPC_URL",
    ):
        assert undocumented(table.replace(f"`{name}`", "")) == {name}


def test_every_word_of_the_specification_has_its_place() -> None:
    rows = table_rows("From the specification's words to this package")
    words = "\n".join(row[0].replace("`", "") for row in rows)
    assert {word for word in SPECIFIED if word not in words} == set()
    assert [row for row in rows if len(row) != 2 or not all(row)] == []


def test_every_name_in_that_table_exists() -> None:
    places = "\n".join(
        row[1] for row in table_rows("From the specification's words to this package")
    )
    names = re.findall(r"`((?:whaledb|typedsql)(?:\.\w+)+)(?:\(\))?`", places)
    assert len(names) > 10
    assert {name for name in names if not exists(name)} == set()
    assert not exists("whaledb.rows.NoSuchRow")
    paths = re.findall(r"`((?:db|queries|src|tests)/[\w./*]*|dbmate\.env)`", places)
    assert paths
    assert {path for path in paths if not list(ROOT.glob(path))} == set()


def test_every_command_is_in_the_table() -> None:
    from typer.main import get_command

    from whaledb.cli import app

    named = "\n".join(row[0] for row in table_rows("Commands"))
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert {name for name in commands if f"whaledb {name}" not in named} == set()


@pytest.mark.parametrize(
    "folder", [".", "db", "queries", "src", "src/typedsql", "src/whaledb", "tests"]
)
def test_each_folder_has_its_sign(folder: str) -> None:
    text = (ROOT / folder / "README.md").read_text("utf-8")
    assert len(text.splitlines()) > 3


@pytest.mark.parametrize("path", SIGNS, ids=[str(path.relative_to(ROOT)) for path in SIGNS])
def test_links_within_the_project_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8")):
        assert (path.parent / link).exists(), link


def section(title: str) -> str:
    """The text under a second-level heading of the README."""
    found = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README.read_text("utf-8"), re.M | re.S
    )
    assert found, title
    return found[1]


def table_rows(title: str) -> list[list[str]]:
    """The cells of the rows of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    assert len(lines) > 2
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def exists(name: str) -> bool:
    """Whether a dotted name can be imported, as a module or as what is in one."""
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ImportError:
        return hasattr(importlib.import_module(module), attribute)
    return True
