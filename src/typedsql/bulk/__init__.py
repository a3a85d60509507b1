"""Merging many rows into a table: what the function of a ``-- @staging`` statement does.

The rows are read from an iterable, synchronous or asynchronous, and stored chunk by chunk,
each in a transaction of its own on a connection of the bulk pool. A chunk goes by COPY straight
into the table; where a key of it is there already it goes by COPY into a temporary staging
table, and from there by the named statement, which says what is done with such rows.

What holds whatever happens:

- Every row counts once: given = inserted + updated + unchanged + rejected.
- Rows of one key are stored in the order in which they were given, as if each had been merged
  by itself; a row waits for the chunk after that of the row before it.
- A chunk is sorted by its keys, so that mergers of the same rows wait for each other instead
  of deadlocking.
- A row that its table refuses is left out by itself and handed to `on_rejected`. Without that
  callback it ends the merge, with the error of that row; nothing of its chunk is stored.
- When the merge ends with an error, what was reported to `on_progress` stays stored, and
  nothing of the other chunks is, but perhaps of one whose COMMIT was under way. Merging the same
  rows again is safe: those that are there count as unchanged.
- A connection that breaks is noticed at once, in the middle of a COPY too, where the driver by
  itself would wait for ever. Its chunk is merged again on another connection, within `attempts`;
  where its COMMIT was under way and had succeeded, its rows count as unchanged then.
- A generator or a stream of rows is closed when the merge ends, however it does.

Raises DataError for a refused row without `on_rejected`, or for one that is refused when its
chunk commits; ConnectionLost, TransientError and TimeoutExpired where the attempts are used up;
CodeError for limits that cannot be kept and for rows of another type; whatever the iterable or
a callback raises.
"""

from typedsql.bulk.limits import MergeLimits
from typedsql.bulk.merging import BulkMerge
from typedsql.bulk.report import MergeReport, OnProgress, OnRejected

__all__ = ["BulkMerge", "MergeLimits", "MergeReport", "OnProgress", "OnRejected"]
