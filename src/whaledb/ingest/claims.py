"""One writer for each stream: claimed, kept by heartbeats, checked where rows are written.

A claim is a lease with a fencing token, in the table ingest_claims. A writer may be paused,
or cut off, for longer than its lease, and go on not knowing that another has taken over: so
each transaction that writes renews the claim first, which fails where the token is not the
stored one, and keeps the row locked until it ends. Times are the server's alone.

The rule is that of Kleppmann, "How to do distributed locking" (2016): a lock that expires
protects nothing by itself; the storage has to check the token.
"""

import asyncio
import math
import os
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from typedsql.database import Database, Transaction
from typedsql.errors import ConfigurationError, Error, OperatorError, TimeoutExpired
from whaledb.queries import ingest_claims
from whaledb.rows import HeldClaim

LEASE_S: Final = 15.0
"""How long a claim outlives the last sign of its writer."""
MAX_LEASE_S: Final = 3600.0
HEARTBEATS_PER_LEASE: Final = 3
CLAIM_MARGIN_S: Final = 1.0
"""Beyond one lease, for the answer to a last attempt."""
MAX_POLL_S: Final = 0.5
"""Between two looks at the claim of another writer."""
RELEASE_LIMIT_S: Final = 5.0
MAX_HOLDER_CHARACTERS: Final = 300


class StreamTaken(OperatorError):
    """Another writer has the stream. Nothing was written; stop one of the two."""


class Claim:
    """The right to write a stream; made by `claimed`."""

    def __init__(
        self, db: Database, *, stream: str, chain_id: int, lease_s: float, fencing_token: int
    ) -> None:
        self._db = db
        self._lost = asyncio.Event()
        self.stream = stream
        self.chain_id = chain_id
        self.lease_s = lease_s
        self.fencing_token = fencing_token
        """Names this claim and no other of any stream, ever."""

    async def renew(self, tx: Transaction) -> None:
        """Holds the stream for another lease, and to itself until `tx` ends.

        The first statement of each transaction that writes for the stream; in a long one
        also the last, or the lease is over by the time it commits.

        Raises:
            StreamTaken: another writer took over; the error has to end the transaction.
        """
        if not self._lost.is_set() and await self._renew(tx):
            return
        self._lost.set()
        held = await ingest_claims.get(tx, stream=self.stream, chain_id=self.chain_id)
        by = f" ({held.holder})" if held else ""
        raise StreamTaken(
            f"stream {self.stream} of chain {self.chain_id}: another writer{by} took over while "
            "this one was paused or cut off; it wrote nothing since: stop one of the two"
        )

    async def wait_lost(self) -> None:
        """Returns once a heartbeat or a write found that another writer took over."""
        await self._lost.wait()

    async def _renew(self, db: Database | Transaction) -> bool:
        renewed = await ingest_claims.renew(
            db,
            stream=self.stream,
            chain_id=self.chain_id,
            fencing_token=self.fencing_token,
            lease_s=self.lease_s,
        )
        return bool(renewed)

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator["Claim", None]:
        """Heartbeats while the block runs; gives the stream back at its end."""
        beating = asyncio.create_task(self._beat())
        try:
            yield self
        finally:
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating
            await self._release()

    async def _beat(self) -> None:
        interval_s = self.lease_s / HEARTBEATS_PER_LEASE
        while not self._lost.is_set():
            await asyncio.sleep(interval_s)
            # Within the limit: a write of our own has the row locked, and renews it itself.
            # A server out of reach is for the next write to tell.
            with suppress(Error, TimeoutError):
                async with asyncio.timeout(interval_s):
                    if not await self._renew(self._db):
                        self._lost.set()

    async def _release(self) -> None:
        with suppress(Error, TimeoutError):
            async with asyncio.timeout(RELEASE_LIMIT_S):
                await ingest_claims.release(
                    self._db,
                    stream=self.stream,
                    chain_id=self.chain_id,
                    fencing_token=self.fencing_token,
                )


@asynccontextmanager
async def claimed(
    db: Database,
    *,
    stream: str,
    chain_id: int,
    lease_s: float = LEASE_S,
    on_wait: Callable[[HeldClaim], None] | None = None,
) -> AsyncGenerator[Claim, None]:
    """Has a stream to itself while the block runs, and gives it back at its end.

    Where another writer's claim is there, waits for it to expire, `lease_s` seconds at
    most, after telling `on_wait` once whose it is; a writer that renews it is alive, and is
    not waited for.

    Raises:
        StreamTaken: another writer has the stream.
        ConfigurationError: `lease_s` is no usable time.
    """
    if not (math.isfinite(lease_s) and 0 < lease_s <= MAX_LEASE_S):
        raise ConfigurationError(f"the lease has to be seconds, above 0 and at most {MAX_LEASE_S}")
    token = await _claim(db, stream=stream, chain_id=chain_id, lease_s=lease_s, on_wait=on_wait)
    claim = Claim(db, stream=stream, chain_id=chain_id, lease_s=lease_s, fencing_token=token)
    async with claim.kept():
        yield claim


async def _claim(
    db: Database,
    *,
    stream: str,
    chain_id: int,
    lease_s: float,
    on_wait: Callable[[HeldClaim], None] | None,
) -> int:
    clock = asyncio.get_running_loop().time
    deadline_s = clock() + lease_s + CLAIM_MARGIN_S
    holder = f"{socket.gethostname()}:{os.getpid()}"[-MAX_HOLDER_CHARACTERS:]
    first: HeldClaim | None = None
    while True:
        # A holder within a transaction has the row locked: it is waited for as any other.
        with suppress(TimeoutExpired):
            token = await ingest_claims.claim(
                db, stream=stream, chain_id=chain_id, holder=holder, lease_s=lease_s
            )
            if token is not None:
                return token
        held = await ingest_claims.get(db, stream=stream, chain_id=chain_id)
        if held is not None and first is None:
            first = held
            if on_wait is not None:
                on_wait(held)
        is_alive = held is not None and first is not None and held.expires_at != first.expires_at
        remaining_s = deadline_s - clock()
        if is_alive or remaining_s <= 0:
            by = f" {held.holder}" if held else ""
            raise StreamTaken(
                f"stream {stream} of chain {chain_id} is written by{by or ' another writer'}:"
                " stop that one first, or name another stream"
            )
        expected_s = float(held.remaining_s) if held else 0.0
        await asyncio.sleep(max(0.01, min(expected_s, remaining_s, MAX_POLL_S)))
