"""A writer in a process of its own: `claim_run.py LEASE_S FIRST_NUMBER [options]`.

Each line on its standard input has it write the next block; it answers `wrote NUMBER`, or the
name of the error that ended it. Options: `--unchecked` writes without looking at the claim,
the control; `--pause-inside` says `inside` once its rows are written, and waits for another
line before the transaction commits; `--idle-limit S` is the server's patience with that.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import whaledb
from tests.ingest.chain import block, transaction
from tests.ingest.reading import CHAIN, MIN_VALUE_ETH, STREAM, read
from typedsql.database import Database, Transaction
from typedsql.errors import Error
from whaledb.ingest.advancing import ChainWriter
from whaledb.ingest.claims import claimed

T = TypeVar("T")


def say(text: str) -> None:
    print(text, flush=True)


async def hear() -> bool:
    return bool(await asyncio.to_thread(sys.stdin.readline))


async def unchecked(tx: Transaction) -> None:
    """In the place of Claim.renew."""


class PausingInside:
    """The database, in whose transactions somebody waits before they commit."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    async def run_transaction(
        self, function: Callable[[Transaction], Awaitable[T]], **options: Any
    ) -> T:
        async def pausing(tx: Transaction) -> T:
            done = await function(tx)
            say("inside")
            await hear()
            return done

        return await self._db.run_transaction(pausing, **options)


async def main(lease_s: float, number: int, options: list[str]) -> None:
    idle_s = float(options[options.index("--idle-limit") + 1]) if "--idle-limit" in options else 60
    async with whaledb.connect(idle_in_transaction_timeout_s=idle_s) as db:
        used: Any = PausingInside(db) if "--pause-inside" in options else db
        async with claimed(db, stream=STREAM, chain_id=CHAIN, lease_s=lease_s) as claim:
            say("claimed")
            if "--unchecked" in options:
                claim.renew = unchecked  # type: ignore[method-assign]
            writer = ChainWriter(used, claim=claim, min_value_eth=MIN_VALUE_ETH)
            while await hear():
                made = read(block(number, [transaction(f"t{number}", ether=500)]))
                await writer.advance([made], head_number=number)
                say(f"wrote {number}")
                number += 1


if __name__ == "__main__":
    try:
        asyncio.run(main(float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
    except Error as error:
        say(type(error).__name__)
        print(error, file=sys.stderr)
        sys.exit(1)
