"""All cases, in the order in which they are run and told."""

from tests.benchmarks.cases import coalesced, fetch, merges, own_alerts, point_reads
from tests.benchmarks.frame import Case

CASES: tuple[Case, ...] = (
    *fetch.CASES,
    *point_reads.CASES,
    *coalesced.CASES,
    *merges.CASES,
    *own_alerts.CASES,
)
