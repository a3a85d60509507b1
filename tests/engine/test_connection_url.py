"""URLs: what they say, and that no error repeats any part of one."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.engine.resolving import CANARY, password, refusal, resolve
from typedsql.errors import ConfigurationError


def test_a_url_is_read_and_decoded() -> None:
    target = resolve("postgres://wor%40ker:p%23%2F%40%3F%25%3A%20w@db.example.com:6000/a%2Fb")
    assert (target.host, target.port) == ("db.example.com", 6000)
    assert (target.user, target.database) == ("wor@ker", "a/b")
    assert password(target) == "p#/@?%: w"


def test_what_a_url_leaves_out_is_as_in_libpq() -> None:
    target = resolve("postgresql://worker@db.example.com")
    assert (target.port, target.database, target.password) == (5432, "worker", None)


def test_a_password_may_contain_colons() -> None:
    assert password(resolve("postgresql://u:a:b:c@h/d")) == "a:b:c"


def test_spaces_around_a_url_do_not_matter() -> None:
    assert resolve(" postgresql://u@h/d\n").host == "h"


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgresql://u@[::1]:6000/d", "::1", 6000),
        ("postgresql://u@[2001:db8::7]/d", "2001:db8::7", 5432),
        ("postgresql://u@[fe80::1%25eth0]/d", "fe80::1%eth0", 5432),
        ("postgresql://u@127.0.0.1/d", "127.0.0.1", 5432),
        ("postgresql://u@/d?host=/var/run/postgresql&port=6000", "/var/run/postgresql", 6000),
        ("postgresql://u@:6000/d?socket=/tmp/a%20b", "/tmp/a b", 6000),
        ("postgresql://u@%2Fvar%2Frun/d", "/var/run", 5432),
        ("postgresql://u@/d?host=db.example.com", "db.example.com", 5432),
    ],
)
def test_hosts_are_names_addresses_and_sockets(url: str, host: str, port: int) -> None:
    target = resolve(url)
    assert (target.host, target.port) == (host, port)


@pytest.mark.parametrize(
    ("url", "part"),
    [
        (f"{CANARY}", "does not begin"),
        (f"mysql://u:{CANARY}@h/d", "does not begin"),
        (f"postgresql+asyncpg://u:{CANARY}@h/d", "does not begin"),
        (f"postgresql://u:{CANARY}#x@h/d", "bare #"),
        (f"postgresql://u:{CANARY}/x@h/d", "@ where none can stand"),
        (f"postgresql://u:12/{CANARY}@h/d", "@ where none can stand"),
        (f"postgresql://u:{CANARY}@x@h/d", "@ where none can stand"),
        (f"postgresql://u:{CANARY}?x@h/d", "@ where none can stand"),
        (f"postgresql://u:12?{CANARY}@h/d", "@ where none can stand"),
        (f"postgresql://u:{CANARY}%x@h/d", "password contains a bare %"),
        (f"postgresql://u%{CANARY}@h/d", "user name is not UTF-8"),
        (f"postgresql://u:{CANARY}%ff@h/d", "password is not UTF-8"),
        (f"postgresql://u:{CANARY}%00@h/d", "NUL"),
        (f"postgresql://u:{CANARY} x@h/d", "space"),
        (f"postgresql://u:{CANARY}\x00@h/d", "control character"),
        (f"postgresql://:{CANARY}@h/d", "no user name"),
        (f"postgresql://u@h:{CANARY}/d", "port"),
        ("postgresql://u@h:65536/d", "port"),
        (f"postgresql://u@[{CANARY}]/d", "brackets"),
        (f"postgresql://u@[::1]{CANARY}/d", "brackets"),
        ("postgresql://u@2001:db8::7/d", "port"),
        (f"postgresql://u:{CANARY}@/d", "no host"),
        ("postgresql:///d", "no host"),
        ("postgresql://u@h1,h2/d", "several hosts"),
        (f"postgresql://u@-{CANARY}!/d", "host"),
        ("postgresql://u@h/d?socket=relative", "says again"),
        ("postgresql://u@/d?socket=relative", "absolute"),
        ("postgresql://u@h/d?host=other", "says again"),
        ("postgresql://u@/d?host=a&socket=/b", "both"),
        (f"postgresql://u@h/d/{CANARY}", "database name"),
        ("postgresql://u@h/d?sslmode=maybe", "sslmode must be one of"),
        ("postgresql://u@h/d?sslmode=", "empty"),
        ("postgresql://u@h/d?sslmode=require&sslmode=require", "twice"),
        (f"postgresql://u@h/d?{CANARY}", "name=value"),
        (f"postgresql://u@h/d?{CANARY}=1", "name=value"),
        ("postgresql://u@h/d?pgbouncer=true", "parameter pgbouncer is not supported"),
    ],
)
@pytest.mark.parametrize("source", ["argument", "DATABASE_URL"])
def test_a_malformed_url_is_refused_naming_the_part_and_nothing_of_it(
    url: str, part: str, source: str
) -> None:
    message = refusal(url) if source == "argument" else refusal(DATABASE_URL=url)
    assert message.startswith("The given URL" if source == "argument" else "DATABASE_URL")
    assert part in message
    assert CANARY not in message


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_every_password_survives_the_way_through_a_url(secret: str) -> None:
    if any(0xD800 <= ord(character) <= 0xDFFF for character in secret):
        return  # not a character: it has no UTF-8 form, in a URL or on the wire
    target = dataclasses.replace(
        resolve("postgresql://u@h/d"), password=SecretStr(secret), user=secret, database=secret
    )
    again = resolve(target.dbmate_url())
    assert (password(again), again.user, again.database) == (secret, secret, secret)


@given(st.text())
def test_no_url_makes_anything_but_a_target_or_our_error(text: str) -> None:
    try:
        resolve("postgresql://" + text)
    except ConfigurationError as error:
        assert error.__cause__ is None
        assert error.__context__ is None
