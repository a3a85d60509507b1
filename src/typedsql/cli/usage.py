"""A command line that cannot be understood: with --json it is told as JSON, too."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from typedsql.cli.invocation import UNABLE, Failure, WrongUsage, write_failure

_AS_JSON = "typedsql.cli.usage.as_json"

# Typer has click's classes from click or, in later releases, as private ones of its own.
_UNREADABLE: Any = next(
    parent for parent in typer.BadParameter.__mro__ if parent.__name__ == "UsageError"
)


class ToldGroup(TyperGroup):
    """The program's commands, whose --json holds for wrong usage as for any failure.

    A command only runs once its options are understood, so it cannot tell of it itself.
    What is written to stderr, and the exit code, stay typer's.
    """

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        asked = _asks_for_json(args) and not extra.get("resilient_parsing")  # that completes
        with _told(asked):
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[_AS_JSON] = asked
        return context

    def invoke(self, ctx: Any) -> Any:
        with _told(ctx.meta[_AS_JSON]):
            return super().invoke(ctx)


def _asks_for_json(words: Sequence[str]) -> bool:
    options = words[: words.index("--")] if "--" in words else words
    return "--json" in options


@contextmanager
def _told(as_json: bool) -> Generator[None]:
    try:
        yield
    except _UNREADABLE as failure:
        if as_json:
            write_failure(Failure(WrongUsage.__name__, failure.format_message(), UNABLE))
        raise
