"""The committed analysis: when it stands in for a server, and when it must not."""

import ast
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import pytest
import pytest_asyncio

import typedsql
from tests.engine.example_project import GENERATED, copy_example, generated_texts, replace
from typedsql import embedded
from typedsql.tools import inputs
from typedsql.tools.generate import find, generate
from typedsql.tools.inputs import NOT_DIGESTED


class Asked(Exception):
    """A server was about to be started."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def as_generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as a server says it is, made once."""
    root = copy_example(tmp_path_factory.mktemp("offline") / "lending")
    await generate(root, check=False, full=True)
    return root


@pytest.fixture
def project(as_generated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(as_generated, tmp_path / "lending"))


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on no server starts."""

    @contextmanager
    def refuse(*_: object, **__: object) -> Iterator[NoReturn]:
        raise Asked
        yield

    monkeypatch.setattr(embedded, "start", refuse)


async def test_where_nothing_changed_no_server_is_asked(project: Path, no_server: None) -> None:
    outcome = await generate(project, check=True)
    assert (outcome.lines, outcome.asked) == ((), False)
    assert await find(project) == ((), 13)
    # The control: with a server asked, this test would have noticed.
    with pytest.raises(Asked):
        await generate(project, check=True, full=True)
    with pytest.raises(Asked):
        await find(project, full=True)


async def test_what_is_written_without_a_server_is_what_is_written_with_one(
    project: Path, no_server: None
) -> None:
    with_one = generated_texts(project)
    code = [name for name in GENERATED if not name.endswith(".json") and "schema" not in name]
    for name in code:
        (project / name).unlink()
    outcome = await generate(project, check=False)
    assert not outcome.asked
    assert sorted(outcome.lines) == sorted(f"{name} written" for name in code)
    assert generated_texts(project) == with_one


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    return lambda root: replace(root / name, old, new)


def write(name: str, text: bytes) -> Callable[[Path], object]:
    return lambda root: (root / name).write_bytes(text)


def remove(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


MIGRATION = "db/migrations/20260301090000_library.sql"
ANALYSIS = "queries/analysis/books.json"
SHARED = "queries/analysis/project.json"
CONFLICT = "<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n"


def _other_row(root: Path) -> None:
    """A row of the shared file is another one, and the rest of it is as it was."""
    found: Any = json.loads((root / SHARED).read_text())
    found["rows"][1]["fields"][0]["annotation"] = "str"
    (root / SHARED).write_text(json.dumps(found))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a statement": edit("queries/books.sql", "LIMIT :max_rows", "LIMIT 2 * :max_rows"),
    "a comment, of which docstrings are made": edit("queries/books.sql", "Adds a", "Adds one"),
    "a directive": edit("queries/loans.sql", "@timeout 2s", "@timeout 3s"),
    "a file more": write("queries/more.sql", b"-- name: get()$\nSELECT 1 AS one;\n"),
    "a file less": remove("queries/members.sql"),
    "line ends": lambda root: (root / "queries/books.sql").write_bytes(
        (root / "queries/books.sql").read_bytes().replace(b"\n", b"\r\n")
    ),
    "a migration": edit(MIGRATION, "price_eur NUMERIC(8, 2)", "price_eur NUMERIC(9, 2)"),
    "a migration more": write(
        "db/migrations/20260302000000_more.sql", b"-- migrate:up\n-- migrate:down\n"
    ),
    "a migration's name": lambda root: (root / MIGRATION).rename(
        root / "db/migrations/20260301090001_library.sql"
    ),
    "the declaration": edit("pyproject.toml", 'books = "Book"', 'books = "Volume"'),
    "the project's name": edit("pyproject.toml", 'name = "lending"', 'name = "library"'),
    "where migrations are noted": edit("dbmate.env", "public.schema_", "public.lending_"),
    "the document of a column": edit(
        "src/lending/documents.py", "class Preferences", "class Wishes"
    ),
    "the schema file": edit("db/schema.sql", "hall text NOT NULL", "hall text"),
    "no schema file": remove("db/schema.sql"),
    "an analysis file": edit(ANALYSIS, '"int8", false', '"int8", true'),
    "an analysis file that is blank": write(ANALYSIS, b""),
    "no analysis file": remove(ANALYSIS),
    "no shared file": remove(SHARED),
    "a row": _other_row,
    "a merge that was not finished": write(SHARED, CONFLICT.encode()),
    "a merge of one file that was not finished": write(ANALYSIS, CONFLICT.encode()),
    "JSON of another kind": write(SHARED, b"[1, 2, 3]\n"),
    "JSON with too little": write(SHARED, b'{"inputs": {}}\n'),
    "bytes that are no text": write(SHARED, b'{"inputs": {"\xff\xfe": "\xff"}}'),
    "nesting without an end": write(SHARED, b'{"inputs": ' + b"[" * 100_000),
}


@pytest.mark.parametrize("what", CHANGES)
async def test_each_change_has_the_server_asked(project: Path, no_server: None, what: str) -> None:
    assert not (await generate(project, check=True)).asked
    CHANGES[what](project)
    with pytest.raises(Asked):
        await generate(project, check=True)
    with pytest.raises(Asked):
        await find(project)


@pytest.mark.parametrize(
    "name", [name for name in GENERATED if name.endswith(".py") or "variants" in name]
)
async def test_an_edited_file_is_out_of_date_without_a_server(
    project: Path, no_server: None, name: str
) -> None:
    path = project / name
    path.write_text(path.read_text() + "# by hand\n")
    (line,) = (await generate(project, check=True)).lines
    assert line.startswith(f"{name}: out of date\n")
    assert "by hand" in line
    path.unlink()
    assert (await generate(project, check=True)).lines == (f"{name}: missing",)


LEFTOVERS = {
    "src/lending/queries/gone.py": "src/lending/queries/books.py",
    "queries/variants/gone.sql": "queries/variants/books.sql",
    "queries/analysis/gone.json": "queries/analysis/books.json",
}


@pytest.mark.parametrize("full", [False, True])
async def test_leftovers_are_found_and_removed(project: Path, full: bool) -> None:
    for name, generated in LEFTOVERS.items():
        shutil.copy(project / generated, project / name)
    outcome = await generate(project, check=True, full=full)
    assert (outcome.lines, outcome.strange) == (
        tuple(f"{name}: its .sql file is gone" for name in LEFTOVERS),
        (),
    )
    removed = await generate(project, check=False, full=full)
    assert removed.lines == tuple(f"{name} removed" for name in LEFTOVERS)
    assert removed.asked is full
    assert not any((project / name).exists() for name in LEFTOVERS)


@pytest.mark.parametrize("full", [False, True])
async def test_what_somebody_wrote_is_told_and_left_alone(project: Path, full: bool) -> None:
    own = {
        "src/lending/queries/empty.py": "",
        "src/lending/queries/handmade.py": '"""Not generated by `typedsql generate`."""\n',
        "queries/variants/mine.sql": "-- name: get()$\nSELECT 1 AS one;\n",
        "queries/analysis/broken.json": "{",
        "queries/analysis/empty.json": "{}",
        "queries/analysis/figures.json": '{"books": {"rows": 3}}\n',
    }
    for name, text in own.items():
        (project / name).write_text(text)
    told = tuple(f"{name}: not generated, in a folder for what is: move it" for name in own)
    for check in (True, False):
        outcome = await generate(project, check=check, full=full)
        assert (outcome.lines, outcome.strange) == ((), told)
    assert {name: (project / name).read_text() for name in own} == own


async def test_the_server_mends_what_was_garbage(project: Path) -> None:
    before = generated_texts(project)
    (project / SHARED).write_text(CONFLICT)
    (project / ANALYSIS).write_text("garbage")
    shutil.copy(project / "queries/analysis/loans.json", project / "queries/analysis/gone.json")
    told = await generate(project, check=True)
    assert told.asked
    assert [line.partition(":")[0] for line in told.lines] == [
        ANALYSIS,
        SHARED,
        "queries/analysis/gone.json",
    ]
    await generate(project, check=False)
    assert generated_texts(project) == before
    assert not (project / "queries/analysis/gone.json").exists()


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        ("statements.py", True),
        ("tools/analysis.py", True),
        ("tools/statement_rules.py", True),
        ("tools/config.py", True),
        ("tools/inputs.py", True),
        ("tools/schema.py", True),
        ("values.py", True),
        ("verify.py", True),
        ("tools/proof/cardinality/counting.py", True),
        ("tools/reading/lexer.py", True),
        ("tools/rows/types.py", True),
        ("tools/variants/text.py", True),
        # What is emitted is emitted anew each time, so that a change of it shows by itself.
        ("tools/emit/rows.py", False),
        ("database.py", False),
    ],
)
def test_the_analysis_own_source_is_an_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, counts: bool
) -> None:
    package = tmp_path / "typedsql"
    shutil.copytree(
        next(iter(typedsql.__path__)), package, ignore=shutil.ignore_patterns("__pycache__")
    )
    digest = inputs._tools.__wrapped__
    before = digest()
    monkeypatch.setattr(typedsql, "__path__", [str(package)])
    assert digest() == before
    (package / source).write_text((package / source).read_text() + "\n# Another rule.\n")
    assert (digest() != before) is counts


def imported(source: Path, package: Path) -> set[Path]:
    """The engine's files that one of them imports, and the packages these are in."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, source
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    found: set[Path] = set()
    for name in names:
        first, *rest = name.split(".")
        if first != package.name:
            continue
        for end in range(len(rest) + 1):
            place = package.joinpath(*rest[:end])
            files = (place / "__init__.py", place.with_suffix(".py"))
            found.update(path for path in files if path.is_file() and path != package)
    return found


def test_all_that_the_analysis_imports_is_an_input_or_excepted() -> None:
    package = Path(next(iter(typedsql.__path__)))
    todo = [package / "tools/project_analysis.py", package / "tools/offline.py"]
    reached = set(todo)
    while todo:
        new = imported(todo.pop(), package) - reached
        reached |= new
        # What decides nothing has no need for what it imports.
        todo += [path for path in new if str(path.relative_to(package)) not in NOT_DIGESTED]
    names = {path.relative_to(package).as_posix() for path in reached}
    assert len(names) > 50
    digested = {path.relative_to(package).as_posix() for path in inputs.sources_of(package)}
    assert names - digested == set(NOT_DIGESTED)
    # Of what is digested without being imported, the reason is that the server is asked with it.
    assert digested - names == {"codecs.py", "tools/scratch.py"}


@pytest.mark.parametrize(
    ("release", "counts"), [("99.1", True), ("{major}.0", False), ("{major}.99.dev1", False)]
)
def test_the_major_version_of_the_parser_is_an_input(
    monkeypatch: pytest.MonkeyPatch, release: str, counts: bool
) -> None:
    digest = inputs._tools.__wrapped__
    before = digest()
    release = release.format(major=version("pglast").partition(".")[0])
    monkeypatch.setattr(inputs, "version", lambda _: release)
    assert (digest() != before) is counts


async def test_a_tool_with_other_rules_asks_the_server(
    project: Path, no_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "_tools", lambda: "another digest")
    with pytest.raises(Asked):
        await generate(project, check=True)
