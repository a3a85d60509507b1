"""Bad data from a command line and in files of blocks: told in a sentence, without the data."""

import asyncio
import json
import os
import subprocess
import sys
from decimal import Context
from typing import Any, Final

import asyncpg
import pytest

from tests.ingest.chain import block, lines, transaction
from tests.security.refused import CANARY, UINT256_MAX
from typedsql.settings import ConnectionTarget

COMMAND: Final = [sys.executable, "-c", "from whaledb.cli import main; main()"]
TIME_LIMIT_S: Final = 120.0
DEEP: Final = 20_000

PATTERN: Final = {
    "exchange": b"kraken",
    "symbol": b"ETH-USD",
    "pattern_type": b"fvg",
    "time_frame": b"1h",
    "detected_at": b"2026-03-01T00:00:00Z",
    "price_level": b"2000",
    "confidence_score": b"",
    "status": b"active",
    "metadata": b"{}",
}
INSERT: Final = "smc_patterns.insert"
BAD: Final = [
    pytest.param(
        "metadata",
        f'{{"{CANARY}": "\\u0000"}}'.encode(),
        (1, "parameter metadata was refused: a document cannot contain a NUL character"),
        marks=pytest.mark.case(30),
        id="NUL",
    ),
    pytest.param(
        "symbol",
        CANARY.encode() + b"\xed\xa0\x80",
        (2, "parameter symbol was refused: a text with half of a surrogate pair has no UTF-8"),
        marks=pytest.mark.case(31),
        id="not UTF-8",
    ),
    pytest.param(
        "price_level",
        b"-Infinity",
        (1, "check constraint smc_patterns_price_level_finite refused the row"),
        marks=pytest.mark.case(34),
        id="infinity",
    ),
    pytest.param(
        "price_level",
        f"sNaN{CANARY}".encode(),
        (2, "parameter price_level was refused: PostgreSQL has no NaN with"),
        marks=pytest.mark.case(34),
        id="sNaN",
    ),
    pytest.param(
        "price_level",
        f"{CANARY}E131072".encode(),
        (1, "parameter price_level was refused: value out of numeric range"),
        marks=pytest.mark.case(35),
        id="1E131072",
    ),
    pytest.param(
        "metadata",
        f'{{"a": {CANARY}E+4293}}'.encode(),
        (2, "parameter metadata was refused: a JSON document cannot hold an integer of more than"),
        marks=pytest.mark.case(32),
        id="JSON integer too long to be read",
    ),
    pytest.param(
        "detected_at",
        b"1987-06-05T00:00:00",
        (2, "detected_at must be a time with its zone"),
        marks=pytest.mark.case(38),
        id="naive datetime",
    ),
    pytest.param(
        "detected_at",
        b"9999-12-31T23:59:59-12:00",
        (2, "parameter detected_at was refused: in UTC it is outside the years 1 to 9999"),
        marks=pytest.mark.case(39),
        id="year 10000",
    ),
    pytest.param(
        "metadata",
        b'{"a":' * DEEP + CANARY.encode() + b"}" * DEEP,
        (2, "metadata is nested too deeply"),
        marks=pytest.mark.case(40),
        id="20,000 deep",
    ),
    pytest.param(
        "metadata",
        f'{{"{CANARY}": NaN}}'.encode(),
        (2, "metadata must be a JSON object"),
        marks=pytest.mark.case(41),
        id="JSON NaN",
    ),
]


def run(
    target: ConnectionTarget, *words: str | bytes, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *words],
        env={**os.environ, "DATABASE_URL": target.dbmate_url()},
        input=given,
        capture_output=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )


def query(target: ConnectionTarget, **changes: bytes) -> subprocess.CompletedProcess[bytes]:
    """The insertion of a pattern, with what a person would add to find out what is wrong."""
    values = PATTERN | changes
    words = [name.encode() + b"=" + value for name, value in values.items()]
    return run(target, "query", INSERT, *words, "--debug", "--json")


@pytest.mark.parametrize(("field", "bad", "expected"), BAD)
async def test_a_query_refuses_it(
    cases_target: ConnectionTarget,
    owner: asyncpg.Connection,
    field: str,
    bad: bytes,
    expected: tuple[int, str],
) -> None:
    done = await asyncio.to_thread(query, cases_target, **{field: bad})
    code, told = expected
    assert (done.returncode, json.loads(done.stdout)["error"]["exit_code"]) == (code, code)
    assert f"Error: {INSERT}: {told}" in done.stderr.decode()
    assert told in json.loads(done.stdout)["error"]["message"]
    assert [
        each for each in (CANARY, "1987-06-05") if each in str((done.stdout, done.stderr))
    ] == []
    assert await owner.fetchval("SELECT count(*) FROM public.smc_patterns") == 0


@pytest.mark.case(31)
@pytest.mark.case(32)
@pytest.mark.case(33)
@pytest.mark.case(36)
@pytest.mark.case(37)
async def test_the_control_is_stored_and_words_that_are_none_are_named(
    cases_target: ConnectionTarget, owner: asyncpg.Connection
) -> None:
    largest = str(UINT256_MAX).encode()
    stored, huge, words = await asyncio.gather(
        asyncio.to_thread(query, cases_target, price_level=largest),
        asyncio.to_thread(
            run,
            cases_target,
            *("query", "blocks.list_known", f"chain_id={CANARY}000000000000", "hashes=[]"),
            "--debug",
        ),
        asyncio.to_thread(
            run, cases_target, "query", b"users.get", b"i\xffd=1", b"id=NaN", "--json"
        ),
    )
    assert stored.returncode == 0, stored.stderr
    assert json.loads(stored.stdout)["price_level"] == str(UINT256_MAX)
    assert await owner.fetchval("DELETE FROM public.smc_patterns RETURNING price_level") == (
        UINT256_MAX
    )
    assert huge.returncode == 2
    assert b"list_known: parameter chain_id was refused: value out of int8 range" in huge.stderr
    assert CANARY.encode() not in huge.stderr + huge.stdout
    assert words.returncode == 2
    assert "it has no parameter i\\udcffd; id must be a UUID" in words.stderr.decode()
    assert json.loads(words.stdout)["error"]["kind"] == "WrongUsage"


def one(number: int, **changes: Any) -> bytes:
    """A block of one large transfer with something wrong in it."""
    made = transaction(str(number), ether=500)
    return json.dumps(block(number, [made | changes])).encode()


OUTSIDE: Final = "value is not a hex quantity"
LINES: Final = [
    (one(2, **{"from": f"0x{CANARY}\0"}), "from is not an address"),
    (one(3, **{"from": f"0x{CANARY}\ud800"}), "not valid JSON"),
    (one(4, gasPrice=hex(int(CANARY) * 10**12)), "gasPrice is out of range"),
    (one(5, value=float("nan")), "not valid JSON"),
    (one(6, value=float("-inf")), "not valid JSON"),
    (one(7, gasPrice=1987.0605), "gasPrice is a number"),
    (one(8, value=hex(UINT256_MAX + 1)), OUTSIDE),
    (one(9).replace(b'"timestamp"', b'"timestamp": "0x400000000000", "_"'), "timestamp"),
    (b'{"number": ' + b"[" * DEEP + b"1" + b"]" * DEEP + b"}", "it is nested too deeply"),
    (b'{"number": "\xff19870605"}', "not UTF-8"),
    (json.dumps({"hash": CANARY * 1_000_000}).encode(), "is missing"),
]


@pytest.mark.case(30)
@pytest.mark.case(31)
@pytest.mark.case(32)
@pytest.mark.case(33)
@pytest.mark.case(34)
@pytest.mark.case(36)
@pytest.mark.case(37)
@pytest.mark.case(39)
@pytest.mark.case(40)
@pytest.mark.case(41)
async def test_bad_blocks_are_kept_aside_and_the_good_ones_stored(
    cases_target: ConnectionTarget, owner: asyncpg.Connection
) -> None:
    given = lines(
        block(1, [transaction("first", ether=500)]),
        *(line for line, _ in LINES),
        # The control: the largest number that there can be, where it belongs.
        one(98, value=hex(UINT256_MAX)),
        block(99, [transaction("last", ether=500)]),
    )
    words = ("ingest", "blocks", "-", "--json")
    done = await asyncio.to_thread(run, cases_target, *words, given=given)
    assert done.returncode == 1
    summary = json.loads(done.stdout)
    assert (summary["transactions_written"], summary["dead_letters"]) == (3, len(LINES))
    told = done.stderr.decode().splitlines()
    for place, (_, reason) in enumerate(LINES, start=2):
        assert told[place - 2].startswith(f"-, line {place}")
        assert reason in told[place - 2]
    assert CANARY not in done.stderr.decode()
    assert await owner.fetchval("SELECT count(*) FROM public.dead_letters") == len(LINES)
    largest = await owner.fetchval("SELECT max(value_eth) FROM public.whale_transactions")
    assert largest.scaleb(18, Context(prec=100)) == UINT256_MAX
    again = await asyncio.to_thread(run, cases_target, *words, given=given)
    assert json.loads(again.stdout)["transactions_written"] == 0
