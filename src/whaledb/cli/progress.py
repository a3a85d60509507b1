"""How an ingestion is told to the person who waits: a bar on a terminal, bad items one by one."""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from typedsql.cli.invocation import is_terminal, say
from typedsql.cli.output import readable

if TYPE_CHECKING:
    from typedsql.database import Database
    from whaledb.ingest import Content, IngestProgress, IngestSummary, RefusedItem

SHOWN_REFUSALS = 20
"""Bad items told one by one; all of them are in dead_letters."""


async def ingest_visibly(
    db: "Database",
    sources: "Sequence[str | Content]",
    *,
    chain_id: int,
    min_value_eth: Decimal,
    receipts: "Sequence[str | Content]",
    traces: "Sequence[str | Content]" = (),
    match_alerts: bool = False,
) -> "IngestSummary":
    """`whaledb.ingest.ingest_blocks`, told to the person at the terminal."""
    from whaledb.ingest import ingest_blocks

    with _reporting() as (on_progress, tell):
        return await ingest_blocks(
            db,
            sources,
            chain_id=chain_id,
            min_value_eth=min_value_eth,
            receipts=receipts,
            traces=traces,
            match_alerts=match_alerts,
            on_progress=on_progress,
            on_refused=refusals(tell),
            on_notice=tell,
        )


@contextmanager
def _reporting() -> Generator[
    tuple[Callable[["IngestProgress"], None] | None, Callable[[str], None]]
]:
    """What to call on progress (nothing, unless stderr is a terminal), and to tell a line."""
    if not is_terminal(sys.stderr):
        yield None, say
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True, markup=False, highlight=False)
    # Without colours of its own: rich's yellow cannot be read on white.
    columns = (
        BarColumn(style="dim", complete_style="bold", finished_style="bold", pulse_style="bold"),
        TextColumn("{task.description}, {task.elapsed:.0f} s"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def on_progress(now: "IngestProgress") -> None:
            bar.update(
                task,
                completed=now.bytes_read,
                total=now.bytes_total,
                description=f"{now.blocks} blocks, {now.transactions_written} written",
            )

        yield on_progress, lambda line: console.print(readable(line), soft_wrap=True)


@contextmanager
def waiting(for_what: str) -> Generator[Callable[[str], None]]:
    """Tells a terminal what is being waited for; gives what to call on news of it.

    Nothing is left of it on the screen. Where stderr is no terminal nothing is told.
    """
    if not is_terminal(sys.stderr):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, markup=False, highlight=False)
    # Plain characters turn in any encoding; a text is no markup.
    with console.status(Text(for_what), spinner="line", spinner_style="none") as status:
        yield lambda line: status.update(Text(line))


def tell_refused(count: int) -> None:
    """On stderr, how many items were bad, if any were."""
    if count:
        say(f"Bad items: {count}, kept in dead_letters with their reasons; all else was stored")


def refusals(tell: Callable[[str], None]) -> Callable[["RefusedItem"], None]:
    """What to call for bad items: tells the first `SHOWN_REFUSALS` of them one by one."""
    told = 0

    def on_refused(item: "RefusedItem") -> None:
        nonlocal told
        told += 1
        if told <= SHOWN_REFUSALS:
            tell(f"{item.source}, {item.item}: {item.reason}")
        elif told == SHOWN_REFUSALS + 1:
            tell("more bad items follow, which are not shown")

    return on_refused
