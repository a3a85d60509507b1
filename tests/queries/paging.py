"""Walks the pages of a list, as an application does."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

R = TypeVar("R")

MAX_PAGES: Final = 100


async def walk(first: Awaitable[list[R]], following: Callable[[R], Awaitable[list[R]]]) -> list[R]:
    """All rows of `first` and of the pages after it; `following` gets the last row seen."""
    rows: list[R] = []
    page = await first
    for _ in range(MAX_PAGES):
        if not page:
            return rows
        rows += page
        page = await following(page[-1])
    raise AssertionError(f"still not at the end after {MAX_PAGES} pages")
