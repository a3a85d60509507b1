"""From ``name=value`` on the command line to the types a generated function takes."""

import re
import types
import typing
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, cast
from uuid import UUID

import msgspec

from typedsql.cli.invocation import WrongUsage

_AWARE = Annotated[datetime, msgspec.Meta(tz=True)]

# A member of a Struct, or an element of a list, of which there may be several.
_PATH = re.compile(r" - at `\$(?:\.|(?=\[))([\w.\[\]]+)`$")
_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|s?nan[0-9]*|inf(?:inity)?)",
    re.ASCII | re.IGNORECASE,
)
# What msgspec would convert besides: 1e3 and 1.0 to an integer, 1_0 and digits of any script to
# a decimal, seconds since 1970 to a time. Of a time it rounds a seventh digit of the fraction.
_FORMS: Mapping[object, re.Pattern[str]] = {
    datetime: re.compile(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
        r"(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})"
    ),
    Decimal: _NUMBER,
    float: _NUMBER,
    int: re.compile(r"[+-]?[0-9]+"),
}

_TYPE_NAMES: Mapping[object, str] = {
    bool: "true or false",
    bytes: r"bytes in hexadecimal, such as \x00ff",
    datetime: "a time with its zone, to the microsecond at most, such as 2026-01-31T12:00:00Z",
    Decimal: "a number",
    float: "a number",
    int: "an integer",
    str: "text",
    UUID: "a UUID",
}


def parse_arguments(
    name: str,
    parameters: Mapping[str, Any],
    words: Sequence[str],
    defaulted: Collection[str] = (),
) -> dict[str, Any]:
    """Convert each ``key=value`` by the annotation of the parameter it names.

    An optional parameter may be left out or empty: it is None then; one that has another
    default is left out of the result as well. Lists, ranges and documents are JSON. Raises
    WrongUsage naming every parameter that is missing, unknown, repeated or of the wrong
    type, and its type; never a value.
    """
    given: dict[str, str] = {}
    problems: list[str] = []
    for word in words:
        key, separator, value = word.partition("=")
        if not separator:
            problems.append("a parameter is written name=value")
        elif key not in parameters:
            problems.append(f"it has no parameter {key}")
        elif key in given:
            problems.append(f"{key} is given twice")
        else:
            given[key] = value
    converted: dict[str, Any] = {}
    for key, annotation in parameters.items():
        optional, kind = _without_none(annotation)
        if key not in given and not optional and key in defaulted:
            continue
        if key not in given and not optional:
            problems.append(f"{key} is missing ({_type_name(kind)})")
        elif key not in given or (optional and given[key] == ""):
            converted[key] = None
        else:
            try:
                converted[key] = _convert(given[key], kind)
            except (msgspec.MsgspecError, ValueError) as failure:
                problems.append(f"{key} must be {_type_name(kind)}{_member_of(failure)}")
            except RecursionError:
                problems.append(f"{key} is nested too deeply")
    if problems:
        takes = ", ".join(parameters) or "none"
        message = f"{name}: {'; '.join(problems)} (parameters: {takes})"
        raise WrongUsage(message, query=name)
    return converted


@contextmanager
def unsendable_is_wrong_usage() -> Generator[None]:
    """For what only the run time can tell.

    An integer that is too large for its column, or parameters that belong together of which
    some are missing.
    """
    from typedsql.errors import ChoiceRefused
    from typedsql.sqlstate import ArgumentRefused

    try:
        yield
    except (ArgumentRefused, ChoiceRefused) as failure:
        raise WrongUsage(str(failure), query=failure.query) from failure


def _convert(text: str, kind: Any) -> object:
    if kind is str:
        return text
    if typing.get_origin(kind) is Literal:
        return msgspec.convert(text, kind)
    form = _FORMS.get(kind)
    if form is not None and form.fullmatch(text) is None:
        raise ValueError("not in its form")
    if kind is bytes:
        return bytes.fromhex(text.removeprefix("\\x").removeprefix("0x"))
    if _is_json(kind):
        # As documents are read from the database: a fraction is exact.
        value = msgspec.json.Decoder(_strict(kind), float_hook=Decimal).decode(text.encode())
        _check_forms(msgspec.json.Decoder(float_hook=Decimal).decode(text.encode()), value)
        return value
    return msgspec.convert(text, _strict(kind), strict=False)


def _check_forms(written: object, value: object, path: str = "$") -> None:
    """Refuse the texts in JSON that became a time or number and are not written as one."""
    if isinstance(written, str):
        form = _FORMS.get(type(value))
        if form is not None and form.fullmatch(written) is None:
            raise ValueError(f"not in its form - at `{path}`")
    elif isinstance(written, list) and isinstance(value, list | tuple):
        texts, items = cast("list[object]", written), cast("Sequence[object]", value)
        for place, (text, item) in enumerate(zip(texts, items, strict=True)):
            _check_forms(text, item, f"{path}[{place}]")
    elif isinstance(written, dict) and isinstance(value, msgspec.Struct):
        members = cast("dict[str, object]", written)
        for field in msgspec.structs.fields(value):
            text = members.get(field.encode_name)
            _check_forms(text, getattr(value, field.name), f"{path}.{field.encode_name}")


def _is_json(kind: Any) -> bool:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return True
    return typing.get_origin(kind) is not None or kind in (dict, list, object, Any)


def _without_none(annotation: Any) -> tuple[bool, Any]:
    """Whether None is allowed, and the type without it."""
    if typing.get_origin(annotation) not in (Union, types.UnionType):
        return False, annotation
    members = typing.get_args(annotation)
    rest = [member for member in members if member is not types.NoneType]
    return len(rest) < len(members), rest[0] if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007


def _strict(kind: Any) -> Any:
    """The type as msgspec shall check it: no time without a zone, lists for sequences."""
    if kind is datetime:
        return _AWARE
    if kind is object:
        return Any
    optional, inner = _without_none(kind)
    if optional:
        return _strict(inner) | None
    if typing.get_origin(kind) in (list, Sequence):
        return list[_strict(typing.get_args(kind)[0])]  # type: ignore[misc]
    return kind


def _type_name(kind: Any) -> str:
    if kind in _TYPE_NAMES:
        return _TYPE_NAMES[kind]
    if typing.get_origin(kind) is Literal:
        return " or ".join(str(label) for label in typing.get_args(kind))
    if typing.get_origin(kind) in (list, Sequence):
        optional, inner = _without_none(typing.get_args(kind)[0])
        return f"a JSON list, each {_type_name(inner)}" + (" or null" if optional else "")
    if typing.get_origin(kind) is dict:
        return "a JSON object"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        members = ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
        return f"a JSON object of {kind.__name__} ({members})"
    return "JSON"


def _member_of(failure: Exception) -> str:
    """Which member of a document was refused, where msgspec says it: the end of its message,
    of which the rest can quote a value."""
    path = _PATH.search(str(failure))
    return f", which it is not at {path[1]}" if path else ""
