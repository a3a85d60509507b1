"""A node's chain: followed as it grows, and its gaps filled."""

import os
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from typedsql.cli.invocation import (
    FINDINGS,
    DebugOption,
    Invocation,
    JsonOption,
    UrlOption,
    WrongUsage,
    say,
)
from typedsql.cli.output import show
from whaledb.cli.amounts import ether
from whaledb.cli.progress import refusals, tell_refused
from whaledb.project import PROJECT

if TYPE_CHECKING:
    import asyncio

    from whaledb.live import BackfillProgress, BackfillSummary, FollowProgress, FollowSummary

NODE_VARIABLE: Final = "ETH_RPC_URL"
"""Where a node is, as Foundry's tools name it."""
REPORT_INTERVAL_S: Final = 10.0
QUIET_INTERVAL_S: Final = 60.0
"""Between two reports of a run that is at the node's head."""

_Handler = Callable[[int, FrameType | None], object] | int | None

ChainOption = Annotated[
    int | None,
    typer.Option(
        "--chain-id", metavar="N", help="Refuse a node of another chain.", show_default=False
    ),
]
MinValueOption = Annotated[
    str, typer.Option("--min-value-eth", metavar="ETH", help="Store transfers from here on.")
]
TracesOption = Annotated[
    bool, typer.Option("--traces", help="Store internal transfers too, where the node has traces.")
]
BatchOption = Annotated[
    int, typer.Option("--batch-blocks", metavar="N", help="Blocks in one transaction.")
]


def rpc(
    context: typer.Context,
    node: Annotated[
        str | None,
        typer.Argument(
            metavar="[URL]",
            help=f"http(s):// or ws(s)://. Others can see it: prefer {NODE_VARIABLE}.",
            show_default=False,
        ),
    ] = None,
    chain_id: ChainOption = None,
    first: Annotated[
        int | None,
        typer.Option(
            "--from",
            metavar="N",
            help="Where a new stream begins; the node's head if not given.",
            show_default=False,
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(
            "--to", metavar="N", help="End once this block is stored.", show_default=False
        ),
    ] = None,
    min_value_eth: MinValueOption = "100",
    traces: TracesOption = False,
    stream: Annotated[
        str, typer.Option("--stream", metavar="NAME", help="Name of the cursor; one writer each.")
    ] = "live",
    batch_blocks: BatchOption = 20,
    poll_interval: Annotated[
        float,
        typer.Option("--poll-interval", metavar="S", help="Seconds between two looks at the head."),
    ] = 2.0,
    finalised_depth: Annotated[
        int | None,
        typer.Option(
            "--finalised-depth",
            metavar="N",
            help="Blocks below the head that count as finalised, if the node does not say.",
            show_default=False,
        ),
    ] = None,
    give_up_after: Annotated[
        float,
        typer.Option("--give-up-after", metavar="S", help="Seconds to wait for a node or server."),
    ] = 600.0,
    lease: Annotated[
        float,
        typer.Option(
            "--lease", metavar="S", help="Seconds until a writer that died is taken over from."
        ),
    ] = 15.0,
    url: UrlOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Follow a node's chain.

    Stores new blocks' large transfers as they come, and what came since it last ran.
    Reorganisations are followed, alerts fire in the transaction that stores the transfer.
    SIGTERM or Ctrl-C ends it once what it is writing is written, with exit code 0, or 1 if
    there were bad items.
    """
    invocation = Invocation.of(context, PROJECT, url, debug, json)

    async def work() -> "FollowSummary":
        from typedsql.database import Database
        from whaledb.live import FollowOptions, check_follow_options, follow
        from whaledb.rpc import open_node

        options = FollowOptions(
            chain_id=chain_id,
            stream=stream,
            first_number=first,
            last_number=last,
            min_value_eth=ether(min_value_eth),
            traces=traces,
            batch_blocks=batch_blocks,
            finalised_depth=finalised_depth,
            give_up_after_s=give_up_after,
            lease_s=lease,
        )
        check_follow_options(options)
        with stopped_by_signals() as stop:
            async with (
                open_node(node_url(node), poll_interval_s=poll_interval) as opened,
                Database.connect(invocation.target(), project=PROJECT) as db,
            ):
                summary = await follow(
                    db,
                    opened,
                    options,
                    stop=stop,
                    on_progress=_Reports().followed,
                    on_refused=refusals(say),
                    on_notice=say,
                )
        _tell_followed(invocation, summary)
        return summary

    if invocation.run(work).dead_letters:
        raise typer.Exit(FINDINGS)


def backfill(
    context: typer.Context,
    node: Annotated[
        str | None,
        typer.Option(
            "--rpc",
            metavar="URL",
            help=f"The node. Others can see it: prefer {NODE_VARIABLE}.",
            show_default=False,
        ),
    ] = None,
    chain_id: ChainOption = None,
    first: Annotated[
        int | None,
        typer.Option(
            "--from",
            metavar="N",
            help="Lowest block; the lowest stored if not given.",
            show_default=False,
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(
            "--to",
            metavar="N",
            help="Highest block; the highest stored if not given.",
            show_default=False,
        ),
    ] = None,
    max_blocks: Annotated[
        int | None,
        typer.Option("--max-blocks", metavar="N", help="Fill so many and end.", show_default=False),
    ] = None,
    min_value_eth: MinValueOption = "100",
    traces: TracesOption = False,
    batch_blocks: BatchOption = 20,
    url: UrlOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Fill missing blocks from a node.

    Goes through what `whaledb gaps` lists, lowest first, a batch in each transaction; ended
    in any way it goes on when started again. Stored blocks and alerts are left alone.
    """
    invocation = Invocation.of(context, PROJECT, url, debug, json)

    async def work() -> "BackfillSummary":
        from typedsql.database import Database
        from whaledb.live import BackfillOptions, check_backfill_options
        from whaledb.live import backfill as fill
        from whaledb.rpc import open_node

        options = BackfillOptions(
            chain_id=chain_id,
            first_number=first,
            last_number=last,
            max_blocks=max_blocks,
            min_value_eth=ether(min_value_eth),
            traces=traces,
            batch_blocks=batch_blocks,
        )
        check_backfill_options(options)
        with stopped_by_signals() as stop:
            async with (
                open_node(node_url(node)) as opened,
                Database.connect(invocation.target(), project=PROJECT) as db,
            ):
                summary = await fill(
                    db,
                    opened,
                    options,
                    stop=stop,
                    on_progress=_Reports().filled,
                    on_refused=refusals(say),
                    on_notice=say,
                )
        _tell_filled(invocation, summary)
        return summary

    summary = invocation.run(work)
    if summary.dead_letters or summary.conflicts or summary.missing_at_node:
        raise typer.Exit(FINDINGS)


def node_url(given: str | None) -> str:
    """The node that was named. Raises WrongUsage where none was."""
    url = given or os.environ.get(NODE_VARIABLE, "")
    if not url:
        raise WrongUsage(
            f"no node is named: give its URL, or set {NODE_VARIABLE}, which others cannot see"
        )
    return url


@contextmanager
def stopped_by_signals() -> "Generator[asyncio.Event]":
    """An event that SIGTERM, SIGHUP or Ctrl-C sets; a second one ends the work at once."""
    import asyncio

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    before: dict[int, _Handler] = {}

    def end(number: int, _: object) -> None:
        restore()
        loop.call_soon_threadsafe(told, number)

    def told(number: int) -> None:
        # Not in the handler, which may have interrupted another line.
        say(f"ending once what is being written is ({signal.Signals(number).name})")
        stop.set()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in (signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGTERM)):
        handler = signal.getsignal(number)
        if handler is not signal.SIG_IGN:
            before[number] = handler
    for number in before:
        signal.signal(number, end)
    try:
        yield stop
    finally:
        restore()


class _Reports:
    """Says on stderr where a run stands: at once, then every so often, and when it catches up."""

    def __init__(self) -> None:
        self._told_s: float | None = None
        self._was_behind = False

    def followed(self, now: "FollowProgress") -> None:
        is_behind = now.lag_blocks > 0
        caught_up = self._was_behind and not is_behind
        self._was_behind = is_behind
        if caught_up or self._is_due(REPORT_INTERVAL_S if is_behind else QUIET_INTERVAL_S):
            where = (
                f"{now.lag_blocks} behind the node's head" if is_behind else "at the node's head"
            )
            say(
                f"block {now.stored_number}, {where}, {_age(now.lag_s)} old; "
                f"{now.blocks} blocks and {now.transactions_written} transfers in this run"
            )
            self._told_s = time.monotonic()

    def filled(self, now: "BackfillProgress") -> None:
        if self._is_due(REPORT_INTERVAL_S):
            say(
                f"up to block {now.number}: {now.blocks} blocks filled, "
                f"{now.transactions_written} transfers written"
            )
            self._told_s = time.monotonic()

    def _is_due(self, interval_s: float) -> bool:
        return self._told_s is None or time.monotonic() - self._told_s >= interval_s


def _age(seconds: float) -> str:
    """In the largest unit of which there are two."""
    for unit, length_s in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def _tell_followed(invocation: Invocation, summary: "FollowSummary") -> None:
    """The summary on stdout; that there are bad items on stderr too."""
    if invocation.json:
        invocation.write_json(summary)
    else:
        at = "none" if summary.stored_number is None else summary.stored_number
        chain = "not known" if summary.chain_id is None else summary.chain_id
        show(
            f"Chain {chain}, last block: {at}. Blocks: {summary.blocks}; orphaned: "
            f"{summary.blocks_orphaned}, revived: {summary.blocks_revived}. Transfers: "
            f"{summary.transactions_written} written, {summary.already_present} already "
            f"present. Alerts fired: {summary.alerts_fired}."
        )
    tell_refused(summary.dead_letters)


def _tell_filled(invocation: Invocation, summary: "BackfillSummary") -> None:
    if invocation.json:
        invocation.write_json(summary)
    else:
        show(
            f"Blocks filled: {summary.blocks}; in conflict: {summary.conflicts}, not at the "
            f"node: {summary.missing_at_node}. Transfers: {summary.transactions_written} "
            f"written, {summary.already_present} already present."
        )
    tell_refused(summary.dead_letters)
