"""Whose token is taken for whose, and which is taken for nobody's."""

import base64
import json
import time
from collections.abc import Callable
from uuid import UUID, uuid4

import httpx
import jwt
import pytest

from tests.api.conftest import Api
from tests.api.tokens import SECRET, claims_of, token_of

CANARY = "text-of-a-bad-token"


def _unsigned(header: object, user: UUID) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part(header)}.{part(claims_of(user))}."


def _deep_header(user: UUID) -> str:
    header = base64.urlsafe_b64encode(b"[" * 2_400).decode()
    return f"{header}.{token_of(user).partition('.')[2]}"


BAD: dict[str, Callable[[UUID], str]] = {
    "no token at all": lambda user: CANARY,
    "algorithm none": lambda user: _unsigned({"alg": "none", "typ": "JWT"}, user),
    "algorithm none, signed": lambda user: (
        _unsigned({"alg": "none"}, user) + token_of(user).rpartition(".")[2]
    ),
    "another algorithm": lambda user: token_of(user, secret=SECRET * 2, algorithm="HS512"),
    "another secret": lambda user: token_of(user, secret="another-secret: " + "0" * 32),
    "a changed signature": lambda user: token_of(user)[:-4] + "AAAA",
    "no signature": lambda user: token_of(user).rpartition(".")[0] + ".",
    "other claims than signed": lambda user: ".".join(
        [
            token_of(user).split(".")[0],
            token_of(uuid4()).split(".")[1],
            token_of(user).split(".")[2],
        ]
    ),
    "expired": lambda user: token_of(user, exp=int(time.time()) - 60),
    "not valid yet": lambda user: token_of(user, nbf=int(time.time()) + 600),
    "without an end": lambda user: token_of(user, exp=None),
    "an end beyond all time": lambda user: token_of(user, exp=1e400),
    "another audience": lambda user: token_of(user, aud="anon"),
    "without an audience": lambda user: token_of(user, aud=None),
    "without a subject": lambda user: token_of(user, sub=None),
    "a subject that is no UUID": lambda user: token_of(user, sub=CANARY),
    "a subject that is a number": lambda user: token_of(user, sub=1),
    "the key of the service": lambda user: token_of(user, role="service_role"),
    "the anonymous key": lambda user: token_of(user, role="anon"),
    "without a role": lambda user: token_of(user, role=None),
    "a header 2,400 deep": _deep_header,
    "longer than any": lambda user: token_of(user, name="x" * 8_000),
}


_ONLY_CHECKED = ["algorithm none", "another secret", "expired", "another audience"]


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_token_is_nobodys(api: Api, nobody: httpx.AsyncClient, kind: str) -> None:
    user = api.people.asking.id
    token = BAD[kind](user)
    answer = await nobody.get("/alerts", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["status"] == 401
    assert CANARY not in answer.text and str(user) not in answer.text


@pytest.mark.parametrize("header", ["Bearer", "Basic dTpw", "token"])
async def test_another_scheme_is_nobodys(nobody: httpx.AsyncClient, header: str) -> None:
    answer = await nobody.get("/alerts", headers={"Authorization": header})
    assert answer.status_code == 401


async def test_a_good_token_is_its_users(me: httpx.AsyncClient, nobody: httpx.AsyncClient) -> None:
    assert (await me.get("/profile")).status_code == 200
    assert (await nobody.get("/profile")).status_code == 401


@pytest.mark.parametrize("kind", _ONLY_CHECKED)
def test_who_does_not_check_takes_them(kind: str) -> None:
    """The control: they are well-formed, and what is wrong with them has to be looked for."""
    user = uuid4()
    claims = jwt.decode(BAD[kind](user), options={"verify_signature": False})
    assert claims["sub"] == str(user)


async def test_nothing_about_people_is_for_everybody(api: Api, nobody: httpx.AsyncClient) -> None:
    document = (await nobody.get("/openapi.json")).json()
    open_to_all = [
        path
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if "security" not in operation
    ]
    assert sorted(open_to_all) == ["/health/live", "/health/ready"]
