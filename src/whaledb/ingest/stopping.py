"""SIGTERM and SIGINT as a request to end well."""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """While installed, the first SIGTERM or SIGINT calls `stop` in the event loop.

    The second does what it did before, so that nobody is kept waiting. Where several are
    installed, one signal is for all of them. A signal that is ignored stays ignored. Outside
    the main thread, which alone hears signals, it does nothing.

    Not by loop.add_signal_handler: that cannot tell what handler it replaces, so that of two
    the first one would be lost.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def install(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        self._loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            previous = signal.getsignal(number)
            # None: a handler that was not set from Python, and could not be set again.
            if previous is not None and previous != signal.SIG_IGN:
                self._previous[number] = previous
                signal.signal(number, self._hear)

    def restore(self) -> None:
        """Signals do what they did before, or what those do that are installed still."""
        self._loop = None
        for number, previous in self._previous.items():
            # Where it is another's, that one skips us when it is restored.
            if signal.getsignal(number) == self._hear:
                signal.signal(number, self._skip_restored(number, previous))

    def _hear(self, number: int, frame: FrameType | None) -> None:
        heard: Any = self._hear
        while (one := _of(heard)) is not None:
            loop, stop = one._loop, one._stop
            heard = one._previous[signal.Signals(number)]
            one.restore()
            if loop is not None:
                loop.call_soon_threadsafe(stop)

    def _skip_restored(self, number: signal.Signals, handler: Any) -> Any:
        """What stands behind a handler that would not be heard any more."""
        while (one := _of(handler)) is not None and one._loop is None:
            handler = one._previous[number]
        return handler


def _of(handler: Any) -> StopSignals | None:
    """Whose handler it is, None for anybody else's."""
    owner = getattr(handler, "__self__", None)
    return owner if isinstance(owner, StopSignals) else None
