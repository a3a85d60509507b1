"""Values that no column holds, sent to the API: refused by name, and never repeated.

Each is put into a request that is right but for it, as `test_a_good_value_is_taken` shows.
"""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.api.conftest import Api

CANARY = "text-of-a-bad-value"
DIGITS = "8675309"
"""In every number that is sent."""

JSON = {"Content-Type": "application/json"}
DEPTH = 20_000
UINT256_MAX = 2**256 - 1
TEXT_MB = 64

TRANSFER = '{"alert_type": "large_transfer", "conditions": {"min_value_eth": %s}}'
OF_CHAIN = '{"alert_type": "large_transfer", "conditions": {"min_value_eth": 1, "chain_id": %s}}'
PATTERN = '{"alert_type": "pattern", "conditions": {"symbol": %s}}'
NAME = '{"display_name": %s}'
NOTIFY_BY = '{"preferences": {"notify_by": %s}}'
FIELDS = {
    TRANSFER: "conditions.min_value_eth",
    OF_CHAIN: "conditions.chain_id",
    PATTERN: "conditions.symbol",
    NAME: "display_name",
    NOTIFY_BY: "preferences.notify_by",
}
PATHS = {TRANSFER: "/alerts", OF_CHAIN: "/alerts", PATTERN: "/alerts"}
REFUSED, NO_JSON, TOO_LARGE = 422, 400, 413


@dataclass(frozen=True, slots=True)
class Body:
    """A body with a bad value in it, as JSON."""

    template: str
    value: str
    status: int = REFUSED

    async def send(self, client: httpx.AsyncClient) -> httpx.Response:
        path = PATHS.get(self.template, "/profile")
        body = (self.template % self.value).encode("utf-8", "surrogatepass")
        method = "POST" if path == "/alerts" else "PUT"
        return await client.request(method, path, content=body, headers=JSON)

    @property
    def field(self) -> str:
        return FIELDS[self.template]


@dataclass(frozen=True, slots=True)
class Read:
    """A bad value in an address."""

    path: str
    field: str
    query: dict[str, Any] | None = None
    status: int = REFUSED

    async def send(self, client: httpx.AsyncClient) -> httpx.Response:
        return await client.get(self.path, params=self.query)


Bad = Body | Read


def _top(name: str, value: object) -> Read:
    return Read("/whale-transactions/top", name, {name: value})


def _text(value: str) -> str:
    return json.dumps(value)


def _nested(depth: int) -> str:
    return "[" * depth + _text(CANARY) + "]" * depth


BAD: dict[int, list[Bad]] = {
    30: [
        Body(NAME, _text(f"{CANARY}\0")),
        Body(PATTERN, _text(f"\0{CANARY}")),
        Read("/liquidity-zones", "symbol", {"symbol": f"{CANARY}\0"}),
        Read("/smc-patterns", "pattern_type", {"pattern_type": "a\0"}),
    ],
    31: [
        Body(NAME, f'"{CANARY}\\ud800"', NO_JSON),
        Body(NAME, f'"\\udc00{CANARY}"', NO_JSON),
        Body(PATTERN, f'"\\ud800\\ud800{CANARY}"', NO_JSON),
        # As three bytes of what is nearly UTF-8.
        Body(NAME, f'"{CANARY}\ud800"', NO_JSON),
    ],
    32: [
        Body(OF_CHAIN, f"9223372036854775808{DIGITS}"),
        Body(OF_CHAIN, f"-{DIGITS}"),
        _top("chain_id", 2**63),
        _top("max_rows", 2**64),
        Read(f"/whale-transactions/{2**63}/0x{'ab' * 32}", "chain_id"),
    ],
    33: [
        Body(TRANSFER, "NaN", NO_JSON),
        Body(TRANSFER, '"NaN"'),
        _top("min_value_eth", "NaN"),
    ],
    34: [
        Body(TRANSFER, "Infinity", NO_JSON),
        Body(TRANSFER, "-Infinity", NO_JSON),
        Body(TRANSFER, '"Infinity"'),
        Body(TRANSFER, '"-Infinity"'),
        Body(TRANSFER, '"sNaN"'),
        _top("min_value_eth", "Infinity"),
        _top("min_value_eth", "sNaN123"),
    ],
    35: [
        Body(TRANSFER, "1E131072", NO_JSON),
        Body(TRANSFER, '"1E131072"'),
        Body(TRANSFER, '"1E-131072"'),
        Body(TRANSFER, '"1E999999999999999999999"'),
        Body(TRANSFER, _text(DIGITS * 9_000)),
        Body(TRANSFER, DIGITS * 600),
        Body(TRANSFER, DIGITS * 900, NO_JSON),
        _top("min_value_eth", "1E131072"),
    ],
    36: [
        Body(TRANSFER, f"0.{DIGITS}"),
        Body(TRANSFER, f"{DIGITS}.0"),
        Body(TRANSFER, f"{DIGITS}e-3"),
        Body(TRANSFER, "true"),
    ],
    37: [
        Body(OF_CHAIN, str(UINT256_MAX)),
        Body(TRANSFER, _text(f"{UINT256_MAX}.{DIGITS}")),
        _top("max_rows", UINT256_MAX),
    ],
    38: [
        _top("since", "2026-11-15T12:00:00"),
        _top("until", "2026-11-15"),
        _top("since", "1763208000"),
    ],
    39: [
        _top("since", "0001-01-01T00:00:00+14:00"),
        _top("until", "9999-12-31T23:59:59-14:00"),
        _top("since", "10000-01-01T00:00:00Z"),
        _top("since", "0000-01-01T00:00:00Z"),
        _top("until", "2026-02-30T00:00:00Z"),
        _top("until", "infinity"),
    ],
    40: [
        Body(PATTERN, _nested(DEPTH), NO_JSON),
        Body(NAME, _nested(DEPTH), NO_JSON),
        Body(NAME, '{"a":' * 9_000 + "1" + "}" * 9_000, NO_JSON),
    ],
    41: [
        Body(NOTIFY_BY, f'["{CANARY}", NaN]', NO_JSON),
        Body(NOTIFY_BY, f"[{'1,' * 32_768}1]", TOO_LARGE),
        Body(NOTIFY_BY, f"[{'1,' * 30_000}1]"),
        Body(NAME, _text(CANARY * 2_000)),
        Body(NAME, _text("x" * TEXT_MB * 10**6), TOO_LARGE),
        Read("/liquidity-zones", "symbol", {"symbol": CANARY * 1_000}, 414),
    ],
}


async def _rows(api: Api) -> list[int]:
    tables = ("alerts", "users", "alert_events")
    async with api.connection() as connection:
        return [
            await connection.fetchval(f"SELECT count(*) FROM public.{table}") for table in tables
        ]


def _told(answer: httpx.Response) -> str:
    """All that a client is told, but for what has nothing to do with the request."""
    problem = answer.json()
    instance = problem.pop("instance")
    assert instance.startswith("urn:uuid:")
    return json.dumps(problem) + json.dumps(dict(answer.headers))


@pytest.mark.parametrize(
    ("number", "index"),
    [
        pytest.param(number, index, marks=pytest.mark.case(number))
        for number, some in BAD.items()
        for index in range(len(some))
    ],
)
async def test_a_bad_value_is_refused(
    api: Api, me: httpx.AsyncClient, number: int, index: int
) -> None:
    bad = BAD[number][index]
    before = await _rows(api)
    profile = (await me.get("/profile")).json()

    answer = await bad.send(me)
    assert answer.status_code == bad.status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    if bad.status == REFUSED:
        fields = [refusal["field"] for refusal in answer.json()["errors"]]
        assert fields and all(each.startswith(bad.field) for each in fields), fields
    told = _told(answer)
    assert CANARY not in told and DIGITS not in told
    assert len(answer.content) < 4_096

    assert await _rows(api) == before
    assert (await me.get("/profile")).json() == profile


GOOD: list[Bad] = [
    Body(TRANSFER, _text(f"0.{DIGITS}"), 201),
    Body(TRANSFER, DIGITS, 201),
    Body(OF_CHAIN, DIGITS, 201),
    Body(PATTERN, _text(CANARY), 201),
    Body(NAME, _text(CANARY + " \U0001f40b"), 200),
    Body(NOTIFY_BY, '["email"]', 200),
    Read("/liquidity-zones", "symbol", {"symbol": CANARY}, 200),
    _top("chain_id", 2**63 - 1),
    _top("max_rows", 1_000),
    _top("min_value_eth", f"0.{DIGITS}"),
    _top("min_value_eth", UINT256_MAX),
    _top("since", "0001-01-01T00:00:00Z"),
    _top("until", "9999-12-31T23:59:59.999999Z"),
    _top("since", "2026-11-15T12:00:00-05:00"),
]


@pytest.mark.parametrize("good", GOOD, ids=str)
async def test_a_good_value_is_taken(newcomer: httpx.AsyncClient, good: Bad) -> None:
    """The control: the requests around the bad values are right."""
    answer = await good.send(newcomer)
    assert answer.status_code == (good.status if good.status != REFUSED else 200), answer.text


@pytest.mark.case(37)
@pytest.mark.parametrize(
    "value",
    [
        str(UINT256_MAX),
        "115792089237316195423570985008687907853269984665640564039457.584007913129639935",
    ],
)
async def test_the_largest_amounts_are_exact(newcomer: httpx.AsyncClient, value: str) -> None:
    for sent in (value, *([int(value)] if value.isdigit() else [])):
        conditions = {"min_value_eth": sent}
        made = await newcomer.post(
            "/alerts", json={"alert_type": "large_transfer", "conditions": conditions}
        )
        assert made.status_code == 201
        read = await newcomer.get(made.headers["location"])
        assert read.json()["conditions"]["min_value_eth"] == value
    rounded = float(value)
    # The control: a float, which JSON numbers with a fraction become, is another number.
    assert format(rounded, ".18f").rstrip("0").rstrip(".") != value


@pytest.mark.parametrize("number", [31, 33, 34])
def test_pythons_decoder_takes_them(number: int) -> None:
    """The control: what a framework reads bodies with by itself lets them through."""
    taken = 0
    for bad in BAD[number]:
        if isinstance(bad, Body) and bad.status == NO_JSON and "\ud800" not in bad.value:
            json.loads(bad.template % bad.value)
            taken += 1
    assert taken


@pytest.mark.case(40)
def test_pythons_decoder_fails_at_depth() -> None:
    with pytest.raises(RecursionError):
        json.loads(NAME % _nested(DEPTH))


@pytest.mark.case(41)
async def test_a_text_without_a_length_is_refused_too(me: httpx.AsyncClient) -> None:
    async def parts() -> AsyncGenerator[bytes, None]:
        yield b'{"display_name": "'
        for _ in range(TEXT_MB):
            yield b"x" * 10**6
        yield b'"}'

    answer = await me.put("/profile", content=parts(), headers=JSON)
    assert answer.status_code == TOO_LARGE
    assert (await me.get("/profile")).status_code == 200
