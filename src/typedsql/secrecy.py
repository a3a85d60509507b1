"""What an exception must not carry along: the local variables of those who had a password."""

from typing import cast


def forget_frames(failure: BaseException) -> None:
    """Take from a failure, and from what led to it, the frames in which it was raised.

    Those of the driver hold the password among their local variables, where whatever
    reports an exception with its locals would show it.
    """
    met: set[int] = set()
    left: list[BaseException | None] = [failure]
    while left:
        found = left.pop()
        if found is None or id(found) in met:
            continue
        met.add(id(found))
        found.__traceback__ = None
        left += [found.__cause__, found.__context__]
        if isinstance(found, BaseExceptionGroup):
            left += cast("BaseExceptionGroup[BaseException]", found).exceptions
