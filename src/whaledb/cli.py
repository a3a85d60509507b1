"""The `whaledb` command: what every project has, and the ingestion of blocks."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

import typer

from typedsql.cli import make_app, run_app
from typedsql.cli.invocation import (
    FINDINGS,
    DebugOption,
    Invocation,
    JsonOption,
    UrlOption,
    WrongUsage,
    is_terminal,
    say,
)
from typedsql.cli.output import show
from whaledb.project import PROJECT

if TYPE_CHECKING:
    from whaledb.ingest import IngestProgress, IngestSummary, RefusedItem

SHOWN_REFUSALS = 20
"""Bad items told one by one; all of them are in dead_letters."""

FIRST_STEPS = (
    ("doctor", "where it would connect, and what is wrong"),
    ("migrate", "make the tables, or bring them up to date"),
    ("ingest blocks PATH", "store the large transfers of blocks in a file"),
    ("query", "list the named queries; with a name, run one"),
)

app = make_app(
    PROJECT,
    about="Whale Tracker's database: real blocks in typed rows.",
    first_steps=FIRST_STEPS,
)
ingest = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Store chain data from files."
)
app.add_typer(ingest, name="ingest")


@ingest.command()
def blocks(
    context: typer.Context,
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Files, plain or .gz; - is stdin.")
    ],
    receipts: Annotated[
        list[str] | None,
        typer.Option(
            "--receipts",
            metavar="PATH",
            help="Receipts: success and gas used; may be repeated.",
            show_default=False,
        ),
    ] = None,
    chain_id: Annotated[
        int, typer.Option("--chain-id", metavar="N", help="EIP-155 number of the chain.")
    ] = 1,
    min_value_eth: Annotated[
        str, typer.Option("--min-value-eth", metavar="ETH", help="Store transfers from here on.")
    ] = "100",
    url: UrlOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Store blocks and their large transfers.

    Reads JSON-RPC replies or bare blocks with full transactions: NDJSON, a JSON array or
    one object. The same input again changes nothing; a lower threshold adds the rest. Bad
    items go to dead_letters and all else is stored; the exit code is 1 then.
    """
    invocation = Invocation.of(context, PROJECT, url, debug, json)

    async def work() -> "IngestSummary":
        from typedsql.database import Database
        from whaledb.ingest import check_request, ingest_blocks

        threshold = _ether(min_value_eth)
        # A misspelt path is told before an embedded server is started for it.
        check_request(paths, chain_id=chain_id, min_value_eth=threshold, receipts=receipts or ())
        async with Database.connect(invocation.target(), project=PROJECT) as db:
            with _reporting() as (on_progress, on_refused):
                summary = await ingest_blocks(
                    db,
                    paths,
                    chain_id=chain_id,
                    min_value_eth=threshold,
                    receipts=receipts or (),
                    on_progress=on_progress,
                    on_refused=on_refused,
                )
        _tell(invocation, summary)
        return summary

    if invocation.run(work).dead_letters:
        raise typer.Exit(FINDINGS)


def _tell(invocation: Invocation, summary: "IngestSummary") -> None:
    """The summary on stdout; that there are bad items on stderr too."""
    if invocation.json:
        invocation.write_json(summary)
    else:
        show(
            f"Blocks: {summary.blocks}. Transactions: {summary.transactions_seen} seen, "
            f"{summary.transactions_written} written, {summary.already_present} already present."
        )
    if summary.dead_letters:
        say(
            f"Bad items: {summary.dead_letters}, kept in dead_letters with their reasons; "
            "all else was stored"
        )


def _ether(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise WrongUsage(
            "--min-value-eth has to be an amount of ether, such as 100 or 0.5"
        ) from None


@contextmanager
def _reporting() -> Generator[
    tuple[Callable[["IngestProgress"], None] | None, Callable[["RefusedItem"], None]]
]:
    """What to call on progress (nothing, unless stderr is a terminal) and for bad items."""
    if not is_terminal(sys.stderr):
        yield None, _refusals(say)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, markup=False, highlight=False)
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def on_progress(now: "IngestProgress") -> None:
            bar.update(
                task,
                completed=now.bytes_read,
                total=now.bytes_total,
                description=f"{now.blocks} blocks, {now.transactions_written} written",
            )

        yield on_progress, _refusals(lambda line: console.print(line, soft_wrap=True))


def _refusals(tell: Callable[[str], None]) -> Callable[["RefusedItem"], None]:
    told = 0

    def on_refused(item: "RefusedItem") -> None:
        nonlocal told
        told += 1
        if told <= SHOWN_REFUSALS:
            tell(f"{item.source}, {item.item}: {item.reason}")
        elif told == SHOWN_REFUSALS + 1:
            tell("more bad items follow, which are not shown")

    return on_refused


def main() -> None:
    """Entry point of the console script."""
    run_app(app)
