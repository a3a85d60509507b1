"""The OpenAPI document: each operation says which problems it may answer with."""

from collections.abc import Callable
from typing import Any, Final, cast

from fastapi import FastAPI

from tests.api.app.problems import MEDIA_TYPE, TITLES, Problem

_REFERENCE: Final = "#/components/schemas/{model}"
_ANYWHERE: Final = (400, 408, 413, 414, 431, 500, 503)
"""What limits, the server and the database may answer any request with."""

_UNUSED: Final = ("HTTPValidationError", "ValidationError")
"""FastAPI's own description of 422, of which no operation speaks any more."""


def install(app: FastAPI) -> None:
    """Let `app.openapi` make the document with the problems in it."""
    make: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(make())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(document: dict[str, Any]) -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template=_REFERENCE, mode="serialization")
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= schema.pop("$defs", {}) | {"Problem": schema}
    for operations in document["paths"].values():
        for operation in operations.values():
            _declare(cast("dict[str, Any]", operation))
    for name in _UNUSED:
        schemas.pop(name, None)
    return document


def _declare(operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    # FastAPI's own description of 422 is of a body that this API does not send, and goes.
    named = any(each["in"] == "path" for each in operation.get("parameters", ()))
    signed_in = "security" in operation
    statuses = {
        *_ANYWHERE,
        *(int(status) for status in responses if status.startswith("4")),
        *((401, 403) if signed_in else ()),
        *((404,) if named else ()),
        *((415,) if "requestBody" in operation else ()),
        *((422,) if signed_in else ()),
    }
    for status in sorted(statuses):
        described: dict[str, Any] = {
            "description": TITLES[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
        }
        if status == 401:
            described["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
        responses[str(status)] = described
