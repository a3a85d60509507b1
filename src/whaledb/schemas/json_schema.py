"""The JSON Schema of everything here, for those who write a client in another language."""

from typing import Any, Final

import msgspec
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from whaledb import schemas

DIALECT: Final = GenerateJsonSchema.schema_dialect
"""Draft 2020-12."""

_ALERTS: Final[tuple[tuple[str, JsonSchemaMode, TypeAdapter[Any]], ...]] = (
    ("AlertCreate", "validation", schemas.ALERT_CREATE),
    ("AlertUpdate", "validation", schemas.ALERT_UPDATE),
    ("AlertRead", "serialization", schemas.ALERT_READ),
)
_APART: Final = (
    schemas.Request,
    schemas.Create,
    schemas.Update,
    schemas.Response,
    schemas.Page,
    # Parts of others, which have them as -Input and -Output.
    schemas.Preferences,
    schemas.LargeTransferConditions,
    schemas.AddressActivityConditions,
    schemas.PriceLevelConditions,
    schemas.PatternConditions,
)


def json_schema() -> dict[str, Any]:
    """A document whose $defs are the requests and responses, by name; always the same."""
    inputs: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = list(_ALERTS)
    for name in sorted(schemas.__all__):
        model = getattr(schemas, name)
        if not isinstance(model, type) or not issubclass(model, BaseModel) or model in _APART:
            continue
        mode: JsonSchemaMode = (
            "serialization" if issubclass(model, schemas.Response) else "validation"
        )
        inputs.append((name, mode, TypeAdapter(model)))
    named, shared = TypeAdapter.json_schemas(inputs)
    definitions = dict(shared.get("$defs", {}))
    for (name, _mode), schema in named.items():
        definitions.setdefault(name, schema)
    page = schemas.Page[Any].model_json_schema(mode="serialization")
    definitions["Page"] = page | {"title": "Page"}
    return {"$schema": DIALECT, "title": "whaledb.schemas", "$defs": definitions}


def json_schema_text() -> str:
    """The same as text with sorted members, to be kept beside a client and compared."""
    encoded = msgspec.json.encode(json_schema(), order="sorted")
    return msgspec.json.format(encoded, indent=2).decode() + "\n"
