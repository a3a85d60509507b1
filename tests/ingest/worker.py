"""A worker, as a team would write it: `worker.py PATH [--without-drain]`, until SIGTERM.

The source is the lines of a file, and then silence. Says "put" once it has put them all.
With the option signals do what they do to any program: the control.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import whaledb
from whaledb.ingest import Ingestor, IngestorLimits

STREAM = "my-node"


async def payloads(path: str) -> AsyncGenerator[bytes, None]:
    for line in Path(path).read_bytes().splitlines():
        yield line
    print("put", flush=True)
    await asyncio.Event().wait()


async def main(path: str, *options: str) -> None:
    # Neither full nor old: what is stored, was stored because the worker was told to stop.
    limits = IngestorLimits(max_flush_blocks=100, max_age_s=600)
    async with (
        whaledb.connect() as db,
        Ingestor(db, stream=STREAM, limits=limits, stop_on_signals=not options) as ingestor,
    ):
        async for payload in payloads(path):
            await ingestor.put(payload)
    print(ingestor.statistics().blocks, "stored")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
