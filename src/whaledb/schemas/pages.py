"""A page of a list, and how many rows one may have."""

from typing import Annotated, Generic, TypeVar

from pydantic import Field

from whaledb.schemas.cursors import MAX_CURSOR_CHARS, MAX_PAGE_ROWS
from whaledb.schemas.models import Response

T = TypeVar("T")

Cursor = Annotated[str, Field(max_length=MAX_CURSOR_CHARS, pattern=r"^[A-Za-z0-9_-]+$")]
"""What a page said where the next one begins; to be sent back as it is."""
PageRows = Annotated[int, Field(ge=1, le=MAX_PAGE_ROWS)]
"""Rows of a page at most."""


class Page(Response, Generic[T]):
    """Some rows of a list in its order, and where the next ones begin."""

    items: Annotated[list[T], Field(max_length=MAX_PAGE_ROWS)]
    next_cursor: Cursor | None
    """Null where nothing follows."""
