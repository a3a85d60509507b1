"""What all requests and all responses have in common."""

from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Request(BaseModel):
    """What somebody sends: nothing beside what is declared, and nothing converted silently.

    The numbers of a `json_documents.JSONDocument` are the exception that pydantic makes.
    The text of its errors never has the input in it; use `whaledb.schemas.complaints` to
    make an answer of them.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        from_attributes=True,
        hide_input_in_errors=True,
    )


class Create(Request):
    """A row to be stored."""

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the query function that stores it, absent members as their
        default."""
        return {name: getattr(self, name) for name in type(self).model_fields}


class Update(Request):
    """What to change of a row; a member that is absent leaves its column as it is."""

    def changes(self) -> dict[str, Any]:
        """The members that were given, by the names of their columns."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    def applied_to(self, stored: msgspec.Struct, *names: str) -> dict[str, Any]:
        """The named columns as they are to be: what was given, else what is stored.

        `stored` is the row as it was read. Read it in the transaction that writes, repeatable
        read or after locking it, where another may change it meanwhile.
        """
        changes = self.changes()
        return {name: changes[name] if name in changes else getattr(stored, name) for name in names}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        # None stands for an absent member: it is no default that anybody could send.
        told = handler(schema)
        for member in handler.resolve_ref_schema(told).get("properties", {}).values():
            if member.get("default", ...) is None:
                del member["default"]
        return told


class Response(BaseModel):
    """What is answered; made of a row by `model_validate(row)`, which takes its attributes."""

    model_config = ConfigDict(
        frozen=True, from_attributes=True, hide_input_in_errors=True, extra="ignore"
    )
