"""What a target tells of itself, and to whom it gives its password."""

import pickle

import pytest

from tests.engine.resolving import CANARY, resolve


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("postgresql://u@localhost/d", True),
        ("postgresql://u@LOCALHOST./d", True),
        ("postgresql://u@127.0.0.1/d", True),
        ("postgresql://u@127.8.9.10/d", True),
        ("postgresql://u@[::1]/d", True),
        ("postgresql://u@/d?host=/tmp", True),
        ("embedded:/srv/data", True),
        ("postgresql://u@db.example.com/d", False),
        ("postgresql://u@localhost.example.com/d", False),
        ("postgresql://u@10.0.0.1/d", False),
        ("postgresql://u@0.0.0.0/d", False),
        ("postgresql://u@[2001:db8::7]/d", False),
    ],
)
def test_a_server_is_local_by_its_address(url: str, local: bool) -> None:
    assert resolve(url).is_local() is local


def test_a_target_describes_itself_without_its_password() -> None:
    target = resolve(DATABASE_URL=f"postgresql://u:{CANARY}@db.example.com/app")
    assert target.describe() == "u@db.example.com:5432/app (DATABASE_URL)"
    assert resolve("postgresql://u@[::1]/d").describe() == "u@[::1]:5432/d (argument)"


def test_dbmate_gets_a_url_for_sockets_and_addresses() -> None:
    socket = resolve("postgresql://u:p%40@/d?host=/tmp/a%20b&port=6000").dbmate_url()
    assert socket == "postgres://u:p%40@/d?sslmode=disable&host=/tmp/a%20b&port=6000"
    assert resolve("postgresql://u@[::1]/d").dbmate_url() == (
        "postgres://u@/d?sslmode=disable&host=%3A%3A1&port=5432"
    )
    remote = resolve("postgresql://u@db.example.com/d")
    assert remote.dbmate_url().endswith("?sslmode=prefer")
    assert remote.dbmate_url(sslmode="require").endswith("?sslmode=require")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_target_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(resolve(f"postgresql://u:{CANARY}@h/d"), protocol)
