"""A node's chain followed as it grows, and the gaps behind it filled."""

from whaledb.live.backfilling import (
    BackfillOptions,
    BackfillProgress,
    BackfillSummary,
    backfill,
    check_backfill_options,
)
from whaledb.live.following import follow
from whaledb.live.outcome import FollowOptions, FollowProgress, FollowSummary, check_follow_options

__all__ = [
    "BackfillOptions",
    "BackfillProgress",
    "BackfillSummary",
    "FollowOptions",
    "FollowProgress",
    "FollowSummary",
    "backfill",
    "check_backfill_options",
    "check_follow_options",
    "follow",
]
