"""What may be expected of a session, by host, port and settings; the gateway's login too."""

import pytest

from tests.engine.resolving import CANARY, SUPABASE, refusal, resolve
from typedsql.errors import ConfigurationError
from typedsql.settings import ConnectionTarget, Mode, resolve_gateway
from typedsql.testing.server import ServerChoice, ServerKind

POOLER = "aws-0-eu-west-1.pooler.supabase.com"
CA = "sslrootcert=system"

MODES: dict[str, Mode] = {
    "postgresql://u@db.example.com/d": "direct",
    "postgresql://u@db.example.com:5433/d": "direct",
    "postgresql://u@db.example.com:6543/d": "transaction",
    "postgresql://u@db.example.com:6432/d": "transaction",
    "postgresql://u@/d?host=/run/pgbouncer&port=6432": "transaction",
    f"postgresql://u@db.abcdefgh.supabase.co/d?{CA}": "direct",
    f"postgresql://u@db.abcdefgh.supabase.co:6543/d?{CA}": "transaction",
    f"postgresql://u.abcdefgh@{POOLER}/d?{CA}": "session",
    f"postgresql://u.abcdefgh@{POOLER.upper()}.:5432/d?{CA}": "session",
    f"postgresql://u.abcdefgh@{POOLER}:6543/d?{CA}": "transaction",
    f"postgresql://u.abcdefgh@{POOLER}:7000/d?{CA}": "transaction",
    "embedded:/srv/data": "direct",
}


@pytest.mark.parametrize("url", MODES)
def test_a_mode_is_told_by_host_and_port(url: str) -> None:
    assert resolve(url).mode == resolve(DATABASE_URL=url).mode == MODES[url]


def test_so_it_is_for_the_other_sources() -> None:
    assert resolve(POSTGRES_HOST="pg.example.com", POSTGRES_PORT="6432").mode == "transaction"
    assert resolve(POSTGRES_HOST="pg.example.com").mode == "direct"
    assert resolve(**SUPABASE).mode == "direct"
    assert resolve(embedded_default=True).mode == "direct"


@pytest.mark.parametrize("said", ["direct", "session", "transaction"])
@pytest.mark.parametrize("url", MODES)
def test_what_is_said_counts_more_and_an_argument_most(url: str, said: Mode) -> None:
    assert resolve(url, DATABASE_MODE=said).mode == said
    assert resolve(DATABASE_URL=url, DATABASE_MODE=said).mode == said
    for other in ("direct", "session", "transaction"):
        assert resolve(url, mode=said, DATABASE_MODE=other).mode == said


@pytest.mark.parametrize("said", ["Transaction", "statement", " session", CANARY])
def test_another_mode_is_refused_without_being_repeated(said: str) -> None:
    expected = "DATABASE_MODE must be one of direct, session, transaction."
    assert refusal("postgresql://u@h/d", DATABASE_MODE=said) == expected
    assert refusal(DATABASE_MODE=said) == expected
    with pytest.raises(ConfigurationError, match="mode must be one of"):
        resolve("postgresql://u@h/d", mode=said)  # type: ignore[arg-type]
    assert resolve("postgresql://u@h/d", DATABASE_MODE="").mode == "direct"


def test_a_mode_is_told_where_it_is_not_direct() -> None:
    pooled = resolve(DATABASE_URL="postgresql://u@h:6432/d")
    assert pooled.describe() == "u@h:6432/d (DATABASE_URL, mode transaction)"
    assert resolve("postgresql://u@h/d", mode="session").describe().endswith(", mode session)")
    assert "mode" not in resolve("postgresql://u@h:6543/d", mode="direct").describe()


def test_the_server_of_the_tests_is_not_the_one_that_database_mode_is_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", "postgresql://u@h/d")
    monkeypatch.setenv("DATABASE_MODE", "transaction")
    assert ServerChoice(project="shop", kind=ServerKind.NAMED)._named().mode == "direct"


# The gateway

GATEWAY = f"postgresql://gateway:{CANARY}@db.example.com/app"


def gateway(url: str | None = None, **environ: str) -> ConnectionTarget | None:
    return resolve_gateway(url, project="shop", environ={"HOME": "/nonexistent"} | environ)


def gateway_mode(url: str, **environ: str) -> Mode:
    found = gateway(url, **environ)
    assert found is not None
    assert gateway(GATEWAY_DATABASE_URL=url, **environ) is not None
    return found.mode


def test_without_its_variable_there_is_no_gateway() -> None:
    assert gateway() is None
    assert gateway(GATEWAY_DATABASE_URL="", DATABASE_URL=GATEWAY) is None


def test_a_gateway_is_read_as_any_url_is() -> None:
    found = gateway(GATEWAY_DATABASE_URL=GATEWAY)
    assert found is not None
    assert found.describe() == "gateway@db.example.com:5432/app (GATEWAY_DATABASE_URL)"
    given = gateway("postgresql://g@h/d", GATEWAY_DATABASE_URL=GATEWAY)
    assert given is not None
    assert (given.user, given.source) == ("g", "argument")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("embedded:", "names an embedded server, which has one login"),
        (f"postgresql://g:{CANARY}#@h/d", "contains a bare #"),
        (f"postgresql://g:sb_secret_{CANARY}@h/d", "has an API key of Supabase's"),
        (f"postgresql://g:{CANARY}@{POOLER}:6543/d?{CA}", "is Supabase's shared pooler"),
        (f"postgresql://g.abc:{CANARY}@{POOLER}:6543/d", "no CA certificate is known"),
    ],
)
def test_a_gateway_that_cannot_be_used_is_refused_by_its_name(url: str, told: str) -> None:
    for name, arguments in (
        ("GATEWAY_DATABASE_URL", {"GATEWAY_DATABASE_URL": url}),
        ("The given URL of the gateway", {"url": url}),
    ):
        with pytest.raises(ConfigurationError, match=told) as caught:
            gateway(**arguments)
        assert str(caught.value).startswith(name)
        assert CANARY not in str(caught.value)


def test_a_gateway_has_the_mode_of_its_own_host_and_port_or_that_of_the_same() -> None:
    same, other = "postgresql://g@db.example.com/app", "postgresql://g@db.example.com:6432/app"
    main = {"DATABASE_URL": "postgresql://u@db.example.com/app"}
    assert gateway_mode(same, **main) == "direct"
    assert gateway_mode(other, **main) == "transaction"
    assert gateway_mode(same, **main, DATABASE_MODE="session") == "session"
    assert gateway_mode(other, **main, DATABASE_MODE="session") == "transaction"
    assert gateway_mode(same, DATABASE_MODE="session") == "direct"


def test_a_gateway_beside_a_given_target_has_its_mode_at_the_same_place() -> None:
    beside = resolve("postgresql://u@db.example.com/app", mode="transaction")
    environ = {"DATABASE_MODE": "session", "DATABASE_URL": "postgresql://u@db.example.com/app"}
    for url, mode in (
        ("postgresql://g@db.example.com/app", "transaction"),
        ("postgresql://g@db.example.com:5433/app", "direct"),
    ):
        found = resolve_gateway(url, project="shop", environ=environ, beside=beside)
        assert found is not None
        assert found.mode == mode
