"""Bodies are JSON and nothing else: NaN, lone surrogates and deep nesting end here.

Python's own decoder, which FastAPI uses, takes the first two and fails at the third.
"""

from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from tests.api.app.problems import Refused

MAX_JSON_DEPTH: Final = 32
"""Arrays and objects within one another."""

Container = dict[str, object] | list[object]

_WITH_BODY: Final = {"POST", "PUT", "PATCH"}


class StrictRequest(Request):
    """A request whose body is read as RFC 8259 has it."""

    async def json(self) -> Any:
        """The body as Python's types; a number with a fraction is a float.

        So an amount that is not in quotes is refused, where its digits may be lost already.

        Raises:
            Refused: it is not JSON, or nests more deeply than `MAX_JSON_DEPTH`.
        """
        body = await self.body()
        try:
            document = msgspec.json.decode(body)
        except RecursionError:
            raise _too_deep() from None
        except msgspec.DecodeError:
            # Without its text, which may quote what was sent.
            raise Refused(
                HTTPStatus.BAD_REQUEST,
                "The body is not JSON as RFC 8259 defines it, or a number or text in it is none.",
            ) from None
        _check_depth(document)
        return document


def _too_deep() -> Refused:
    return Refused(
        HTTPStatus.BAD_REQUEST,
        f"The body nests arrays and objects more than {MAX_JSON_DEPTH} deep.",
    )


def _check_depth(document: object) -> None:
    level = _containers([document])
    for _ in range(MAX_JSON_DEPTH):
        level = _containers(inner for each in level for inner in _inside(each))
    if level:
        raise _too_deep()


def _containers(values: Iterable[object]) -> list[Container]:
    return [value for value in values if isinstance(value, dict | list)]


def _inside(container: Container) -> Iterable[object]:
    return container.values() if isinstance(container, dict) else container


class StrictRoute(APIRoute):
    """A route whose body is a `StrictRequest`'s, and is declared to be JSON."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            if request.method in _WITH_BODY and not _says_json(request):
                raise Refused(
                    HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send Content-Type: application/json."
                )
            try:
                return await handle(StrictRequest(request.scope, request.receive))
            except HTTPException as failure:
                # FastAPI's own words for whatever reading the body raised.
                if isinstance(failure.__cause__, Refused):
                    raise failure.__cause__ from None
                raise

        return handle_strictly


def _says_json(request: Request) -> bool:
    declared = request.headers.get("content-type", "")
    return declared.partition(";")[0].strip().lower() == "application/json"
