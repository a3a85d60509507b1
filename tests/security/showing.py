"""Whatever shows an object or an exception to a person or a log, all of it at once."""

import copy
import dataclasses
import io
import json
import logging
import pprint
import traceback
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence, Set
from functools import partial
from typing import Any

import asyncpg
import msgspec
import pytest
from pydantic import BaseModel, SecretStr
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

# Written so that no line shows it: reports show the lines of each frame.
CANARY = "c4n4ry" + "t0ld"
PASSWORD = f"{CANARY}-p@ss/w#rd?%"
QUOTED = urllib.parse.quote(PASSWORD, safe="")

WIDE = 100_000


def representations(value: object) -> Iterator[str]:
    """Of one object, by every way that Python and its libraries have."""
    yield from (str(value), repr(value), f"{value}", f"{value!s:>3}", f"{value!a}")
    yield from (pprint.pformat(value), pretty_repr(value), json.dumps(value, default=repr))
    yield logging.makeLogRecord({"msg": "%s %r", "args": (value, value)}).getMessage()
    yield repr(copy.copy(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield repr(dataclasses.asdict(value))
        yield repr(dataclasses.astuple(value))
        yield repr(dataclasses.replace(value))
        yield repr([getattr(value, field.name) for field in dataclasses.fields(value)])
    if isinstance(value, BaseModel):
        yield repr(value.model_dump())
        yield value.model_dump_json()
        yield repr(dict(value))
    if isinstance(value, msgspec.Struct):
        yield msgspec.json.encode(value).decode()
        yield repr(msgspec.structs.asdict(value))


def reports(failure: BaseException) -> Iterator[str]:
    """Of an exception with all that led to it, the local variables of each frame included."""
    yield from (str(failure), repr(failure), repr(failure.args), repr(vars(failure)))
    yield "".join(traceback.format_exception(failure))
    yield "".join(
        traceback.TracebackException.from_exception(failure, capture_locals=True).format()
    )
    shown = Traceback.from_exception(
        type(failure),
        failure,
        failure.__traceback__,
        show_locals=True,
        locals_max_length=None,
        locals_max_string=None,
    )
    console = Console(file=io.StringIO(), width=WIDE, color_system=None)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    yield console.file.getvalue()
    stream = io.StringIO()
    logger = logging.Logger("shown")
    logger.addHandler(logging.StreamHandler(stream))
    logger.error("%s %r", failure, failure, exc_info=failure)
    yield stream.getvalue()


def everything_of(value: object, *packages: str) -> Iterator[str]:
    """The representations of whatever an object of these packages holds, as far as that goes.

    Only objects of the packages are opened: of others their own representation counts.
    """
    met: set[int] = set()
    left: list[Any] = [value]
    while left:
        found = left.pop()
        if id(found) in met or isinstance(found, str | bytes | int | float | type | SecretStr):
            continue
        met.add(id(found))
        yield repr(found)
        if isinstance(found, Mapping):
            left += [*found.keys(), *found.values()]
        elif isinstance(found, Sequence | Set):
            left += list(found)
        elif isinstance(found, partial):
            left += [found.args, found.keywords]
        elif isinstance(found, asyncpg.Connection) and "asyncpg" not in packages:
            continue  # ours are of a class that is derived from the driver's
        elif type(found).__module__.partition(".")[0] in packages:
            slots = (
                name for kind in type(found).__mro__ for name in getattr(kind, "__slots__", ())
            )
            left += [vars(found)] if hasattr(found, "__dict__") else []
            left += [getattr(found, name, None) for name in slots if name != "__weakref__"]


async def failure_of(awaitable: Awaitable[object]) -> BaseException:
    """What it raises, without the frame of the test in it, which may know everything."""
    with pytest.raises(Exception) as caught:
        await awaitable
    return caught.value


def failure_of_call(call: Callable[[], object]) -> BaseException:
    """As `failure_of`."""
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


def assert_untold(texts: Iterator[str]) -> None:
    found = list(texts)
    assert found
    assert [text for text in found if CANARY in text] == []


def assert_told(texts: Iterator[str]) -> None:
    """For controls: the canary is in there, for who shows it as plainly as that."""
    assert any(CANARY in text for text in texts)
