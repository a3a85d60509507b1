"""Numbers that depend on a seed alone."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")


class Draws:
    """A stream of numbers, the same for one seed on every platform and Python release.

    SHA-256 of the seed and a counter. The module `random` promises that for its floats
    alone, and a float's logarithm is the platform's.
    """

    def __init__(self, *seed: object) -> None:
        self._seed = "/".join(map(str, seed)).encode()
        self._drawn = 0

    def octets(self, count: int) -> bytes:
        """At most 32 bytes."""
        self._drawn += 1
        return hashlib.sha256(b"%b#%d" % (self._seed, self._drawn)).digest()[:count]

    def below(self, bound: int) -> int:
        """A number from 0 to bound - 1, each as likely."""
        return int.from_bytes(self.octets(32), "big") % bound

    def between(self, first: int, last: int) -> int:
        """A number from first to last, both included."""
        return first + self.below(last - first + 1)

    def low_between(self, first: int, last: int) -> int:
        """As `between`, the lower the likelier: the least of three."""
        return min(self.between(first, last) for _ in range(3))

    def one_in(self, count: int) -> bool:
        """True once in so many times."""
        return self.below(count) == 0

    def pick(self, choices: Sequence[_T]) -> _T:
        """One of the choices, each as likely."""
        return choices[self.below(len(choices))]

    def word(self) -> str:
        """32 bytes in hexadecimal, such as a hash."""
        return "0x" + self.octets(32).hex()

    def quantity(self) -> str:
        """A number of up to 256 bits, such as one half of a signature."""
        return hex(1 + self.below(2**256 - 1))
