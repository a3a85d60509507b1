"""Supabase: its project's database, its local stack, its poolers, and keys that open neither."""

import base64
import json
from pathlib import Path

import pytest

from tests.engine.resolving import CANARY, SUPABASE, password, refusal, refused, resolve

POOLER = "aws-0-eu-west-1.pooler.supabase.com"


def token(**claims: str) -> str:
    """A JWT with these claims, unsigned, as some of Supabase's keys are JWTs."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256"}, claims)]
    words = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts]
    return ".".join([*words, "c2lnbmF0dXJl"])


KEYS = {
    "anon": token(iss="supabase", ref="abcdefgh", role="anon"),
    "local service role": token(iss="supabase-demo", role="service_role"),
    "of nobody known": token(role="service_role"),
    "unreadable": "eyJhbGciOiJIUzI1NiJ9.c4n4ry.x",
    "publishable": "sb_publishable_c4n4ry",
    "secret": "sb_secret_c4n4ry",
}


def test_a_supabase_project_is_reached_directly_and_verified() -> None:
    target = resolve(**SUPABASE)
    assert (target.host, target.port) == ("db.abcdefgh.supabase.co", 5432)
    assert (target.user, target.database) == ("postgres", "postgres")
    assert password(target) == CANARY
    assert (target.sslmode, target.sslrootcert) == ("verify-full", Path("system"))


@pytest.mark.parametrize(
    "url", ["http://localhost:54321", "http://127.0.0.1:54321/", "https://LOCALHOST"]
)
@pytest.mark.parametrize("keys", [{}, {"SUPABASE_ANON_KEY": KEYS["anon"]}], ids=["", "key"])
def test_a_local_supabase_needs_neither_tls_nor_a_password(url: str, keys: dict[str, str]) -> None:
    target = resolve(SUPABASE_URL=url, PGSSLMODE="verify-full", **keys)
    assert target.mode == "direct"
    assert (target.host, target.port, password(target)) == ("127.0.0.1", 54322, "postgres")
    assert target.sslmode is None
    assert password(resolve(SUPABASE_URL=url, SUPABASE_DB_PASSWORD=CANARY)) == CANARY


def test_api_keys_open_nothing() -> None:
    keys = {"SUPABASE_ANON_KEY": CANARY, "SUPABASE_SERVICE_ROLE_KEY": CANARY}
    assert "Nothing says" in refusal(**keys)
    message = refusal(SUPABASE_URL="https://abcdefgh.supabase.co", **keys)
    assert "SUPABASE_DB_PASSWORD" in message
    assert CANARY not in message


@pytest.mark.parametrize(
    "url",
    ["https://shop.example.com", "abcdefgh", f"https://{CANARY}@x.supabase.co", "https://[::1"],
)
def test_another_supabase_url_is_refused_without_being_repeated(url: str) -> None:
    message = refusal(SUPABASE_URL=url, SUPABASE_DB_PASSWORD=CANARY)
    assert "SUPABASE_URL" in message
    assert url not in message
    assert CANARY not in message


def test_a_supabase_password_without_its_project_is_refused() -> None:
    assert "SUPABASE_URL" in refusal(SUPABASE_DB_PASSWORD=CANARY)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("variable", "others"),
    [
        ("The given URL", {}),
        ("DATABASE_URL", {}),
        ("POSTGRES_PASSWORD", {"POSTGRES_HOST": "pg.example.com"}),
        ("SUPABASE_DB_PASSWORD", {"SUPABASE_URL": "https://abcdefgh.supabase.co"}),
        ("SUPABASE_DB_PASSWORD", {"SUPABASE_URL": "http://localhost:54321"}),
    ],
)
def test_an_api_key_is_no_password(key: str, variable: str, others: dict[str, str]) -> None:
    value = KEYS[key]
    url = f"postgresql://u:{value}@db.example.com/d"
    if variable == "The given URL":
        error = refused(url)
    else:
        error = refused(**others | {variable: url if variable == "DATABASE_URL" else value})
    assert error.code == "api_key"
    assert error.problem.startswith(f"{variable} has an API key of Supabase's as its password")
    assert "the database's own password" in error.action
    assert value not in str(error)


@pytest.mark.parametrize("name", ["SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY"])
def test_a_password_that_a_key_has_as_well_is_a_mistake(name: str) -> None:
    """A key of a form that is not known yet is known by its variable."""
    message = refusal(POSTGRES_HOST="pg.example.com", POSTGRES_PASSWORD=CANARY, **{name: CANARY})
    assert message.startswith(f"POSTGRES_PASSWORD has as its password what {name} holds")
    assert CANARY not in message
    # The control: another password beside the same key.
    assert resolve(POSTGRES_PASSWORD="pw", **{name: CANARY}).source == "POSTGRES_*"


@pytest.mark.parametrize(
    "secret",
    [
        token(iss="https://sts.windows.net/0f/", aud="https://ossrdbms-aad.database.windows.net"),
        "eyJ.but.not.a.token",
        "eyJhbGciOiJIUzI1NiJ9.only-two",
        "sb_something_else",
    ],
    ids=["another issuer's token", "five parts", "two parts", "another prefix"],
)
def test_a_password_that_is_no_key_is_taken(secret: str) -> None:
    """An access token of Azure's, for one, is a JWT and the password of a PostgreSQL there."""
    assert password(resolve(f"postgresql://u:{secret}@db.example.com/d")) == secret


@pytest.mark.parametrize("port", [5432, 6543])
def test_a_user_of_the_shared_pooler_names_the_project(port: int) -> None:
    ending = f"{POOLER}:{port}/postgres?sslrootcert=system"
    for user in ("postgres", "postgres.", ".abcdefgh"):
        error = refused(f"postgresql://{user}:{CANARY}@{ending}")
        assert error.code == "pooler_user"
        assert "role.project_ref" in error.action
        assert CANARY not in str(error)
    assert resolve(f"postgresql://gateway.abcdefgh@{ending}").user == "gateway.abcdefgh"
    # The control: elsewhere a name without a dot is a name.
    assert resolve(f"postgresql://postgres@db.example.com:{port}/d").user == "postgres"


def test_no_pooler_is_ever_made_up() -> None:
    """Its host has the region and a number in it, which nothing but the dashboard tells."""
    assert resolve(**SUPABASE).host == "db.abcdefgh.supabase.co"
    assert "pooler" not in resolve(**SUPABASE, DATABASE_MODE="transaction").host
