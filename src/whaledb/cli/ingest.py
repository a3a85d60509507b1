"""The ingestion of blocks as a command."""

from typing import TYPE_CHECKING, Annotated

import typer

from typedsql.cli.invocation import (
    FINDINGS,
    DebugOption,
    Invocation,
    JsonOption,
    UrlOption,
)
from typedsql.cli.output import show
from whaledb.cli.amounts import ether
from whaledb.cli.progress import ingest_visibly, tell_refused
from whaledb.project import PROJECT

if TYPE_CHECKING:
    from whaledb.ingest import IngestSummary

group = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Store blocks of a chain.")


@group.command()
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
    traces: Annotated[
        list[str] | None,
        typer.Option(
            "--traces",
            metavar="PATH",
            help="Traces: transfers within transactions; may be repeated.",
            show_default=False,
        ),
    ] = None,
    chain_id: Annotated[
        int, typer.Option("--chain-id", metavar="N", help="EIP-155 number of the chain.")
    ] = 1,
    min_value_eth: Annotated[
        str, typer.Option("--min-value-eth", metavar="ETH", help="Store transfers from here on.")
    ] = "100",
    alerts: Annotated[
        bool, typer.Option("--alerts", help="Have new transfers fire alerts; old ones are no news.")
    ] = False,
    url: UrlOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Store blocks' large transfers.

    Reads JSON-RPC replies or bare blocks with full transactions: NDJSON, a JSON array or
    one object. The same input again changes nothing; a lower threshold adds the rest. Bad
    items go to dead_letters and all else is stored; the exit code is 1 then.
    """
    invocation = Invocation.of(context, PROJECT, url, debug, json)

    async def work() -> "IngestSummary":
        from typedsql.database import Database
        from whaledb.ingest import check_request

        threshold = ether(min_value_eth)
        # A misspelt path is told before an embedded server is started for it.
        check_request(
            paths,
            chain_id=chain_id,
            min_value_eth=threshold,
            receipts=receipts or (),
            traces=traces or (),
        )
        async with Database.connect(invocation.target(), project=PROJECT) as db:
            summary = await ingest_visibly(
                db,
                paths,
                chain_id=chain_id,
                min_value_eth=threshold,
                receipts=receipts or (),
                traces=traces or (),
                match_alerts=alerts,
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
    tell_refused(summary.dead_letters)
