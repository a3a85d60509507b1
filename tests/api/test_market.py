"""What everybody signed in may read, page by page."""

from typing import Any

import httpx
import pytest

from tests.api.people import WHALES, transaction_hash
from tests.api.walking import walk
from tests.db import rows

LISTS: dict[str, dict[str, Any]] = {
    "/whale-transactions": {"min_value_eth": "100"},
    f"/whale-transactions/of-address/{rows.ADDRESS}": {},
    "/liquidity-zones": {"symbol": "ETH/USD"},
    "/smc-patterns": {"pattern_type": "order_block"},
    "/candles": {"exchange": "kraken", "symbol": "ETH/USD", "interval": "1m"},
}


def _key(row: dict[str, Any]) -> str:
    return str(row.get("id") or row.get("hash") or row.get("open_time"))


@pytest.mark.parametrize("page_rows", [1, 2, 3, WHALES, WHALES + 1])
@pytest.mark.parametrize("path", LISTS)
async def test_pages_have_each_row_once(me: httpx.AsyncClient, path: str, page_rows: int) -> None:
    found = await walk(me, path, page_rows=page_rows, **LISTS[path])
    keys = [_key(row) for row in found]
    assert len(keys) == len(set(keys)) == WHALES
    # In the order of the list, which is that of one page with all of them.
    whole = await me.get(path, params=LISTS[path])
    assert found == whole.json()["items"]


async def test_transfers_are_those_of_the_value(me: httpx.AsyncClient) -> None:
    found = await walk(me, "/whale-transactions", page_rows=2, min_value_eth="104")
    assert sorted(row["value_eth"] for row in found) == ["104", "105", "106"]


async def test_a_transfer_by_its_hash_in_any_case(me: httpx.AsyncClient) -> None:
    wanted = transaction_hash(0)
    for spelt in (wanted, "0x" + wanted[2:].upper()):
        answer = await me.get(f"/whale-transactions/1/{spelt}")
        assert (answer.status_code, answer.json()["hash"]) == (200, wanted)
    assert (await me.get(f"/whale-transactions/2/{wanted}")).status_code == 404


async def test_a_pattern_by_its_id(me: httpx.AsyncClient) -> None:
    page = (await me.get("/smc-patterns", params=LISTS["/smc-patterns"])).json()
    pattern = page["items"][0]
    assert (await me.get(f"/smc-patterns/{pattern['id']}")).json() == pattern


@pytest.mark.parametrize("path", LISTS)
async def test_nobody_reads_the_market(nobody: httpx.AsyncClient, path: str) -> None:
    assert (await nobody.get(path, params=LISTS[path])).status_code == 401


async def _cursors(me: httpx.AsyncClient) -> dict[str, str]:
    found: dict[str, str] = {}
    for path, query in (LISTS | {"/alerts": {}, "/alert-events": {}}).items():
        page = (await me.get(path, params=query | {"page_rows": 2})).json()
        found[path] = page["next_cursor"]
    return found


@pytest.mark.parametrize("path", [*LISTS, "/alerts", "/alert-events"])
async def test_a_cursor_is_of_its_list_and_whole(me: httpx.AsyncClient, path: str) -> None:
    cursors = await _cursors(me)
    own = cursors[path]
    of_others = {cursor for other, cursor in cursors.items() if cursor != own}
    bad = [
        *(of_others - {own}),
        *(own[:length] for length in (1, len(own) // 2, len(own) - 1)),
        own + "A",
        own + "=",
        "A" * len(own),
        "AAAA",
        "../../etc/passwd",
        "\u0000",
        "A" * 9_000,
    ]
    for cursor in bad:
        answer = await me.get(path, params=LISTS.get(path, {}) | {"cursor": cursor})
        assert answer.status_code in (414, 422), (cursor, answer.text)
        if answer.status_code == 422:
            assert [each["field"] for each in answer.json()["errors"]] == ["cursor"]
        assert len(cursor) < 4 or cursor not in answer.text
    assert (await me.get(path, params=LISTS.get(path, {}) | {"cursor": own})).status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"page_rows": 0}, "page_rows"),
        ({"page_rows": 1_001}, "page_rows"),
        ({"page_rows": "many"}, "page_rows"),
        ({"page_rows": 10**30}, "page_rows"),
        ({"min_value_eth": "NaN"}, "min_value_eth"),
        ({"min_value_eth": "-1"}, "min_value_eth"),
        ({"min_value_eth": "1e131072"}, "min_value_eth"),
        ({"order": "asc"}, "order"),
    ],
)
async def test_parameters_are_those_of_the_list(
    me: httpx.AsyncClient, query: dict[str, Any], field: str
) -> None:
    answer = await me.get("/whale-transactions", params=query)
    assert answer.status_code == 422
    [refusal] = answer.json()["errors"]
    assert (refusal["place"], refusal["field"]) == ("query", field)
