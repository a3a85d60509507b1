"""What queries/README.md shows of SQL is analysed as it stands, and what it says is so.

A block's label names its example: `sql optional` is a file of queries by itself, `python
optional` stands in its functions, `python nested.rows` in its rows, `sql optional.variant` in
its variants, and `text refused` is what is found in it.
"""

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.markdown import Block, blocks_of
from typedsql.directives import DIRECTIVES
from typedsql.statements import VARIANTS_FOLDER
from typedsql.tools.generate import generate
from typedsql.tools.reading.findings import Finding, Refused
from typedsql.tools.reading.source import SourceFile
from whaledb.project import PROJECT

README: Final = PROJECT.root / PROJECT.queries_dir / "README.md"
TOOLS: Final = PROJECT.root / "src" / "typedsql" / "tools"
REFUSED: Final = "refused"
BLOCKS: Final = blocks_of(README)
# Where the functions that take a rule by its place have it.
POSITIONAL: Final = {"problems.add": 1, "self._of": 2, "declaration_finding": 0}


class Example(msgspec.Struct):
    """A checkout that has the examples of the README for queries, generated."""

    root: Path

    def text(self, block: Block) -> str:
        """The generated file that a block is taken from."""
        stem, _, part = block.label.partition(".")
        package = self.root / "src" / PROJECT.package
        match part:
            case "variant":
                return (self._queries / VARIANTS_FOLDER / f"{stem}.sql").read_text("utf-8")
            case "rows":
                # What stands between are the comments of the columns.
                rows = (package / "rows.py").read_text("utf-8")
                return re.sub(r'^    """.*?"""\n', "", rows, flags=re.MULTILINE | re.DOTALL)
            case _:
                return (package / "queries" / f"{stem}.py").read_text("utf-8")

    @property
    def _queries(self) -> Path:
        return self.root / PROJECT.queries_dir

    def write(self, block: Block) -> None:
        (self._queries / f"{block.label}.sql").write_text(block.text, "utf-8")


def is_example(block: Block) -> bool:
    return block.language == "sql" and "." not in block.label and block.label != REFUSED


def checkout(folder: Path) -> Example:
    """This one with no queries, and with the documents of the README declared."""
    for name in ("pyproject.toml", "dbmate.env"):
        shutil.copy(PROJECT.root / name, folder)
    shutil.copytree(PROJECT.root / "db", folder / "db")
    ignored = shutil.ignore_patterns("queries", "__pycache__")
    source = Path("src") / PROJECT.package
    shutil.copytree(PROJECT.root / source, folder / source, ignore=ignored)
    (folder / PROJECT.queries_dir).mkdir()
    declared = "".join(block.text for block in BLOCKS if block.language == "toml")
    path = folder / "pyproject.toml"
    heading = "[tool.typedsql.documents]\n"
    before, found, after = path.read_text("utf-8").partition(heading)
    assert found
    path.write_text(before + heading + declared + after, "utf-8")
    return Example(folder)


async def findings(example: Example) -> tuple[Finding, ...]:
    try:
        await generate(example.root, check=False)
    except Refused as refused:
        return refused.findings
    return ()


async def test_every_example_is_as_it_says(tmp_path: Path) -> None:
    example = checkout(tmp_path)
    for block in filter(is_example, BLOCKS):
        example.write(block)
    assert await findings(example) == ()
    shown = [
        block for block in BLOCKS if block.language == "python" or block.label.endswith(".variant")
    ]
    assert len(shown) > 7
    for block in shown:
        assert block.text in example.text(block), f"line {block.line}"
        # The control: another type in it would be noticed.
        assert block.text.replace(":", ": Other", 1) not in example.text(block)


async def test_what_is_refused_is_told_as_it_says(tmp_path: Path) -> None:
    example = checkout(tmp_path)
    for block in filter(is_example, BLOCKS):
        example.write(block)
    [wrong] = [block for block in BLOCKS if (block.language, block.label) == ("sql", REFUSED)]
    [told] = [block for block in BLOCKS if (block.language, block.label) == ("text", REFUSED)]
    example.write(wrong)
    assert "\n".join(map(str, await findings(example))) == told.text.rstrip("\n")


def test_every_block_belongs_to_an_example() -> None:
    stems = {block.label.partition(".")[0] for block in BLOCKS}
    assert "" not in stems
    assert stems == {block.label for block in BLOCKS if is_example(block)} | {REFUSED}


def section(title: str) -> str:
    found = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README.read_text("utf-8"), re.M | re.S
    )
    assert found, title
    return found[1]


def first_cells(title: str) -> list[str]:
    """What stands in back quotes in the first column of a section's tables."""
    rows = re.findall(r"^\| ?((?:`[^`]*`[, ]*)+)\|", section(title), re.M)
    return [cell for row in rows for cell in re.findall(r"`([^`]*)`", row)]


def test_every_directive_is_in_the_table_and_in_an_example() -> None:
    named = [cell.split()[1].removeprefix("@") for cell in first_cells("Directives")]
    assert sorted(named) == sorted(DIRECTIVES)
    examples = "".join(block.text for block in filter(is_example, BLOCKS))
    assert {key for key in DIRECTIVES if f"-- @{key}" not in examples} == set()


def rules(source: str) -> Iterator[str]:
    """The slugs that a module of the tools gives to its findings."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            named = [*node.args.args, *node.args.kwonlyargs]
            defaults = [*node.args.defaults, *node.args.kw_defaults]
            for argument, default in zip(named[-len(defaults) :], defaults, strict=False):
                if argument.arg == "rule":
                    yield from texts(default)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == "RULE":
                yield from texts(node.value)
        elif isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg == "rule":
                    yield from texts(keyword.value)
            place = POSITIONAL.get(ast.unparse(node.func))
            if place is not None and len(node.args) > place:
                yield from texts(node.args[place])


def texts(node: ast.AST | None) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def test_every_rule_is_in_the_table() -> None:
    known = {rule for path in TOOLS.rglob("*.py") for rule in rules(path.read_text("utf-8"))}
    assert known >= {"cardinality", "variants", "header", "row", "directive"}
    assert sorted(first_cells("What is refused")) == sorted(known)


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("SELECT a[1:n]", True),
        ("SELECT a[1: n]", False),
        ("SELECT $$ :x $$", True),
        (r"SELECT E'it\'s :x'", True),
        ("SELECT 'it''s :x'", False),
        ("SELECT 'one\n-- two'", True),
        ("SELECT 'one  \ntwo'", True),
        ("SELECT 'one\ntwo'", False),
        ("SELECT 1 -- it's :x", True),
        ("SELECT 1 -- as it is", False),
        ("SELECT 1\n-- it's :x", False),
        ("SELECT 1 /* it's :x */, 'b'", False),
        ("SELECT 1 /* /* */ */", True),
        ("SELECT a/* b */c", True),
        ("SELECT 1 /* one */ + 1", False),
    ],
)
def test_the_traps_are_as_the_table_says(text: str, is_refused: bool) -> None:
    source = SourceFile.of_text("queries/a.sql", f"-- name: get_a()\n{text};\n")
    assert [finding.rule for finding in source.findings] == (["misread"] if is_refused else [])


@pytest.mark.parametrize("text", ["SELECT :row.field", "SELECT 1 AS x:row"])
def test_a_parameter_that_is_not_seen_is_refused(text: str) -> None:
    source = SourceFile.of_text("queries/a.sql", f"-- name: get_a(row)\n{text};\n")
    assert [finding.rule for finding in source.findings] == ["misread"]
