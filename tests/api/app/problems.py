"""Errors as problem details (RFC 9457): what a client may know of them, and nothing more.

No problem holds a value that was sent, the content of a row, a secret or a path of the code.
`instance` names the occurrence; the log has its cause under the same name.
"""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Literal
from uuid import uuid4

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match

from tests.api.app.identity import NotSignedIn
from typedsql import errors
from whaledb.schemas import CursorRefused, complaints

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1
MAX_REFUSALS: Final = 20
"""How many are told: an array of wrong items has as many errors as items."""
_HTTP_DETAILS: Final = {
    400: "The request could not be read.",
    404: "There is nothing under this path.",
    405: "What is under this path does not know this method; Allow names those that it does.",
}
_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

_OF_ACCOUNTS: Final = ("alerts_user_id_fkey", "users_id_fkey")
"""What refuses a row of somebody whose account was deleted while a token was still valid."""

_LOGGER = logging.getLogger(__name__)

# Written down, because the phrases of http.HTTPStatus differ between releases of Python.
TITLES: Final = {
    400: "Malformed request",
    401: "Not signed in",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    413: "Body too large",
    414: "Address too long",
    415: "Not JSON",
    422: "Refused",
    431: "Headers too large",
    500: "Failed",
    503: "Not available",
}
"""The kinds of problem there are, by the status that goes with each."""


class Refusal(BaseModel):
    """One thing that was refused."""

    place: Literal["body", "query", "path", "database"] = Field(
        description="The part of the request it stood in, or what refused it further on."
    )
    field: str = Field(description="Its name there; that of a member behind a dot.")
    message: str = Field(description="Why it was refused; never what was sent.")


class Problem(BaseModel):
    """Why a request was refused or failed."""

    type: str = Field(description="A URN that names the kind of problem.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status code.", ge=400, le=599)
    detail: str = Field(description="What is wrong with this request, and what to do.")
    instance: str = Field(description="A URN of this occurrence, to ask the operator about.")
    errors: list[Refusal] = Field(default=[], description="What was refused, one by one.")


class Refused(Exception):
    """A request that a route or a limit refuses, as a problem."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        refusals: Sequence[Refusal] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.refusals = refusals
        self.headers = headers or {}


def not_found(what: str) -> Refused:
    """There is no such thing, or it is somebody else's: a client is not told which."""
    return Refused(HTTPStatus.NOT_FOUND, f"There is no such {what}.")


def install(app: FastAPI) -> None:
    """Let every error of an application become a problem."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(NotSignedIn, _not_signed_in)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(errors.Error, _database)
    app.add_exception_handler(Exception, _unexpected)


def to_response(refused: Refused, *, instance: str | None = None) -> Response:
    """The response that tells a client of a problem."""
    title = TITLES.get(refused.status, "Refused")
    problem = Problem(
        type=f"urn:whale-tracker:problem:{title.lower().replace(' ', '-')}",
        title=title,
        status=refused.status,
        detail=refused.detail,
        instance=instance or f"urn:uuid:{uuid4()}",
        errors=list(refused.refusals),
    )
    return Response(
        problem.model_dump_json(exclude_defaults=True),
        refused.status,
        dict(refused.headers),
        MEDIA_TYPE,
    )


def of_database_error(error: errors.Error) -> Refused:
    """What the caller of the API does next, from what the caller of the database would."""
    match error:
        case errors.NoRowFound():
            return not_found("row")
        case CursorRefused():
            refusal = Refusal(place="query", field="cursor", message=str(error))
            return _refused_values(refusal)
        case errors.DataError(constraint=constraint) if constraint in _OF_ACCOUNTS:
            return _signed_out("The account of this token is gone.")
        case errors.DataError():
            # Its message names the statement and the parameter, column or constraint.
            where = error.column or error.constraint or error.query or "request"
            refusal = Refusal(place="database", field=where, message=str(error))
            return _refused_values(refusal)
        case errors.OperatorError(query="as_user"):
            # The login of the server may not act for its users: nothing that they could mend.
            return _failed()
        case errors.IdentityRefused() | errors.Error(sqlstate="42501"):
            return Refused(HTTPStatus.FORBIDDEN, "This user may not do that.")
        case errors.OutcomeUnknown():
            # No Retry-After: a client that repeats this by itself might store it twice.
            return Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The connection to the database broke, and this may be stored or not: look"
                " before you send it again.",
            )
        case errors.TransientError() | errors.TimeoutExpired() | errors.ConnectionLost():
            return _busy("The database did not get to this; nothing was stored.")
        case errors.ConnectionFailed():
            return _busy("The database cannot be reached.")
        case _:
            return _failed()


def _refused_values(*refusals: Refusal) -> Refused:
    return Refused(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The request is not what this operation takes; nothing was stored.",
        refusals=refusals,
    )


def _signed_out(detail: str) -> Refused:
    return Refused(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})


def _busy(detail: str) -> Refused:
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER_S)}
    )


def _failed() -> Refused:
    return Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "This failed, through no fault of yours.")


async def _refused(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, Refused)
    return to_response(failure)


async def _not_signed_in(request: Request, failure: Exception) -> Response:
    return to_response(
        _signed_out("Send the token of a signed-in user: Authorization: Bearer TOKEN.")
    )


async def _invalid(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, RequestValidationError)
    return to_response(
        _refused_values(*(_refusal(error) for error in failure.errors()[:MAX_REFUSALS]))
    )


def _refusal(error: Mapping[str, Any]) -> Refusal:
    place = error["loc"][0]
    [complaint] = complaints([error], without=[place])
    return Refusal(place=place, field=complaint.field, message=complaint.message)


async def _http(request: Request, failure: Exception) -> Response:
    """What the router raises: no such path, or no such method."""
    assert isinstance(failure, HTTPException)
    status = HTTPStatus(failure.status_code)
    headers = failure.headers
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        # The router names the methods of the first route under this path, and there are more.
        headers = {"Allow": ", ".join(_methods(request))}
    detail = _HTTP_DETAILS.get(status, "The request was refused.")
    return to_response(Refused(status, detail, headers=headers))


def _methods(request: Request) -> list[str]:
    """Those that some route knows under the path of a request."""
    routes: list[BaseRoute] = request.app.routes
    return [
        method
        for method in _METHODS
        if any(
            route.matches(dict(request.scope, method=method))[0] is Match.FULL for route in routes
        )
    ]


async def _database(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, errors.Error)
    refused = of_database_error(failure)
    if refused.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return to_response(refused)
    return _logged(failure, refused)


async def _unexpected(request: Request, failure: Exception) -> Response:
    # Starlette raises it again behind this, so that the server logs where it came from.
    return _logged(failure, _failed(), traceback=False)


def _logged(failure: Exception, refused: Refused, *, traceback: bool = True) -> Response:
    """An operator finds the cause in the log, under what the client was given."""
    instance = f"urn:uuid:{uuid4()}"
    _LOGGER.error(
        "%s: %s", instance, type(failure).__name__, exc_info=failure if traceback else None
    )
    return to_response(refused, instance=instance)
