"""The same question for many arguments, a bounded number of them at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


async def each(
    ask: Callable[[_Argument], Awaitable[_Result]],
    arguments: Sequence[_Argument],
    *,
    at_once: int,
) -> list[_Result]:
    """The results in the arguments' order; the first failure ends all and is raised itself."""
    results: dict[int, _Result] = {}
    places = iter(range(len(arguments)))

    async def work() -> None:
        # The iterator is shared: each place is taken by one worker.
        for place in places:
            results[place] = await ask(arguments[place])

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(arguments))):
                group.create_task(work())
    except ExceptionGroup as failures:
        failure = failures.exceptions[0]
    else:
        return [results[place] for place in range(len(arguments))]
    raise failure
