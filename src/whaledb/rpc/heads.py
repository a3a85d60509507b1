"""Waking up when a node may have a new block."""

import asyncio
from collections.abc import AsyncGenerator

from whaledb.rpc.messages import METHOD_MISSING_CODES, SERVER_ERROR_CODE, Fault
from whaledb.rpc.websocket import WebsocketTransport

# Geth answers "notifications not supported" with its code for everything.
_NO_SUBSCRIPTIONS = METHOD_MISSING_CODES | {SERVER_ERROR_CODE}


async def polled(poll_interval_s: float) -> AsyncGenerator[None, None]:
    """Wakes at once, then each interval after the work that a wake led to."""
    while True:
        yield
        await asyncio.sleep(poll_interval_s)


async def notified(
    transport: WebsocketTransport, poll_interval_s: float
) -> AsyncGenerator[None, None]:
    """Wakes at once, then whenever the node tells of a block, and each interval in any case.

    It also wakes after subscribing, since nobody told of what came before, and when the
    connection is lost. Several blocks told of while the caller works are one wake. What
    keeps the node from taking a subscription is for the caller's own requests to find out;
    it is asked again after each wake.
    """
    may_subscribe = True
    yield
    while True:
        if may_subscribe and not transport.is_subscribed:
            transport.notified.clear()
            try:
                await transport.subscribe()
            except Fault as fault:
                may_subscribe = fault.code not in _NO_SUBSCRIPTIONS
            else:
                yield
        try:
            async with asyncio.timeout(poll_interval_s):
                await transport.notified.wait()
        except TimeoutError:
            pass
        transport.notified.clear()
        yield
