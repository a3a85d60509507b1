"""Real values through generated functions: what is given as a parameter comes back the same."""

import datetime as dt
import ipaddress
import subprocess
import sys
from collections.abc import AsyncGenerator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from tests.engine.typed_project import Generated, generated, write_project
from typedsql import testing
from typedsql.errors import DataError
from typedsql.values import Range

PACKAGE = "round_trip"
UTC = dt.UTC
DAY = dt.date(2024, 2, 29)
NOON = dt.datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC)
PLAIN = NOON.replace(tzinfo=None)
FOREVER = dt.datetime.max
NEVER = dt.datetime.min
UNICODE = "a\N{SNOWMAN}\N{PILE OF POO}e\u0301 \\ \" ' , {} NULL"

SCHEMA = """\
CREATE TYPE public.mood AS ENUM ('sad', 'it''s "ok"', 'happy');
CREATE DOMAIN public.amount AS NUMERIC CHECK (VALUE >= 0);
CREATE DOMAIN public.side AS TEXT CHECK (VALUE IN ('bid', 'ask'));
CREATE DOMAIN public.code AS VARCHAR(5);
CREATE TYPE public.point_in_time AS (at TIMESTAMPTZ, label TEXT, feeling public.mood);
CREATE TYPE public.visit AS (
    began public.point_in_time,
    stops public.point_in_time[],
    during TSTZRANGE,
    numbers INTEGER[],
    notes JSONB,
    took INTERVAL,
    direction public.side,
    whole BIGINT
);
"""

# Name of the function, type in SQL, annotation of its value, values. A pair (given, back) is
# for what the server writes in another form.
CASES: list[tuple[str, str, str, list[Any]]] = [
    ("boolean", "BOOLEAN", "bool", [True, False]),
    ("int2", "SMALLINT", "int", [-(2**15), 0, 2**15 - 1]),
    ("int4", "INTEGER", "int", [-(2**31), 0, 2**31 - 1]),
    ("int8", "BIGINT", "int", [-(2**63), 0, 2**63 - 1]),
    ("float4", "REAL", "float", [0.5, float("inf"), float("-inf"), float("nan"), -0.0]),
    ("float8", "DOUBLE PRECISION", "float", [0.1, 1.7976931348623157e308, 5e-324, float("nan")]),
    (
        "numeric",
        "NUMERIC",
        "Decimal",
        [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"), Decimal("0.10"), Decimal(-1)],
    ),
    ("text", "TEXT", "str", ["", " ", UNICODE, "\n", "a" * 100_000]),
    ("varchar", "VARCHAR(3)", "str", ["", "abc"]),
    ("bpchar", "CHAR(3)", "str", ["abc", ("a", "a  ")]),
    ("name", "NAME", "str", ["", "a" * 63]),
    ("char", '"char"', "bytes", [b"a", b"\xff"]),
    ("bytea", "BYTEA", "bytes", [b"", b"\x00\xff"]),
    ("uuid", "UUID", "UUID", [UUID(int=0), UUID(int=2**128 - 1)]),
    ("date", "DATE", "date", [DAY, dt.date.max, dt.date.min]),
    ("time", "TIME", "time", [dt.time.min, dt.time.max]),
    ("timestamp", "TIMESTAMP", "datetime", [PLAIN, FOREVER, NEVER]),
    ("timestamptz", "TIMESTAMPTZ", "datetime", [NOON, FOREVER, NEVER]),
    (
        "duration",
        "INTERVAL",
        "timedelta",
        [dt.timedelta.max, dt.timedelta.min, dt.timedelta(0), dt.timedelta(days=1, seconds=-1)],
    ),
    (
        "inet",
        "INET",
        "IPv4Address | IPv4Interface | IPv6Address | IPv6Interface",
        [
            ipaddress.ip_address("10.0.0.1"),
            ipaddress.ip_interface("10.0.0.1/8"),
            ipaddress.ip_address("::1"),
            ipaddress.ip_interface("fe80::1/64"),
        ],
    ),
    (
        "cidr",
        "CIDR",
        "IPv4Network | IPv6Network",
        [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fe80::/64")],
    ),
    ("macaddr", "MACADDR", "str", ["08:00:2b:01:02:03"]),
    ("macaddr8", "MACADDR8", "str", ["08:00:2b:01:02:03:04:05"]),
    ("oid", "OID", "int", [0, 2**32 - 1]),
    ("xid8", "XID8", "int", [2**64 - 1]),
    ("pg_lsn", "PG_LSN", "int", [0, 2**40]),
    ("regclass", "REGCLASS", "str", ["pg_class"]),
    ("tsvector", "TSVECTOR", "str", ["'a' 'b'"]),
    ("tsquery", "TSQUERY", "str", ["'a' & 'b'"]),
    ("jsonpath", "JSONPATH", "str", ['$."a"']),
    ("document", "JSONB", "Any", [{"a": [1, None, ""]}, [], "x", UNICODE, 1, True]),
    ("plain_json", "JSON", "Any", [{"a": [1, None, ""]}, [], "x"]),
    ("mood", "public.mood", "Mood", ["sad", 'it\'s "ok"']),
    ("side", "public.side", "str", ["bid"]),
    ("amount", "public.amount", "Decimal", [Decimal("0.000000000000000001")]),
    ("code", "public.code", "str", ["", "12345"]),
    ("int4s", "INTEGER[]", "list[int | None]", [[], [1, None, -1], [[1, 2], [None, 4]]]),
    ("texts", "TEXT[]", "list[str | None]", [["", None, UNICODE, "NULL", "{}", '"']]),
    ("numerics", "NUMERIC[]", "list[Decimal | None]", [[Decimal("NaN"), None, Decimal("1.10")]]),
    ("moments", "TIMESTAMPTZ[]", "list[datetime | None]", [[NOON, None, FOREVER]]),
    ("durations", "INTERVAL[]", "list[timedelta | None]", [[dt.timedelta(1), None]]),
    ("moods", "public.mood[]", "list[Mood | None]", [["sad", None]]),
    ("codes", "public.code[]", "list[str | None]", [["a", None, ""]]),
    ("documents", "JSONB[]", "list[Any | None]", [[{"a": 1}, None, {}], []]),
    ("macaddrs", "MACADDR[]", "list[str | None]", [["08:00:2b:01:02:03", None]]),
    (
        "int4range",
        "INT4RANGE",
        "Range[int]",
        [Range(1, 5), Range(empty=True), Range(None, 5), Range(1, None), Range[int]()],
    ),
    ("int8range", "INT8RANGE", "Range[int]", [(Range(1, 5, upper_inc=True), Range(1, 6))]),
    ("daterange", "DATERANGE", "Range[date]", [Range(DAY, None), Range(DAY, dt.date.max)]),
    (
        "tsrange",
        "TSRANGE",
        "Range[datetime]",
        [Range(PLAIN, FOREVER, lower_inc=False, upper_inc=True)],
    ),
    (
        "tstzrange",
        "TSTZRANGE",
        "Range[datetime]",
        [Range(NOON, FOREVER), Range(NEVER, NOON, upper_inc=True), Range(NOON, None)],
    ),
    ("ranges", "INT4RANGE[]", "list[Range[int] | None]", [[Range(1, 2), None, Range(empty=True)]]),
    ("multirange", "INT4MULTIRANGE", "list[Range[int]]", [[], [Range(1, 2), Range(5, None)]]),
]


def queries() -> str:
    parts = ["-- Every type. Owner: the tests.\n"]
    for name, kind, _, _ in CASES:
        parts.append(f"-- name: echo_{name}(value)$\nSELECT CAST(:value AS {kind}) AS value;\n")
    for kind in ("point_in_time", "visit"):
        parts.append(
            f"-- name: echo_{kind}(value)$\nSELECT CAST(:value AS public.{kind}) AS value;\n"
        )
    parts.append(
        "-- name: echo_visits(value)$\nSELECT CAST(:value AS public.visit[]) AS value;\n"
        "-- name: get_pair(value, more)^\n"
        "SELECT CAST(:value AS public.visit) AS visit, CAST(:more AS INT4RANGE) AS span;\n"
        "-- name: get_months()$\nSELECT INTERVAL '1 month' AS value;\n"
        "-- name: get_endless()$\nSELECT CAST('infinity' AS INTERVAL) AS value;\n"
    )
    return "\n".join(parts)


@pytest_asyncio.fixture(scope="module")
async def made(
    tmp_path_factory: pytest.TempPathFactory, whaledb_databases: testing.Databases
) -> AsyncGenerator[Generated, None]:
    root = tmp_path_factory.mktemp("round trip")
    write_project(root, PACKAGE, SCHEMA, {"echoes": queries()})
    whaledb_databases.template()
    with whaledb_databases.fresh() as target:
        async with generated(root, PACKAGE, target) as project:
            yield project


@pytest.mark.parametrize(
    ("name", "kind", "annotation", "values"), CASES, ids=lambda it: str(it)[:12]
)
async def test_values_come_back_as_they_were_given(
    made: Generated, name: str, kind: str, annotation: str, values: list[Any]
) -> None:
    echo = getattr(made.queries("echoes"), f"echo_{name}")
    source = (made.root / "src" / PACKAGE / "queries" / "echoes.py").read_text()
    assert f"_echo_{name}: Value[{annotation}] = " in " ".join(source.split()), kind
    for value in values:
        given, expected = value if isinstance(value, tuple) else (value, value)
        back = await echo(made.db, value=given)
        assert isinstance(back, type(expected))
        # By their texts, so that NaN equals itself and 1.10 does not equal 1.1.
        assert repr(back) == repr(expected)


async def test_composites_nest_and_come_in_arrays(made: Generated) -> None:
    rows, echoes = made.rows, made.queries("echoes")
    full = rows.PointInTime(at=NOON, label=UNICODE, feeling='it\'s "ok"')
    bare = rows.PointInTime(at=FOREVER, label="", feeling=None)
    visit = rows.Visit(
        began=full,
        stops=[bare, None, full],
        during=Range(NOON, None),
        numbers=[1, None],
        notes={"a": [1]},
        took=dt.timedelta(hours=1),
        direction="bid",
        whole=2**63 - 1,
    )
    nothing = rows.Visit(*[None] * 8)
    assert await echoes.echo_point_in_time(made.db, value=full) == full
    for value in (visit, nothing):
        assert await echoes.echo_visit(made.db, value=value) == value
    assert await echoes.echo_visits(made.db, value=[visit, None, nothing]) == [visit, None, nothing]
    pair = await echoes.get_pair(made.db, value=visit, more=Range(1, 2))
    assert (pair.visit, pair.span) == (visit, Range(1, 2))


async def test_within_ranges_and_composites_nothing_is_stored_as_something_else(
    made: Generated,
) -> None:
    rows, echoes = made.rows, made.queries("echoes")
    empty = rows.Visit(*[None] * 8)
    naive = rows.PointInTime(at=PLAIN, label=None, feeling=None)
    with_float = rows.Visit(*[None] * 7, 1.5)
    with_floats = rows.Visit(None, None, None, [1.5], *[None] * 4)
    for name, value, told in [
        ("int4range", Range(1.5, 3), "expected int, got float"),
        ("int4range", (1, 3), "expected Range, got tuple"),
        ("daterange", Range(PLAIN, None), "expected date, got datetime"),
        ("tstzrange", Range(NOON, PLAIN), "a datetime with a time zone"),
        ("multirange", [Range(1, 1.5)], "expected int, got float"),
        ("ranges", [None, Range(1, 1.5)], "expected int, got float"),
        ("time", dt.time(1, tzinfo=UTC), "expected a time without a time zone"),
        ("documents", [["a"]], "a list cannot be a document of an array"),
        ("point_in_time", naive, "a datetime with a time zone"),
        ("point_in_time", empty, "expected a value of type public.point_in_time"),
        ("point_in_time", (NOON, "", None), "expected the Struct of public.point_in_time"),
        ("visit", with_float, "expected int, got float"),
        ("visit", with_floats, "expected int, got float"),
        ("visits", [rows.Visit(naive, *[None] * 7)], "a datetime with a time zone"),
    ]:
        with pytest.raises(DataError, match=told):
            await getattr(echoes, f"echo_{name}")(made.db, value=value)


async def test_an_interval_with_months_is_refused_where_the_driver_would_make_days_of_them(
    made: Generated,
) -> None:
    echoes = made.queries("echoes")
    for call in (echoes.get_months, echoes.get_endless):
        with pytest.raises(DataError, match="outside its Python type"):
            await call(made.db)
    # The connection is as good as before.
    assert await echoes.echo_int4(made.db, value=1) == 1
    async with made.db.connection() as connection:
        await connection.reset_type_codec("interval", schema="pg_catalog")
        # Control: by itself the driver takes a month for 30 days.
        assert await connection.fetchval("SELECT INTERVAL '1 month'") == dt.timedelta(days=30)


def test_what_is_generated_type_checks(made: Generated) -> None:
    pytest.importorskip("mypy")
    use = made.root / "src" / "use.py"
    use.write_text(USE)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "-p", PACKAGE, "-m", "use"],
        cwd=use.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    use.write_text(USE.replace('"bid"', '"bit"').replace("Range(1, 2)", 'Range("a", "b")'))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "-m", "use"],
        cwd=use.parent,
        capture_output=True,
        text=True,
    )
    wrong = {line.split(":")[1] for line in done.stdout.splitlines() if " error: " in line}
    assert wrong == {"8", "9", "10"}, done.stdout


USE = f"""\
from typedsql.query import Executor
from typedsql.values import Range
from {PACKAGE}.queries import echoes
from {PACKAGE}.rows import Visit


async def use(db: Executor) -> int | None:
    visit = Visit(None, None, None, [1], None, None, "bid", None)
    span = await echoes.echo_int4range(db, value=Range(1, 2))
    pair = await echoes.get_pair(db, value=visit, more=Range(1, 2))
    if pair is not None and pair.span is not None:
        return pair.span.upper
    return span.lower if span is not None else None
"""


def test_the_generated_text_is_as_the_formatter_has_it(made: Generated) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.is_file():
        pytest.skip("ruff is not installed")
    done = subprocess.run(
        [ruff, "format", "--diff", "--line-length", "100", made.root / "src" / PACKAGE],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
