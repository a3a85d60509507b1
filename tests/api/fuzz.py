"""Calls of the API that schemathesis makes of its own OpenAPI document.

    python -m tests.api.fuzz [--calls N] [--seed N]

Every call is made over HTTP, with the valid token of one user; half of the data fits the document
and half does not. Ids and cursors of both users, as they were seeded and as answers gave them, are
put into calls, so that there is something to find. Wrong is a status of 500 and more, an answer
with a text or an id of the other user's rows, one that is not as the document says, and one that
accepts what the document does not.
Prints seed, calls and the spread of statuses; exits with 1 if anything is wrong.
"""

import argparse
import asyncio
import json
import random
import re
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import hypothesis
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import strategies
from schemathesis import APIOperation, Case, CheckFunction, GenerationMode, Response
from schemathesis.core.errors import InvalidSchema
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Err, Result
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.app import create_app
from tests.api.people import WHALES, People, prepare, transaction_hash
from tests.api.serving import served
from tests.api.tokens import SETTINGS, bearer
from tests.databases import open_databases
from tests.db import rows
from tests.servers import chosen_server

CALLS: Final = 2_000
CALL_TIMEOUT_S: Final = 30.0
REPLACED: Final = 0.6
"""How many of the parameters that have known values are given one of those."""
MIN_TURN: Final = 5
TURNS: Final = 200
"""Calls of one operation that follow each other: one in so many of all, but not fewer than that."""
MAX_TOLD: Final = 10
TOO_LARGE: Final = (413, 414, 431)

Operation = APIOperation[Any, Any, Any, Any]
AnyCase = Case[Operation]

_CONFORMANCE: Final[list[CheckFunction]] = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@dataclass(slots=True)
class Outcome:
    """What came of the calls."""

    calls: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    server_errors: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    undocumented: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return not (self.server_errors or self.leaks or self.undocumented)

    def lines(self) -> list[str]:
        """For people; what was wrong first, as far as it is told."""
        spread = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        wrong = [*self.server_errors, *self.leaks, *self.undocumented]
        return [
            *wrong[:MAX_TOLD],
            f"calls: {self.calls} of {len(self.operations)} operations",
            f"statuses: {spread}",
            f"server errors: {len(self.server_errors)}",
            f"leaks: {len(self.leaks)}",
            f"not as the document says: {len(self.undocumented)}",
        ]


class Fuzz:
    """Calls of one served application in the name of one user."""

    def __init__(
        self,
        app: FastAPI,
        url: str,
        *,
        headers: Mapping[str, str],
        marks: Iterable[str],
        known: Mapping[str, Sequence[str]],
        seed: int,
    ) -> None:
        self.outcome = Outcome()
        self._headers = dict(headers)
        self._leak = re.compile("|".join(map(re.escape, sorted(marks))), re.IGNORECASE)
        self._known = {name: list(values) for name, values in known.items()}
        self._cursors: dict[str, list[str]] = {}
        self._random = random.Random(seed)
        self._schema = schemathesis.openapi.from_dict(app.openapi())
        self._schema.config.update(base_url=url)

    def run(self, calls: int) -> Outcome:
        """At least that many calls, in rounds in which each operation has its turn."""
        operations = [_understood(found) for found in self._schema.get_all_operations()]
        plain = [each for each in operations if _takes_nothing(each)]
        drawn = [
            operation.as_strategy(generation_mode=mode, headers=self._headers)
            for operation in operations
            if operation not in plain
            for mode in GenerationMode
        ]
        turn = max(MIN_TURN, calls // TURNS)
        with requests.Session() as session:
            while self.outcome.calls < calls:
                self._random.shuffle(drawn)
                for cases in drawn:
                    self._generate(cases, session, turn)
                for operation in plain:
                    self._call(operation.Case(headers=self._headers), session)
        return self.outcome

    def _generate(
        self, cases: strategies.SearchStrategy[AnyCase], session: requests.Session, calls: int
    ) -> None:
        @hypothesis.seed(self._random.random())
        @hypothesis.settings(
            max_examples=calls,
            deadline=None,
            database=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=cases)
        def call_each(case: AnyCase) -> None:
            self._call(case, session)

        call_each()

    def _call(self, case: AnyCase, session: requests.Session) -> None:
        changed = any(
            [
                self._put_known(case.path_parameters),
                self._put_known(case.query),
                self._put_cursor(case),
            ]
        )
        response = case.call(session=session, headers=self._headers, timeout=CALL_TIMEOUT_S)
        where = f"{case.operation.label}: {response.status_code}"
        outcome = self.outcome
        outcome.calls += 1
        outcome.statuses[response.status_code] += 1
        outcome.operations[case.operation.label] += 1
        if response.status_code >= 500:
            outcome.server_errors.append(f"{where}: {case.as_curl_command()}")
        told = response.content.decode("utf-8", "replace")
        if self._leak.search(told + json.dumps(dict(response.headers))):
            outcome.leaks.append(f"{where}: {case.as_curl_command()}")
        # A case that was bad may be good by now, and what is too long is told with 414 alone.
        rejects = not changed and response.status_code not in TOO_LARGE
        checks = [*_CONFORMANCE, negative_data_rejection] if rejects else _CONFORMANCE
        self._check(case, response, where, checks)
        self._learn(case, response)

    def _put_known(self, parameters: dict[str, Any] | None) -> bool:
        """Values that there are in place of generated ones; whether there was any."""
        changed = False
        if parameters is None:
            return changed
        for name in parameters:
            if self._known.get(name) and self._random.random() < REPLACED:
                parameters[name] = self._random.choice(self._known[name])
                changed = True
        return changed

    def _put_cursor(self, case: AnyCase) -> bool:
        """A cursor that this list gave, or none: one that is made up is refused at once."""
        if not case.query or "cursor" not in case.query or self._random.random() > REPLACED:
            return False
        given = self._cursors.get(case.operation.label)
        if given:
            case.query["cursor"] = self._random.choice(given)
        else:
            del case.query["cursor"]
        return True

    def _check(
        self, case: AnyCase, response: Response, where: str, checks: list[CheckFunction]
    ) -> None:
        try:
            case.validate_response(response, checks=checks)
        except FailureGroup as group:
            self.outcome.undocumented += [f"{where}: {each}" for each in group.exceptions]

    def _learn(self, case: AnyCase, response: Response) -> None:
        """Ids of what was made, and cursors of what follows, are asked for later."""
        if response.status_code not in (200, 201):
            return
        answer = response.json()
        if not isinstance(answer, dict):
            return
        if response.status_code == 201:
            self._known.setdefault("alert_id", []).append(answer["id"])
        if answer.get("next_cursor"):
            self._cursors.setdefault(case.operation.label, []).append(answer["next_cursor"])


def _understood(found: Result[Operation, InvalidSchema]) -> Operation:
    if isinstance(found, Err):
        raise found.err()
    return found.ok()


def _takes_nothing(operation: Operation) -> bool:
    """Of such an operation there is one case, which Hypothesis makes once."""
    return not (operation.body or operation.path_parameters or operation.query)


def known_of(people: People) -> dict[str, list[str]]:
    """Values for parameters by their names: the ids of both, and what there is to read."""
    everybody = (people.asking, people.other)
    return {
        "alert_id": [str(each) for person in everybody for each in person.alerts],
        "event_id": [str(each) for person in everybody for each in person.events],
        "address": [rows.ADDRESS],
        "chain_id": ["1"],
        "tx_hash": [transaction_hash(number) for number in range(WHALES)],
        "exchange": ["kraken"],
        "symbol": ["ETH/USD"],
        "interval": ["1m"],
        "pattern_type": ["order_block"],
        "page_rows": ["2"],
    }


def fuzz(app: FastAPI, people: People, *, calls: int, seed: int) -> Outcome:
    """Serve an application and call it in the name of the one who asks."""
    with served(app) as url:
        return Fuzz(
            app,
            url,
            headers=bearer(people.asking.id),
            marks=people.marks(),
            known=known_of(people),
            seed=seed,
        ).run(calls)


async def campaign(calls: int, seed: int) -> Outcome:
    """The same on a database of its own."""
    with chosen_server() as server:
        async with (
            open_databases(server.target) as databases,
            databases.fresh(await databases.template()) as target,
        ):
            people = await prepare(target)
            app = create_app(SETTINGS, target=target)
            return await asyncio.to_thread(fuzz, app, people, calls=calls, seed=seed)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.api.fuzz", description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args(arguments)
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    print(f"seed: {seed}", flush=True)
    started = time.monotonic()
    outcome = asyncio.run(campaign(options.calls, seed))
    print("\n".join(outcome.lines()))
    print(f"{time.monotonic() - started:.1f} s, server and database included")
    return 0 if outcome.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
