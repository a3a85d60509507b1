"""A folder with one file of queries, expanded and bound as generated code would bind it."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from typedsql.project import Project
from typedsql.query import Affected, ExactlyOneValue, Many, One, Stream, Value
from typedsql.statements import QueryFile, Statement
from typedsql.tools.reading.source import SourceFile
from typedsql.tools.variants.expansion import Expansion, expand
from typedsql.variants import Variants

COMMAND = "toy"


class QueryFolder:
    """Writes ``queries/things.sql`` below `root`, and binds what is in it."""

    def __init__(self, root: Path, text: str, *, max_variants: int = 32) -> None:
        self.root = root
        (root / "queries" / "variants").mkdir(parents=True, exist_ok=True)
        path = root / "queries" / "things.sql"
        path.write_text(text, encoding="utf-8")
        self.source = SourceFile.read(path, root)
        self.expansion: Expansion = expand(self.source, max_variants=max_variants, command=COMMAND)
        (root / self.expansion.file).write_text(self.expansion.text, encoding="utf-8")
        self.project = Project(
            name="toy",
            package=f"toy_{secrets.token_hex(6)}",
            migrations_table="none.none",
            latest_migration="",
            queries_dir="queries",
            migrations_dir="none",
            schema_file="none",
            dbmate_env="none",
            checkout=root,
        )

    @property
    def told(self) -> list[str]:
        """Everything that is wrong with the file."""
        return [str(item) for item in (*self.source.findings, *self.expansion.findings)]

    def statement(self, name: str) -> Statement:
        """Not compared with any columns, as nothing was analysed."""
        return self.source.statements[name]

    def variant(self, name: str) -> Statement:
        """One of those that were written down."""
        for found in self.expansion.sets.values():
            for item in found.others:
                if item.name == name:
                    return item.statement
        raise KeyError(name)

    def bound(
        self, name: str, *, nullable: frozenset[str] | None = None, reads_only: bool = False
    ) -> Any:
        """What generated code calls for a statement without variants."""
        statement = msgspec.structs.replace(
            self.statement(name), nullable=nullable, reads_only=reads_only
        )
        return _runner(name, statement).run

    def variants(self, name: str) -> Any:
        """What generated code calls for a statement with variants."""
        found = self.expansion.sets[name]
        digests = {
            (item.given, item.ordering): (item.name, item.statement.digest) for item in found.others
        }
        # The columns are left out of it: they are the analysis's part.
        file = _Unanalysed(QueryFile(self.project, "things", variants=True))
        runner = _runner(name, self.statement(name))
        return Variants(runner, file, digests).run  # type: ignore[arg-type]


class _Unanalysed:
    """A QueryFile whose statements are not compared with the columns of an analysis."""

    def __init__(self, file: QueryFile) -> None:
        self._file = file

    def bind(self, name: str, **options: Any) -> Statement:
        return msgspec.structs.replace(self._file.bind(name, **options), columns=None)


def _runner(name: str, statement: Statement) -> Any:
    if statement.suffix == "!":
        return Affected(statement)
    if statement.suffix == "$":
        return (ExactlyOneValue if statement.one else Value)(statement)
    kinds: dict[str, Callable[..., Any]] = {"": Many, "^": One, "<!": One}
    kind = Stream if name.startswith("stream_") else kinds[statement.suffix]
    return kind(statement, lambda *values: values)
