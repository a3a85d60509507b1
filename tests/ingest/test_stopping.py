"""Signals as a request to end: for all that are installed, once, and as before afterwards."""

import asyncio
import signal
import threading
from collections.abc import Generator
from types import FrameType

import pytest

from whaledb.ingest.stopping import STOP_SIGNALS, StopSignals

BOTH = pytest.mark.parametrize("number", STOP_SIGNALS)


@pytest.fixture
def before() -> Generator[list[int]]:
    """What came to the handlers that were there before."""
    heard: list[int] = []

    def handler(number: int, _: FrameType | None) -> None:
        heard.append(number)

    kept = {number: signal.signal(number, handler) for number in STOP_SIGNALS}
    yield heard
    now = [signal.getsignal(number) for number in STOP_SIGNALS]
    for number, one in kept.items():
        signal.signal(number, one)
    assert now == [handler] * len(STOP_SIGNALS), "the handlers were not put back"


async def heard_soon() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@BOTH
async def test_the_first_signal_stops_and_the_second_does_what_it_did(
    before: list[int], number: signal.Signals
) -> None:
    stops: list[str] = []
    installed = StopSignals(lambda: stops.append("one"))
    installed.install()
    signal.raise_signal(number)
    await heard_soon()
    assert (stops, before) == (["one"], [])
    signal.raise_signal(number)
    await heard_soon()
    assert (stops, before) == (["one"], [number])
    installed.restore()


@BOTH
async def test_one_signal_is_for_all(before: list[int], number: signal.Signals) -> None:
    stops: list[str] = []
    first = StopSignals(lambda: stops.append("first"))
    second = StopSignals(lambda: stops.append("second"))
    first.install()
    second.install()
    signal.raise_signal(number)
    await heard_soon()
    assert (sorted(stops), before) == (["first", "second"], [])


@pytest.mark.parametrize("first_ends_first", [True, False])
async def test_whichever_ends_first_leaves_the_other_listening(
    before: list[int], first_ends_first: bool
) -> None:
    stops: list[str] = []
    first = StopSignals(lambda: stops.append("first"))
    second = StopSignals(lambda: stops.append("second"))
    first.install()
    second.install()
    ending, staying = (first, second) if first_ends_first else (second, first)
    ending.restore()
    signal.raise_signal(signal.SIGTERM)
    await heard_soon()
    assert stops == ["second" if staying is second else "first"]
    staying.restore()
    signal.raise_signal(signal.SIGTERM)
    assert before == [signal.SIGTERM]


async def test_restored_out_of_order_the_first_handlers_are_back(before: list[int]) -> None:
    first, second = StopSignals(lambda: None), StopSignals(lambda: None)
    first.install()
    second.install()
    first.restore()
    second.restore()
    signal.raise_signal(signal.SIGINT)
    assert before == [signal.SIGINT]


async def test_an_ignored_signal_stays_ignored(before: list[int]) -> None:
    kept = signal.signal(signal.SIGINT, signal.SIG_IGN)
    installed = StopSignals(lambda: None)
    installed.install()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    installed.restore()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    signal.signal(signal.SIGINT, kept)


async def test_another_thread_hears_nothing(before: list[int]) -> None:
    def install() -> None:
        async def try_it() -> None:
            installed = StopSignals(lambda: None)
            installed.install()
            installed.restore()

        asyncio.run(try_it())

    await asyncio.to_thread(install)
    assert threading.current_thread() is threading.main_thread()
    assert before == []
