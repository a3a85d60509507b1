"""Reading a list as a client does: page by page, to its end."""

from collections.abc import Mapping
from typing import Any

import httpx


async def walk(
    client: httpx.AsyncClient, path: str, *, page_rows: int, **query: Any
) -> list[dict[str, Any]]:
    """All rows of a list."""
    found: list[dict[str, Any]] = []
    cursor: Mapping[str, str] = {}
    while True:
        answer = await client.get(path, params={**query, "page_rows": page_rows, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= page_rows
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}
