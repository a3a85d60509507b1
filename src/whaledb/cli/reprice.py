"""The pricing of stored transfers as a command."""

from typing import TYPE_CHECKING, Annotated

import msgspec
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
from typedsql.cli.output import count, show
from whaledb.cli.amounts import amount_of
from whaledb.cli.progress import waiting
from whaledb.cli.times import time_of
from whaledb.project import PROJECT

if TYPE_CHECKING:
    from datetime import datetime

    from whaledb.store.pricing import Chart, GivenPrice, RepriceSummary


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for, as text."""

    exchange: str | None
    symbol: str | None
    interval: str
    price: str | None
    source: str | None
    scores: bool


def reprice(
    context: typer.Context,
    exchange: Annotated[
        str | None,
        typer.Option(
            "--exchange", metavar="NAME", help="Whose candles to read.", show_default=False
        ),
    ] = None,
    symbol: Annotated[
        str | None,
        typer.Option(
            "--symbol",
            metavar="NAME",
            help="Candles of the chain's native unit in US dollars, such as ETHUSDT.",
            show_default=False,
        ),
    ] = None,
    interval: Annotated[
        str,
        typer.Option("--interval", metavar="LENGTH", help="Candles from 1m to 1w; 1M cannot be."),
    ] = "1m",
    price: Annotated[
        str | None,
        typer.Option(
            "--price",
            metavar="USD",
            help="A price in place of candles, for the period.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="TEXT", help="Where --price comes from.", show_default=False
        ),
    ] = None,
    chain_id: Annotated[
        int, typer.Option("--chain-id", metavar="N", min=1, help="EIP-155 number of the chain.")
    ] = 1,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="From this block time on, such as 2026-01-31T12:00:00Z.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="TIME", help="Up to this block time, without it.", show_default=False
        ),
    ] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Replace prices that differ, too.", show_default=False),
    ] = False,
    scores: Annotated[
        bool,
        typer.Option(
            "--scores",
            help="Score rows of every chain that have no score; alone, or too.",
            show_default=False,
        ),
    ] = False,
    url: UrlOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Price stored transfers in dollars.

    A transfer's price is the close of the last candle that had ended at its block's time,
    less than one interval before. Where there is none it is left without a price. A price
    by hand needs its source and both ends of its period.

    Works in small transactions, from the oldest on; run again it goes on. The exit code is
    1 where a row cannot hold its price.
    """
    invocation = Invocation.of(context, PROJECT, url, debug, json)
    request = Request(
        exchange=exchange,
        symbol=symbol,
        interval=interval,
        price=price,
        source=source,
        scores=scores,
    )

    async def work() -> "RepriceSummary":
        from typedsql.database import Database

        asked = _price(request)
        first, end = time_of("--since", since), time_of("--until", until)
        _check_period(asked, first, end)
        async with Database.connect(invocation.target(), project=PROJECT, max_size=1) as db:
            from whaledb.store import pricing

            done = pricing.RepriceSummary()
            with waiting("pricing") as tell:
                if asked is not None:
                    done = await pricing.reprice(
                        db,
                        asked,
                        chain_id=chain_id,
                        since=first,
                        until=end,
                        again=again,
                        on_progress=lambda now: tell(f"{now.rows} rows, {now.priced} priced"),
                    )
                if scores:
                    scored = await pricing.score_missing(
                        db, on_progress=lambda rows: tell(f"{rows} rows scored")
                    )
                    done = msgspec.structs.replace(done, scored=scored)
        priced_chain = None if asked is None else chain_id
        _tell(invocation, done, priced_chain=priced_chain, scored=scores)
        return done

    if invocation.run(work).refused:
        raise typer.Exit(FINDINGS)


def _price(request: Request) -> "Chart | GivenPrice | None":
    """What to price by; None where scores alone are asked for."""
    from whaledb.store.pricing import Chart, GivenPrice

    by_chart = request.exchange is not None or request.symbol is not None
    by_hand = request.price is not None or request.source is not None
    if by_chart and by_hand:
        raise WrongUsage("prices come from candles or from --price, not from both")
    if by_hand:
        if request.price is None or request.source is None:
            raise WrongUsage("--price and --source belong together: say where the price is from")
        dollars = amount_of("--price", request.price, expected="US dollars, such as 1850.25")
        return GivenPrice.stated(dollars, source=request.source)
    if by_chart:
        if request.exchange is None or request.symbol is None:
            raise WrongUsage("--exchange and --symbol belong together: both name the candles")
        return Chart.named(
            exchange=request.exchange, symbol=request.symbol, interval=request.interval
        )
    if not request.scores:
        raise WrongUsage(
            "nothing says what to price by: give --exchange and --symbol, or --price and --source"
        )
    return None


def _check_period(
    price: "Chart | GivenPrice | None", since: "datetime | None", until: "datetime | None"
) -> None:
    """What can be told before an embedded server is started for it."""
    from whaledb.store.pricing import check_period

    if price is not None:
        check_period(price, since=since, until=until)


def _tell(
    invocation: Invocation, done: "RepriceSummary", *, priced_chain: int | None, scored: bool
) -> None:
    """The summary on stdout; which rows were refused on stderr too."""
    if invocation.json:
        invocation.write_json(done)
    else:
        if priced_chain is not None:
            show(
                f"Rows of chain {priced_chain}: {done.rows}. Priced: {done.priced}, unchanged:"
                f" {done.unchanged}, left without a new price: {done.without_price}."
            )
        if scored:
            show(f"Scored: {done.scored}.")
    if done.refused:
        say(
            f"{count(done.refused, 'row')} cannot hold a price, because the amount in dollars"
            " is too large or the close is not above 0; all else was priced"
        )
        for each in done.refused_hashes:
            say(f"  {each}")
