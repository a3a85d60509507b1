"""The rules of the proof, by name.

Each rule stands in one function, and is looked up here whenever it is applied: whoever wants
to know whether the tests would notice a broken rule replaces its entry by a broken one.
"""

from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

RULES: Final[dict[str, Callable[..., Any]]] = {}
"""Every rule that decides what is not null, as it is applied now."""


def rule(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Enter a function under a name; calls of it go to what the name stands for then."""

    def enter(function: Callable[P, R]) -> Callable[P, R]:
        if name in RULES:
            raise ValueError(f"there are two rules named {name}")
        RULES[name] = function

        def apply(*arguments: P.args, **named: P.kwargs) -> R:
            return cast("R", RULES[name](*arguments, **named))

        apply.__doc__ = function.__doc__
        return apply

    return enter
