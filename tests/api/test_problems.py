"""What a client is told of what the database says."""

import asyncio
import logging
from collections.abc import Generator
from dataclasses import dataclass

import httpx
import pytest

from tests.api.app import create_app
from tests.api.conftest import Api
from tests.api.serving import served
from tests.api.tokens import SETTINGS
from typedsql import errors

SECRET = "what nobody is told"
QUERY = "things.insert"


@dataclass(frozen=True, slots=True)
class Told:
    """What a client is told of an error."""

    error: Exception
    status: int
    retries: bool = False


CASES = {
    "data": Told(errors.DataError("things.insert: refused", query=QUERY, column="amount"), 422),
    "no row": Told(errors.NoRowFound(SECRET, query=QUERY), 404),
    "choice": Told(errors.ChoiceRefused("things.insert: no such choice", query=QUERY), 422),
    "identity": Told(errors.IdentityRefused(SECRET), 403),
    "policy": Told(errors.OperatorError(SECRET, query=QUERY, sqlstate="42501"), 403),
    "login": Told(errors.OperatorError(SECRET, query="as_user", sqlstate="42501"), 500),
    "identity lost": Told(errors.IdentityLost(SECRET), 500),
    "transient": Told(errors.TransientError(SECRET, query=QUERY, sqlstate="40001"), 503, True),
    "timeout": Told(errors.TimeoutExpired(SECRET, query=QUERY, sqlstate="57014"), 503, True),
    "connection": Told(errors.ConnectionLost(SECRET, query=QUERY), 503, True),
    "no connection": Told(errors.ConnectionFailed(SECRET), 503, True),
    "unknown": Told(errors.OutcomeUnknown(SECRET, query=QUERY), 503),
    "write timed out": Told(errors.WriteTimedOut(SECRET, query=QUERY), 503),
    "code": Told(errors.CodeError(SECRET, query=QUERY), 500),
    "operator": Told(errors.OperatorError(SECRET, query=QUERY, sqlstate="53100"), 500),
    "error": Told(errors.Error(SECRET), 500),
    "any other": Told(RuntimeError(SECRET), 500),
}


@pytest.fixture(scope="module")
def failing(api: Api) -> Generator[str, None, None]:
    """The API with a route for each error, which it raises."""
    app = create_app(SETTINGS, target=api.target)

    @app.get("/raises/{name}")
    async def raises(name: str) -> None:
        raise CASES[name].error

    with served(app) as url:
        yield url


@pytest.mark.parametrize("name", CASES)
async def test_an_error_becomes_a_problem(
    failing: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    told = CASES[name]
    async with httpx.AsyncClient(base_url=failing) as client:
        answer = await client.get(f"/raises/{name}")
    problem = answer.json()
    assert answer.status_code == problem["status"] == told.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in answer.headers) == told.retries
    assert {"type", "title", "status", "detail", "instance"} <= problem.keys()
    assert SECRET not in answer.text and "Traceback" not in answer.text
    # Whoever is asked about it finds it in the log.
    in_log = problem["instance"] in caplog.text
    assert in_log == (told.status >= 500)


async def test_a_refusal_names_statement_and_column(failing: str) -> None:
    async with httpx.AsyncClient(base_url=failing) as client:
        [refusal] = (await client.get("/raises/data")).json()["errors"]
    assert refusal == {
        "place": "database",
        "field": "amount",
        "message": "things.insert: refused",
    }


def test_each_error_of_the_engine_is_thought_of() -> None:
    def below(kind: type[errors.Error]) -> set[type[errors.Error]]:
        found = {kind}
        for inner in kind.__subclasses__():
            found |= below(inner)
        return {each for each in found if each.__module__ == errors.__name__}

    tried = {type(told.error) for told in CASES.values()}
    # The first two end a start, and the third a release: a request meets none of them.
    others = {errors.ConfigurationError, errors.MigrationMismatch, errors.StatementDrift}
    assert below(errors.Error) == (tried | others) - {RuntimeError}


def test_the_log_is_of_this_package() -> None:
    assert logging.getLogger("tests.api.app.problems").isEnabledFor(logging.ERROR)


ALERT = {"alert_type": "large_transfer", "conditions": {"min_value_eth": "1000"}}
ITS_BACKEND = (
    "SELECT a.pid FROM pg_catalog.pg_stat_activity AS a"
    " WHERE a.datname = current_database() AND a.application_name = 'whale-tracker-api'"
    " AND $1 = ANY (pg_blocking_pids(a.pid))"
)
MAX_LOOKS = 1_000


async def test_a_broken_connection_is_told(api: Api, newcomer: httpx.AsyncClient) -> None:
    path = (await newcomer.post("/alerts", json=ALERT)).headers["location"]
    async with api.connection() as holder, api.connection() as administrator:
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute(
            "SELECT FROM public.alerts WHERE id = $1 FOR UPDATE", path.rpartition("/")[2]
        )
        request = asyncio.create_task(newcomer.patch(path, json={"enabled": False}))
        for _ in range(MAX_LOOKS):
            backend = await administrator.fetchval(ITS_BACKEND, holder.get_server_pid())
            if backend is not None:
                break
            await asyncio.sleep(0.01)
        await administrator.execute("SELECT pg_terminate_backend($1)", backend)
        answer = await request
        await transaction.rollback()
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "nothing was stored" in answer.json()["detail"]
    assert (await newcomer.get(path)).json()["enabled"] is True
