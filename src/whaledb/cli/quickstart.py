"""From nothing to whales on the screen: `whaledb quickstart`."""

import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from typedsql.cli.invocation import (
    FINDINGS,
    DebugOption,
    Invocation,
    JsonOption,
    UrlOption,
    WrongUsage,
    agree,
)
from typedsql.cli.output import show
from typedsql.errors import ConfigurationError, DataError
from whaledb.cli.amounts import ether
from whaledb.cli.progress import ingest_visibly, tell_refused, waiting
from whaledb.project import PROJECT

if TYPE_CHECKING:
    from typedsql.settings import ConnectionTarget
    from whaledb.cli.quickstart_facts import Facts
    from whaledb.ingest import Content, IngestSummary

_EMBEDDED: Final = "embedded:"
_NEXT_ROWS: Final = 5
# The same on each run, so that the second one finds its own cursor.
_SIMULATED_BLOCKS: Final = "simulation:blocks"
_SIMULATED_RECEIPTS: Final = "simulation:receipts"


def quickstart(
    context: typer.Context,
    blocks: Annotated[
        list[str] | None,
        typer.Option(
            "--blocks",
            metavar="PATH",
            help="Blocks from a file in place of simulated ones; may be repeated.",
            show_default=False,
        ),
    ] = None,
    receipts: Annotated[
        list[str] | None,
        typer.Option(
            "--receipts",
            metavar="PATH",
            help="Receipts to --blocks; may be repeated.",
            show_default=False,
        ),
    ] = None,
    chain_id: Annotated[
        int | None,
        typer.Option(
            "--chain-id",
            metavar="N",
            help="EIP-155 number of the chain of --blocks.  [default: 1]",
            show_default=False,
        ),
    ] = None,
    min_value_eth: Annotated[
        str, typer.Option("--min-value-eth", metavar="ETH", help="Store transfers from here on.")
    ] = "100",
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Do not ask before writing to a server other than the embedded one.",
            show_default=False,
        ),
    ] = False,
    url: UrlOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show whales: set up, ingest, look.

    Migrates, stores a day of simulated blocks (or yours), and shows the largest transfers,
    volume by hour, a reorganisation, and an alert that its user alone may read. Asks before
    it writes to a server other than the embedded one, and refuses one that is not on this
    machine. Running it twice changes nothing.
    """
    invocation = Invocation.of(context, PROJECT, url, debug, json)

    async def work() -> "Facts":
        feed = _Feed(blocks or (), receipts or (), chain_id, ether(min_value_eth))
        target = invocation.target()
        _agree(target, simulated=feed.simulated, yes=yes)
        facts = await _run(invocation, target, feed)
        if json:
            invocation.write_json(facts)
        else:
            _show(facts)
        return facts

    refused = invocation.run(work).ingest.dead_letters
    tell_refused(refused)
    if refused:
        raise typer.Exit(FINDINGS)


class _Feed:
    """What is ingested: blocks at paths, or the simulated chain.

    Raises:
        WrongUsage: an option goes with --blocks alone.
        ConfigurationError: an option cannot be used, or a path cannot be read.
    """

    def __init__(
        self,
        blocks: Sequence[str],
        receipts: Sequence[str],
        chain_id: int | None,
        min_value_eth: Decimal,
    ) -> None:
        from whaledb import simulation
        from whaledb.ingest import MAINNET_CHAIN_ID, Content, check_request

        self.simulated = not blocks
        self.min_value_eth = min_value_eth
        self._blocks, self._receipts = blocks, receipts
        if self.simulated:
            if receipts or chain_id not in (None, simulation.CHAIN_ID):
                raise WrongUsage(
                    "--receipts and --chain-id go with --blocks: the simulated chain has its own"
                    f" receipts and is chain {simulation.CHAIN_ID}"
                )
            self.chain_id = simulation.CHAIN_ID
        else:
            self.chain_id = MAINNET_CHAIN_ID if chain_id is None else chain_id
        # A misspelt path is told before an embedded server is started for it.
        check_request(
            blocks or [Content(_SIMULATED_BLOCKS, b"")],
            chain_id=self.chain_id,
            min_value_eth=min_value_eth,
            receipts=receipts,
        )

    def sources(self) -> tuple[Sequence["str | Content"], Sequence["str | Content"]]:
        """Blocks and receipts."""
        if not self.simulated:
            return self._blocks, self._receipts
        from whaledb.ingest import Content
        from whaledb.simulation import simulate

        chain = simulate()
        return (
            [Content(_SIMULATED_BLOCKS, chain.blocks_ndjson())],
            [Content(_SIMULATED_RECEIPTS, chain.receipts_ndjson())],
        )

    def check(self, summary: "IngestSummary") -> None:
        """Raises DataError where there was nothing to show: what is stored is not of this run."""
        if not summary.blocks:
            raise DataError(
                f"{', '.join(self._blocks)}: no block was found; expected JSON-RPC replies or"
                " blocks, as NDJSON, a JSON array or one object, plain or .gz"
            )


class _Clock:
    """Seconds since it was made or last asked."""

    def __init__(self) -> None:
        self._since_s = time.perf_counter()

    def lap(self) -> float:
        before, self._since_s = self._since_s, time.perf_counter()
        return round(self._since_s - before, 4)


async def _run(invocation: Invocation, target: "ConnectionTarget", feed: _Feed) -> "Facts":
    from typedsql.database import Database
    from typedsql.embedded import reachable
    from typedsql.tools.migrations import migrate
    from whaledb.cli.quickstart_facts import Facts, Timings, read_picture, show_alert_to_both

    clock = _Clock()
    async with AsyncExitStack() as stack:
        with waiting("starting PostgreSQL; the first time takes some seconds"):
            await stack.enter_async_context(reachable(target))
        started_s = clock.lap()
        with waiting("applying migrations") as on_news:
            migrated = await migrate(target, PROJECT, announce=on_news)
        migrated_s = clock.lap()
        blocks, receipts = feed.sources()
        simulated_s = clock.lap()
        db = await stack.enter_async_context(Database.connect(target, project=PROJECT))
        summary = await ingest_visibly(
            db,
            blocks,
            chain_id=feed.chain_id,
            min_value_eth=feed.min_value_eth,
            receipts=receipts,
        )
        feed.check(summary)
        ingested_s = clock.lap()
        picture = await read_picture(db, chain_id=feed.chain_id, min_value_eth=feed.min_value_eth)
        alert, skipped = await show_alert_to_both(db, chain_id=feed.chain_id)
        queried_s = clock.lap()
    sender = picture.largest[0].from_address if picture.largest else None
    options, note = connection_options(invocation.url)
    return Facts(
        database=target.describe(),
        chain_id=feed.chain_id,
        simulated=feed.simulated,
        min_value_eth=feed.min_value_eth,
        migrations_applied=len(migrated.files),
        ingest=summary,
        picture=picture,
        alert=alert,
        alert_skipped=skipped,
        timings_s=Timings(
            server_start=None if target.embedded_dir is None else started_s,
            migrations=migrated_s,
            simulation=simulated_s if feed.simulated else None,
            ingest=ingested_s,
            queries=queried_s,
        ),
        next=[shlex.join([*words, *options]) for words in _next_commands(feed.chain_id, sender)],
        next_note=note,
    )


def _agree(target: "ConnectionTarget", *, simulated: bool, yes: bool) -> None:
    """Have a person agree where it is not our own server that is written to.

    A tunnel to a production server has a local address too.
    """
    if target.embedded_dir is not None:
        return
    written = "two demonstration accounts with an alert"
    if simulated:
        written = f"made-up transfers and {written}"
    if not target.is_local():
        raise ConfigurationError(
            f"quickstart writes {written}, and {target.describe()} is not on this machine:"
            " nothing was done; there, use migrate and ingest blocks"
        )
    if yes:
        return
    agree(
        f"This migrates {target.describe()} and writes {written} to it",
        otherwise="say --yes if it may, or --url embedded: for a server of its own",
    )


def _next_commands(chain_id: int, sender: str | None) -> list[list[str]]:
    program = program_as_called()
    query = [program, "query"]
    by_address = (
        [
            *query,
            "whale_transactions.list_by_address",
            f"address={sender}",
            f"max_rows={_NEXT_ROWS}",
        ]
        if sender
        else query
    )
    return [
        by_address,
        [*query, "blocks.get_latest", f"chain_id={chain_id}"],
        [program, "doctor"],
    ]


def program_as_called() -> str:
    """How to call this program again: by its path where its name would not find it."""
    called = Path(sys.argv[0])
    if called.name != PROJECT.name or not called.is_file():
        return PROJECT.name  # it runs inside another program
    found = shutil.which(PROJECT.name)
    if found is not None and Path(found).samefile(called):
        return PROJECT.name
    return str(called)


def connection_options(url: str | None) -> tuple[list[str], str | None]:
    """What the next commands need to reach the same database; never a password."""
    if url is None:
        return [], None
    if not url.strip().startswith(_EMBEDDED):
        from pydantic import SecretStr

        from typedsql.connection_url import parse_url

        if parse_url(SecretStr(url), name="The given URL").password is not None:
            return [], (
                "The URL you gave holds a password, so it is not repeated here: set"
                " DATABASE_URL to it first."
            )
    return ["--url", url], None


def _show(facts: "Facts") -> None:
    from whaledb.cli.quickstart_screen import draw

    for line in draw(facts, encoding=getattr(sys.stdout, "encoding", None)):
        show(line)
