"""What is missing between what is stored, as a command."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from typedsql.cli.invocation import (
    FINDINGS,
    DebugOption,
    Invocation,
    JsonOption,
    UrlOption,
    WrongUsage,
)
from typedsql.cli.output import count, show, write_rows
from whaledb.cli.times import time_of
from whaledb.project import PROJECT

if TYPE_CHECKING:
    from typedsql.database import Database
    from whaledb.rows import CandleGap, MissingBlocks

MAX_RANGES: Final = 1_000
"""Ranges of either kind that are told at once."""


class Gaps(msgspec.Struct, frozen=True, kw_only=True):
    """What is missing. `first_number` and `last_number` are the lowest and the highest stored
    block, None where there is none. The `more_` ones tell that not all ranges are listed.
    """

    chain_id: int
    first_number: int | None
    last_number: int | None
    blocks: "Sequence[MissingBlocks]"
    more_blocks: bool
    candles: "Sequence[CandleGap]"
    more_candles: bool


def gaps(
    context: typer.Context,
    chain_id: Annotated[
        int, typer.Option("--chain-id", metavar="N", min=1, help="EIP-155 number of the chain.")
    ] = 1,
    exchange: Annotated[
        str | None,
        typer.Option(
            "--exchange", metavar="NAME", help="Candles of this one alone.", show_default=False
        ),
    ] = None,
    symbol: Annotated[
        str | None,
        typer.Option(
            "--symbol", metavar="NAME", help="Candles of this one alone.", show_default=False
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Candles from here on, such as 2026-01-31T12:00:00Z.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="TIME", help="Candles up to here, without it.", show_default=False
        ),
    ] = None,
    max_ranges: Annotated[
        int,
        typer.Option(
            "--max-ranges", metavar="N", min=1, help=f"How many of a kind, at most {MAX_RANGES}."
        ),
    ] = 100,
    url: UrlOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List missing blocks and candles.

    Blocks between the lowest and the highest stored one of a chain, candles between the
    first and the last one of each chart. Hours without trading are missing candles too. The
    exit code is 1 where something is missing.
    """
    invocation = Invocation.of(context, PROJECT, url, debug, json)

    async def work() -> Gaps:
        from typedsql.database import Database

        if max_ranges > MAX_RANGES:
            raise WrongUsage(f"--max-ranges has to be at most {MAX_RANGES}")
        first, end = time_of("--since", since), time_of("--until", until)
        async with Database.connect(invocation.target(), project=PROJECT, max_size=1) as db:
            found = await _find(
                db,
                chain_id=chain_id,
                exchange=exchange,
                symbol=symbol,
                since=first,
                until=end,
                max_ranges=max_ranges,
            )
        if json:
            invocation.write_json(found)
        else:
            _write(found)
        return found

    found = invocation.run(work)
    if found.blocks or found.candles:
        raise typer.Exit(FINDINGS)


async def _find(
    db: "Database",
    *,
    chain_id: int,
    exchange: str | None,
    symbol: str | None,
    since: datetime | None,
    until: datetime | None,
    max_ranges: int,
) -> Gaps:
    """Asks for one range more than is listed, which tells whether there are more."""
    from whaledb.queries import blocks, market_data
    from whaledb.store.pricing import FIRST_TIME, LAST_TIME

    lowest = await blocks.get_earliest(db, chain_id=chain_id)
    highest = await blocks.get_latest(db, chain_id=chain_id)
    missing: list[MissingBlocks] = []
    if lowest and highest:
        missing = await blocks.list_missing_ranges(
            db,
            chain_id=chain_id,
            first_number=lowest.number,
            last_number=highest.number,
            max_rows=max_ranges + 1,
        )
    candles = await market_data.list_gaps(
        db,
        exchange=exchange,
        symbol=symbol,
        since=since or FIRST_TIME,
        until=until or LAST_TIME,
        max_rows=max_ranges + 1,
    )
    return Gaps(
        chain_id=chain_id,
        first_number=lowest.number if lowest else None,
        last_number=highest.number if highest else None,
        blocks=missing[:max_ranges],
        more_blocks=len(missing) > max_ranges,
        candles=candles[:max_ranges],
        more_candles=len(candles) > max_ranges,
    )


def _write(found: Gaps) -> None:
    if found.first_number is None:
        show(f"Blocks: none is stored of chain {found.chain_id}")
    else:
        total = sum(each.block_count for each in found.blocks)
        told = count(total, "block") if total else "none"
        more = ", and more" if found.more_blocks else ""
        show(
            f"Blocks of chain {found.chain_id} from {found.first_number} to"
            f" {found.last_number}, missing: {told}{more}"
        )
        write_rows(found.blocks)
    total = sum(each.missing_count for each in found.candles)
    told = count(total, "candle") if total else "none"
    show("")
    show(f"Candles, missing: {told}{', and more' if found.more_candles else ''}")
    write_rows(found.candles)
