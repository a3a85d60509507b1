"""One rule of the prover, broken on purpose."""

import functools
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.proof.broken import Breaking
from typedsql.tools.proof.nullability.rules import RULES


@dataclass(frozen=True)
class Mutation:
    """A rule, and what it becomes."""

    what: str
    """What the broken prover believes."""
    rule: str
    breaking: Breaking
    focus: tuple[str, ...] = ()
    holder: Any = None
    """Where what is broken stands: a table with the rule's name as key, or what has it as
    an attribute."""

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The prover is broken while the block runs."""
        holder = RULES if self.holder is None else self.holder
        if isinstance(holder, MutableMapping):
            # A kind of expression may have no rule, which is cautious.
            rule = holder.get(self.rule)
            replace = holder.__setitem__
        else:
            rule = vars(holder)[self.rule]
            replace = functools.partial(setattr, holder)
        replace(self.rule, self.breaking(rule))
        try:
            yield
        finally:
            if rule is None and isinstance(holder, MutableMapping):
                del holder[self.rule]
            else:
                replace(self.rule, rule)
