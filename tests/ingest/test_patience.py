"""How long failures are waited out, and when somebody is told."""

import time

import pytest

from typedsql.errors import ConnectionFailed
from whaledb.ingest.patience import Patience

LIMIT_S = 60.0
REFUSED = ConnectionFailed("no server answers there")


def test_what_a_try_waited_by_itself_counts() -> None:
    notices: list[str] = []
    patience = Patience(LIMIT_S, notices.append)
    with pytest.raises(ConnectionFailed):
        patience.after(REFUSED, began_s=time.monotonic() - LIMIT_S, often_passes=True)
    assert notices == []


def test_a_failure_at_once_has_the_whole_limit() -> None:
    """The control: the same failure, of a try that began now."""
    patience = Patience(LIMIT_S, lambda _: None)
    assert 0 < patience.after(REFUSED, began_s=time.monotonic()) < LIMIT_S


def test_a_long_try_is_told_of_the_first_time() -> None:
    notices: list[str] = []
    patience = Patience(LIMIT_S, notices.append)
    patience.after(REFUSED, began_s=time.monotonic() - LIMIT_S / 2, often_passes=True)
    patience.restore()
    assert [notice.split(" ")[0] for notice in notices] == ["waiting", "going"]
    assert " since 30 s" in notices[0]


def test_what_often_passes_is_told_of_the_second_time() -> None:
    notices: list[str] = []
    patience = Patience(LIMIT_S, notices.append)
    patience.after(REFUSED, began_s=time.monotonic(), often_passes=True)
    assert notices == []
    patience.after(REFUSED, often_passes=True)
    assert len(notices) == 1
