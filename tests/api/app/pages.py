"""Pages of a list: how many rows, from where on, and the rows as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import Response
from msgspec import Struct
from pydantic import BaseModel, ConfigDict

from whaledb.schemas import (
    Cursor,
    Keyset,
    PageRows,
    arguments_after,
    cut,
    encode_page,
    encode_row,
    encode_rows,
)

PAGE_ROWS: Final = 50
_JSON: Final = "application/json"


class PageQuery(BaseModel):
    """The parameters that each list has; a list adds its own to them, and takes no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    cursor: Cursor | None = None
    page_rows: PageRows = PAGE_ROWS

    def arguments(self, kind: type[Keyset]) -> dict[str, Any]:
        """Keyword arguments for the rows of this page, and for one more: see `page_of`."""
        return arguments_after(self.cursor, kind) | {"max_rows": self.page_rows + 1}

    def page_of(self, rows: Sequence[Struct], kind: type[Keyset]) -> Response:
        """The rows as a page; the one beyond it only tells that another page follows."""
        part = cut(rows, kind, page_rows=self.page_rows)
        return Response(encode_page(part.rows, part.next_cursor), media_type=_JSON)


def answer_all(rows: Sequence[Struct]) -> Response:
    """A list that is given as a whole."""
    return Response(encode_rows(rows), media_type=_JSON)


def answer(row: Struct, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """One row. The database has proven it: it is written as it is, and not validated again."""
    return Response(encode_row(row), status, dict(headers or {}), _JSON)
