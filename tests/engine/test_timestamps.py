"""Timestamps come and go exactly as the driver's own codec has them, and sooner."""

import datetime
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typedsql import timestamps
from typedsql.settings import ConnectionTarget
from typedsql.timestamps import REMEMBERED_TIMESTAMPS, Remembered, encode_timestamptz

UTC = datetime.UTC
MOMENTS = st.datetimes(timezones=st.timezones())
# Texts that the server reads, among them all that has no datetime.
TEXTS = [
    "infinity",
    "-infinity",
    "0001-01-01 00:00:00+00",
    "9999-12-31 23:59:59.999999+00",
    "1999-12-31 23:59:59.999999+00",
    "2000-01-01 00:00:00.000001+00",
    "1969-12-31 23:00:00-05:30",
]
WITHOUT_DATETIME = ["10000-01-01 00:00:00+00", "0044-03-15 12:00:00+00 BC"]


@pytest.fixture
async def plain(connection: Any, target: ConnectionTarget) -> Any:
    """A connection with the driver's own codecs; `connection` gets ours."""
    await timestamps.install(connection)
    opened = await asyncpg.connect(**target.asyncpg_arguments())
    yield opened
    await opened.close()


async def test_they_are_read_as_the_driver_reads_them(connection: Any, plain: Any) -> None:
    # Twice, since the second time they are those that are remembered.
    for _ in range(2):
        for text in TEXTS:
            sql = f"SELECT ARRAY[TIMESTAMPTZ '{text}', NULL], TIMESTAMPTZ '{text}'"
            ours, theirs = await connection.fetchrow(sql), await plain.fetchrow(sql)
            assert tuple(ours) == tuple(theirs), text
            assert ours[1].tzinfo is theirs[1].tzinfo
    sql = "SELECT TSTZRANGE('2026-01-01Z', '2026-02-01Z'), ROW(TIMESTAMPTZ '2026-01-01Z')"
    assert tuple(await connection.fetchrow(sql)) == tuple(await plain.fetchrow(sql))


@pytest.mark.parametrize("text", WITHOUT_DATETIME)
async def test_what_no_datetime_can_hold_is_refused_as_the_driver_refuses_it(
    connection: Any, plain: Any, text: str
) -> None:
    for each in (connection, plain):
        with pytest.raises(OverflowError):
            await each.fetchval(f"SELECT TIMESTAMPTZ '{text}'")
        assert await each.fetchval("SELECT 1") == 1


async def test_they_are_sent_as_the_driver_sends_them(connection: Any, plain: Any) -> None:
    east = datetime.timezone(datetime.timedelta(hours=5, minutes=45))
    values = [
        datetime.datetime.max,
        datetime.datetime.min,
        datetime.datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=east),
        datetime.datetime(1, 1, 2, tzinfo=UTC),
        datetime.datetime(9999, 12, 31, 23, 59, 59, 999998, tzinfo=UTC),
    ]
    sql = "SELECT CAST(t AS TEXT) FROM unnest($1::TIMESTAMPTZ[]) AS t"
    ours, theirs = await connection.fetch(sql, values), await plain.fetch(sql, values)
    assert ours == theirs
    table = "CREATE TEMPORARY TABLE moments (at TIMESTAMPTZ)"
    await connection.execute(table)
    await connection.copy_records_to_table("moments", records=[(value,) for value in values])
    copied = await connection.fetch("SELECT CAST(at AS TEXT) FROM moments")
    assert copied == theirs


async def test_the_first_and_the_last_moment_are_not_taken_for_infinity(
    connection: Any, plain: Any
) -> None:
    ends = [datetime.datetime.min.replace(tzinfo=UTC), datetime.datetime.max.replace(tzinfo=UTC)]
    sql = "SELECT isfinite(t) FROM unnest($1::TIMESTAMPTZ[]) AS t"
    assert [row[0] for row in await connection.fetch(sql, ends)] == [True, True]
    # The control: the driver does not look at the zone, and stores another moment.
    assert [row[0] for row in await plain.fetch(sql, ends)] == [False, False]


@given(MOMENTS)
@settings(max_examples=100, deadline=None)
def test_every_moment_comes_back(moment: datetime.datetime) -> None:
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:
        return
    found = Remembered()[encode_timestamptz(moment)]
    # Not by ==, for which a moment in a gap of its zone equals nothing in another.
    assert (found.isoformat(), found.tzinfo) == (expected.isoformat(), UTC)


@pytest.mark.parametrize("value", [datetime.datetime(2026, 1, 1), "2026-01-01", 0, True])
def test_what_is_no_moment_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        encode_timestamptz(value)
    assert "2026" not in str(caught.value)


def test_what_is_remembered_is_handed_out_again_and_is_bounded() -> None:
    remembered = Remembered()
    start = datetime.datetime(2026, 1, 1, tzinfo=UTC)
    wires = [
        encode_timestamptz(start + datetime.timedelta(seconds=n))
        for n in range(2 * REMEMBERED_TIMESTAMPS)
    ]
    first = remembered[wires[0]]
    assert remembered[bytes(bytearray(wires[0]))] is first
    for wire in wires:
        assert len(remembered) <= REMEMBERED_TIMESTAMPS
        assert encode_timestamptz(remembered[wire]) == wire
