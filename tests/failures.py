"""What a failure shows to whoever logs it."""

import traceback


def everything_of(failure: BaseException) -> str:
    """All that a log or an error tracker could get hold of."""
    text = "".join(traceback.format_exception(failure))
    seen: set[int] = set()
    pending: list[BaseException | None] = [failure]
    while pending:
        each = pending.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            text += f"{each}{each!r}{each.args}{vars(each)}"
            pending += [each.__cause__, each.__context__]
    return text
