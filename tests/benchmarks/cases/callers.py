"""Several callers that share a list of things to do."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from tests.benchmarks.frame import Sample

T = TypeVar("T")


def all_callers(call: Callable[[T], Awaitable[object]], items: Sequence[T], callers: int) -> Sample:
    """So many callers at once, each awaiting one call after the other until nothing is left."""

    async def caller(left: Iterator[T]) -> None:
        for item in left:
            await call(item)

    async def sample() -> float:
        left = iter(items)
        started = time.perf_counter()
        if callers == 1:
            await caller(left)
        else:
            async with asyncio.TaskGroup() as group:
                for _ in range(callers):
                    group.create_task(caller(left))
        return time.perf_counter() - started

    return sample
