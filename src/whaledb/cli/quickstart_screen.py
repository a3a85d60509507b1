"""The screen of quickstart: what was found, for a person who sees it for the first time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from typedsql.cli.output import count, terminal_width, wrapped
from whaledb.cli import chart
from whaledb.cli.quickstart_facts import HOURS_SHOWN, Facts

_ONE_LINE_COLUMNS: Final = 66
"""From here on a transfer fits on one line."""
_INDENT: Final = "  "


def draw(facts: Facts, *, encoding: str | None) -> Iterator[str]:
    """The lines, no wider than the terminal but for what has to be copied whole."""
    signs = chart.signs_for(encoding)
    columns = max(min(terminal_width(), chart.WIDEST_COLUMNS), chart.NARROWEST_COLUMNS)
    yield from _summary(facts, columns)
    yield ""
    yield from _largest(facts, columns, signs)
    yield ""
    yield from _hours(facts, columns, signs)
    yield from _reorganisations(facts, columns)
    yield ""
    yield from _alert(facts, columns)
    yield ""
    yield from _timings(facts, columns)
    yield ""
    yield from _next(facts, columns)


def _summary(facts: Facts, columns: int) -> Iterator[str]:
    summary = facts.ingest
    kind = "simulated block" if facts.simulated else "block"
    text = (
        f"{_number(summary.blocks, kind)} of chain {facts.chain_id} with"
        f" {_number(summary.transactions_seen, 'transaction')}: of those worth at least"
        f" {_eth(facts.min_value_eth)}, {summary.transactions_written:,} written and"
        f" {summary.already_present:,} already present."
    )
    yield from wrapped(text, columns=columns)
    yield from wrapped(f"Database: {facts.database}", columns=columns)


def _largest(facts: Facts, columns: int, signs: chart.Signs) -> Iterator[str]:
    yield "Largest transfers (ETH; times in UTC)"
    picture = facts.picture
    if not picture.largest:
        yield f"  none of at least {_eth(facts.min_value_eth)}"
    amounts = [chart.amount(row.value_eth) for row in picture.largest]
    width = max(map(len, amounts), default=0)
    for rank, (row, amount) in enumerate(zip(picture.largest, amounts, strict=True), start=1):
        receiver = (
            "(new contract)" if row.to_address is None else chart.address(row.to_address, signs)
        )
        route = f"{chart.address(row.from_address, signs)} {signs.arrow} {receiver}"
        first = f"  {rank:>2}  {_minute(row.block_timestamp)}  {amount:>{width}}"
        if columns >= _ONE_LINE_COLUMNS:
            yield f"{first}  {route}"
        else:
            yield first
            yield f"      {route}"
    text = "Only what moved ether on the canonical chain counts."
    if picture.failed:
        text += f" {_number(picture.failed, 'large transaction')} failed and moved nothing."
    yield from wrapped(text, columns=columns, indent=_INDENT)


def _hours(facts: Facts, columns: int, signs: chart.Signs) -> Iterator[str]:
    picture = facts.picture
    if not picture.hours or picture.first_hour is None or picture.latest is None:
        yield f"Volume by hour: none in the {HOURS_SHOWN} hours up to the latest block"
        return
    title = (
        f"Volume by hour (ETH of all stored transfers; {HOURS_SHOWN} hours up to"
        f" {_minute(picture.latest)} UTC)"
    )
    yield from wrapped(title, columns=columns)
    volumes = {row.hour: row.volume_eth for row in picture.hours if row.hour and row.volume_eth}
    every = [picture.first_hour + timedelta(hours=n) for n in range(HOURS_SHOWN)]
    first = min(volumes, default=picture.latest)
    shown = [hour for hour in every if first <= hour <= picture.latest]
    one_day = len({hour.date() for hour in shown}) == 1
    labels = [f"{hour:%H:%M}" if one_day else f"{hour:%m-%d %H:%M}" for hour in shown]
    heights = [volumes.get(hour, Decimal(0)) for hour in shown]
    yield from chart.bars(list(zip(labels, heights, strict=True)), columns=columns, signs=signs)


def _reorganisations(facts: Facts, columns: int) -> Iterator[str]:
    if not facts.picture.reorganisations:
        return
    yield ""
    yield "Reorganisation"
    for found in facts.picture.reorganisations:
        by = f" and {found.replaced_by[:10]} took its place" if found.replaced_by else ""
        text = (
            f"Block {found.block_number:,} ({found.block_hash[:10]}) was orphaned{by}."
            f" {count(found.rows_marked, 'row')} of it {_is(found.rows_marked)} marked,"
            " not deleted, and no longer counted."
        )
        yield from wrapped(text, columns=columns, indent=_INDENT)


def _alert(facts: Facts, columns: int) -> Iterator[str]:
    title = "An alert, read as its user and as another (row level security)"
    yield from wrapped(title, columns=columns)
    alert = facts.alert
    if alert is None:
        yield from wrapped(facts.alert_skipped or "", columns=columns, indent=_INDENT)
        return
    text = (
        f"Ada has an alert for transfers of {alert.min_value_eth:,} ETH or more"
        f" ({alert.would_fire:,} of them {_was(alert.would_fire)} found). Ada and Bob each ask for"
        " their own alerts (alerts.list_mine), and Bob asks for Ada's by its id (alerts.get)."
        " PostgreSQL itself, not the query, decides what he may see:"
    )
    yield from wrapped(text, columns=columns, indent=_INDENT)
    yield f"    as Ada, her own:   {count(alert.seen_by_owner, 'alert')}"
    yield f"    as Bob, his own:   {count(alert.seen_by_stranger, 'alert')}"
    yield f"    as Bob, Ada's:     {count(int(alert.found_by_stranger), 'alert')}"


def _timings(facts: Facts, columns: int) -> Iterator[str]:
    yield "Timings"
    timings, summary = facts.timings_s, facts.ingest
    if timings.server_start is not None:
        yield f"  server start  {_seconds(timings.server_start)}"
    applied = f"{facts.migrations_applied} applied" if facts.migrations_applied else "none pending"
    yield f"  migrations    {_seconds(timings.migrations)}  {applied}"
    if timings.simulation is not None:
        yield f"  simulation    {_seconds(timings.simulation)}"
    line = f"  ingest        {_seconds(timings.ingest)}"
    rates = (
        f"{summary.blocks / timings.ingest:,.0f} blocks/s",
        f"{summary.transactions_seen / timings.ingest:,.0f} transactions/s",
    )
    if len(line) + 2 + len(", ".join(rates)) <= columns:
        yield f"{line}  {', '.join(rates)}"
    else:
        yield line
        yield from (" " * 16 + rate for rate in rates)
    yield f"  queries       {_seconds(timings.queries)}"


def _next(facts: Facts, columns: int) -> Iterator[str]:
    yield "Try next"
    if facts.next_note:
        yield from wrapped(facts.next_note, columns=columns, indent=_INDENT)
    for command in facts.next:
        yield from _command(command, columns)


def _command(command: str, columns: int) -> Iterator[str]:
    """On one line if it fits, else broken before an argument, as shells allow."""
    line = "  "
    for word in command.split(" "):
        started = bool(line.strip())
        if started and len(line) + 1 + len(word) > columns - 2:
            yield f"{line} \\"
            line = "      " + word
        else:
            line += f" {word}" if started else word
    yield line


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _eth(value: Decimal) -> str:
    """As somebody would write it: 100 ETH, 0.5 ETH, 1,000 ETH."""
    whole = value == value.to_integral_value()
    return f"{value:,.0f} ETH" if whole else f"{value.normalize():,f} ETH"


def _minute(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def _seconds(seconds: float) -> str:
    return f"{seconds:>7.2f} s"
