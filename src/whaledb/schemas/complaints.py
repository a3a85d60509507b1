"""What is wrong with a request, as an answer may say it: which member and why, never the value.

pydantic's own errors carry the input, and some of their messages quote it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from pydantic import ValidationError

from whaledb.schemas.alerts import UNION_TAGS

MAX_COMPLAINTS: Final = 20
"""What is told of one request; a long list of bad elements would be a longer answer."""

NOT_VALID: Final = "Input is not valid"
"""What is told of an error whose own message may quote the input."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_OWN: Final = frozenset(
    {
        "alert_type_unknown",
        "exact_number",
        "json_document",
        "moment",
        "null",
        "price_incomplete",
        "prices_unordered",
        "repeated",
        "text_nul",
    }
)
_WITHOUT_INPUT: Final = _OWN | {
    "bool_parsing",
    "bool_type",
    "dict_type",
    "finite_number",
    "greater_than",
    "greater_than_equal",
    "int_from_float",
    "int_parsing",
    "int_parsing_size",
    "int_type",
    "json_invalid",
    "less_than",
    "less_than_equal",
    "list_type",
    "literal_error",
    "missing",
    "string_pattern_mismatch",
    "string_too_long",
    "string_too_short",
    "string_type",
    "string_unicode",
    "too_long",
    "too_short",
    "tuple_type",
}
"""Kinds of pydantic's errors whose message is made of the declaration alone."""

_NO_MOMENT: Final = "Input should be a time that there is, as of RFC 3339 with Z or an offset"
_WORDS: Final = {
    "datetime_from_date_parsing": _NO_MOMENT,
    "datetime_object_invalid": _NO_MOMENT,
    "datetime_parsing": _NO_MOMENT,
    "extra_forbidden": "There is no such member",
    "model_attributes_type": "Input should be an object",
    "model_type": "Input should be an object",
    "timezone_aware": _NO_MOMENT,
    "uuid_parsing": "Input should be a UUID",
    "uuid_type": "Input should be a UUID",
}


class Complaint(Struct, frozen=True):
    """One thing that is wrong."""

    field: str
    """Where, such as conditions.min_value_eth; empty for the request as a whole."""
    kind: str
    """pydantic's name of the error, or one of ours."""
    message: str
    """Why, in words that do not repeat what was sent."""


def complaints(
    errors: ValidationError | Sequence[Mapping[str, Any]], *, without: Iterable[str] = ()
) -> list[Complaint]:
    """What to answer, at most MAX_COMPLAINTS, in the order of the request's members.

    `errors` is an error of pydantic or what its `errors()` gave, such as FastAPI's. `without`
    are names to leave out where a place begins with them: FastAPI's begin with body or query.
    """
    if isinstance(errors, ValidationError):
        errors = errors.errors(include_input=False, include_url=False, include_context=False)
    left_out = frozenset(without)
    return [_complaint(error, left_out) for error in errors[:MAX_COMPLAINTS]]


def _complaint(error: Mapping[str, Any], left_out: frozenset[str]) -> Complaint:
    kind = str(error["type"])
    place = list(error["loc"])
    if place and place[0] in left_out:
        del place[0]
    if kind == "alert_type_unknown":
        place.append("alert_type")
    # A union puts the chosen type into the place, which is no member of the request.
    names = [
        _name(part)
        for number, part in enumerate(place)
        if part not in UNION_TAGS or number == len(place) - 1
    ]
    message = _WORDS.get(kind)
    if message is None:
        message = str(error["msg"]) if kind in _WITHOUT_INPUT else NOT_VALID
    return Complaint(".".join(names), kind, message)


def _name(part: object) -> str:
    """A member that nobody declared is named by who sent it."""
    if isinstance(part, int):
        return str(part)
    return part if isinstance(part, str) and _NAME.fullmatch(part) else "(another member)"
