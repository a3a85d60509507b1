"""How much a merge has in memory, in one transaction and under way."""

from collections.abc import Mapping
from typing import Any, Final, TypedDict

import msgspec

from typedsql.errors import CodeError

CHUNK_ROWS: Final = 10_000
CHUNK_BYTES: Final = 8 * 2**20
LANES: Final = 2
ATTEMPTS: Final = 3
CHUNK_TIMEOUT_S: Final = 60.0


class MergeLimits(TypedDict, total=False):
    """The limits of one merge; each that is not given has its default."""

    chunk_rows: int
    """Rows that are stored in one transaction, at most: 10,000. The first chunks have fewer, so
    that the server begins early."""
    chunk_bytes: int
    """Bytes of their texts and documents at which a chunk is full: 8 MiB. Rows are read some at
    a time, as many as would fit by the size of those before, and 128 at most: where they
    suddenly are larger, a chunk holds those that were read too."""
    lanes: int
    """Chunks that are stored at a time, each on a connection of the bulk pool: 2, and never
    more than `bulk_max_size`.

    A chunk waits for those before it that have a key in common. Beside those that are stored one
    is ready and one is filled, and as many rows as one chunk has may wait for a row of their
    key.
    """
    attempts: int
    """How often a chunk is tried where its connection breaks or another session is in the way:
    3. With 1 the error is raised at once."""
    chunk_timeout_s: float
    """How long one COPY of a chunk may take, in seconds: 60."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one merge, all of them."""

    chunk_rows: int = CHUNK_ROWS
    chunk_bytes: int = CHUNK_BYTES
    lanes: int = LANES
    attempts: int = ATTEMPTS
    chunk_timeout_s: float = CHUNK_TIMEOUT_S

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Limits":
        """Raises CodeError for one that is unknown or not above 0."""
        for name, value in given.items():
            if name not in cls.__struct_fields__:
                known = ", ".join(cls.__struct_fields__)
                raise CodeError(f"a merge has no limit {name}: there are {known}")
            kinds = (int, float) if name.endswith("_s") else (int,)
            if isinstance(value, bool) or not isinstance(value, kinds) or not value > 0:
                raise CodeError(f"the limit {name} of a merge has to be a number above 0")
        return cls(**given)
