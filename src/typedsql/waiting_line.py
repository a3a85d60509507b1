"""Who waits for something of which there is too little, in the order of asking."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class WaitingLine(Generic[T]):
    """Each who waits gets one thing, or a failure; one who is cancelled leaves the line."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[asyncio.Future[T], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, joined: Callable[[], None], give_back: Callable[[T], object]) -> T:
        """What somebody serves; `joined` is called once the caller stands in the line.

        `give_back` gets what was served in the moment in which the caller was cancelled.
        """
        place: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting[place] = None
        joined()
        try:
            return await place
        except BaseException:
            self._waiting.pop(place, None)
            if place.done() and not place.cancelled() and place.exception() is None:
                give_back(place.result())
            raise

    def serve(self, served: T) -> bool:
        """Give it to the first; False where nobody waits."""
        place = self._first()
        if place is not None:
            place.set_result(served)
        return place is not None

    def refuse(self, failure: Exception) -> bool:
        """Have the first raise `failure`; False where nobody waits."""
        place = self._first()
        if place is not None:
            place.set_exception(failure)
        return place is not None

    def _first(self) -> asyncio.Future[T] | None:
        while self._waiting:
            place, _ = self._waiting.popitem(last=False)
            # A cancelled one leaves when its task runs, which may be later.
            if not place.done():
                return place
        return None
