"""Which calls go alone and which together, whatever the server takes for them."""

import asyncio
import itertools
from collections import deque
from collections.abc import Sequence
from typing import Any

from tests.queries.transfers import CHAIN, hash_of
from typedsql import batching
from typedsql.batching import Batching
from typedsql.query import Executor
from typedsql.statements import Statement
from whaledb.queries import whale_transactions

CONNECTIONS = 8


class Held(Executor):
    """Finds nothing, and holds what it was sent until it is told to answer."""

    def __init__(self) -> None:
        self.batching = Batching(self, {}, connections=CONNECTIONS)
        self.sizes: list[int] = []
        """Of each statement how many calls it stands for."""
        self._held: deque[asyncio.Future[None]] = deque()

    def answer(self, statements: int) -> None:
        """So many of those that it has held for longest, at the same moment."""
        for _ in range(min(statements, len(self._held))):
            self._held.popleft().set_result(None)

    async def fetch_all(self, statement: Statement, arguments: Sequence[Any], read: Any) -> Any:
        await self._hold(len(arguments[0]))
        return read([])

    async def fetch_one(self, statement: Statement, arguments: Sequence[Any], read: Any) -> Any:
        await self._hold(1)
        return read(None)

    async def _hold(self, size: int) -> None:
        self.sizes.append(size)
        held = asyncio.get_running_loop().create_future()
        self._held.append(held)
        await held

    async def execute(self, statement: Statement, arguments: Sequence[object]) -> int:
        raise NotImplementedError

    def batches(self, statement: Statement, arguments: Sequence[object]) -> Any:
        raise NotImplementedError

    def run_batched(self, batched: Any, arguments: tuple[object, ...]) -> Any:
        return self.batching.run(batched, arguments)


async def sizes_of(db: Held, *, callers: int, calls: int) -> list[int]:
    """The statements of callers that make one call after the other, so many each."""
    db.sizes.clear()

    async def caller(number: int) -> None:
        for _ in range(calls):
            found = await whale_transactions.get_by_hash(db, chain_id=CHAIN, hash=hash_of(number))
            assert found is None

    working = asyncio.gather(*(caller(number) for number in range(callers)))
    async with asyncio.timeout(60):
        # One after the other, so that nothing waits in line; and then those under way together.
        for statements in itertools.cycle([1] * callers + [callers]):
            for _ in range(5):
                await asyncio.sleep(0)
            if working.done():
                break
            db.answer(statements)
    await working
    assert sum(db.sizes) == callers * calls
    return db.sizes


async def test_calls_that_have_company_keep_it_when_all_are_answered_at_once() -> None:
    sizes = await sizes_of(Held(), callers=64, calls=100)
    alone = batching.ALONE_AT_ONCE
    assert sizes[:alone] == [1] * alone
    assert 1 not in sizes[alone:]


async def test_few_callers_have_the_plain_statement_also_after_many() -> None:
    db = Held()
    for callers in (batching.ALONE_AT_ONCE, 64, batching.ALONE_AT_ONCE):
        sizes = await sizes_of(db, callers=callers, calls=5)
        assert (max(sizes) == 1) is (callers <= batching.ALONE_AT_ONCE)
