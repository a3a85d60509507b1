"""Preferences: what Python refuses the database refuses, and what it writes can be read."""

import json
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.db import preference_cases
from tests.queries.accounts import ALICE, make_accounts
from typedsql.codecs import encode_json
from typedsql.database import Database
from typedsql.decoding import document_decoder
from typedsql.errors import DataError
from whaledb.documents import Preferences
from whaledb.queries import users

EXAMPLES: Final = 150

read: Final[Callable[[bytes], Preferences]] = document_decoder(Preferences)

# Each of what a member may be, of what is close to it, and of anything else.
TEXTS = st.one_of(
    st.from_regex(r"[A-Z0-9]{2,11}", fullmatch=True),
    st.from_regex(r"/?[A-Za-z0-9_+-]{0,40}(/[A-Za-z0-9_+-]{0,40}){0,3}\n?", fullmatch=True),
    st.sampled_from(["USD\n", "Europe/Zurich", "UTC", "ÄÖÜ", "email", "push", "sms"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
NUMBERS = st.one_of(
    st.integers(-2, 10**20),
    st.sampled_from([10**18, 10**18 - 1, 10**79, 10**80]),
    st.decimals(-2, 10**6, allow_nan=False, allow_infinity=False),
    st.builds(
        lambda digits, exponent: Decimal(f"{digits}E{exponent}"),
        st.integers(1, 10**6),
        st.integers(-90, 90),
    ),
)
LISTS = st.lists(
    st.sampled_from(["email", "push", "webhook", "sms", None, 1, [], ["email"], {}]), max_size=5
)
ANYTHING = st.one_of(st.none(), st.booleans(), TEXTS, NUMBERS, LISTS)
OWN: Final = {
    "quote_currency": TEXTS,
    "time_zone": TEXTS,
    "min_value_eth": NUMBERS,
    "chain_id": NUMBERS,
    "notify_by": LISTS,
}
ALLOWED: Final = {
    "quote_currency": st.from_regex("[A-Z0-9]{3,10}", fullmatch=True),
    "time_zone": st.from_regex("[A-Za-z][A-Za-z0-9_+-]{0,20}(/[A-Z_-]{1,20})?", fullmatch=True),
    "min_value_eth": st.decimals("1E-18", 10**9, places=18),
    "chain_id": st.integers(1, 10**18 - 1),
    "notify_by": st.lists(st.sampled_from(["email", "push", "webhook"]), unique=True),
}
# Each of these as often as the others; one_of would count what ANYTHING consists of.
DOCUMENTS = st.sampled_from(
    [
        st.fixed_dictionaries({}, optional=dict(ALLOWED)),
        st.fixed_dictionaries({}, optional=dict(OWN)),
        st.fixed_dictionaries({}, optional={**dict.fromkeys(OWN, ANYTHING), "other": ANYTHING}),
        ANYTHING,
    ]
).flatmap(lambda kind: kind)


def decoded(document: bytes) -> Preferences | None:
    try:
        return read(document)
    except msgspec.DecodeError:
        return None


def is_written_in_its_own_way(document: bytes) -> bool:
    """Whether Python would have written the same: no null, no number as a string."""
    members = json.loads(document)
    return None not in members.values() and type(members.get("min_value_eth")) is not str


Stored = Callable[[Any], Awaitable[bool]]


@pytest.fixture
async def stored(db: Database) -> Stored:
    """Whether the database takes a value that goes around the types of Python."""
    await make_accounts(db, ALICE)
    await users.insert(db, id=ALICE, preferences=Preferences())

    async def try_it(value: Any) -> bool:
        try:
            await users.update_preferences(db, id=ALICE, preferences=value)
        except DataError:
            return False
        return True

    return try_it


async def check_both(db: Database, stored: Stored, value: Any) -> None:
    document = encode_json(value)
    preferences = decoded(document)
    accepted = await stored(value)
    if preferences is None:
        # The database writes a number its own way: 1E+1, no integer for Python, it keeps as 10.
        assert not accepted or await users.get(db, id=ALICE) is not None, value
        return
    if is_written_in_its_own_way(document):
        assert accepted, value
    assert await stored(preferences), value
    row = await users.get(db, id=ALICE)
    assert row is not None
    assert row.preferences == preferences


@pytest.mark.versions
async def test_the_table_of_cases_holds_in_python_as_well(db: Database, stored: Stored) -> None:
    for value in preference_cases.ACCEPTED:
        # As a row has it: a fraction is exact.
        exact = json.loads(json.dumps(value), parse_float=Decimal)
        assert decoded(encode_json(exact)) is not None, value
        await check_both(db, stored, exact)
    for value in preference_cases.REFUSED:
        preferences = decoded(json.dumps(value).encode())
        # null and a number as a string are read, and not written.
        loose = None in value.values() or value == {"min_value_eth": "1"}
        assert (preferences is None) or loose, value
        await check_both(db, stored, value)


@pytest.fixture
def taken() -> Iterator[list[Preferences]]:
    """What examples were read as; enough of them, else the test showed refusals alone."""
    found: list[Preferences] = []
    yield found
    assert len([each for each in found if each != Preferences()]) > EXAMPLES / 10


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(value=DOCUMENTS)
@example(value={"chain_id": Decimal("1E+1")})
async def test_any_document_is_refused_by_both_or_by_none(
    db: Database, stored: Stored, taken: list[Preferences], value: Any
) -> None:
    preferences = decoded(encode_json(value))
    if preferences is not None:
        taken.append(preferences)
    await check_both(db, stored, value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"quote_currency": "secret"},
        {"time_zone": "/secret"},
        {"min_value_eth": Decimal("-1234567")},
        {"min_value_eth": Decimal("NaN")},
        {"min_value_eth": Decimal("1E+999999999")},
        {"min_value_eth": Decimal("1E-999999999")},
        {"chain_id": -1234567},
        {"notify_by": ("email", "email")},
    ],
    ids=repr,
)
def test_python_refuses_them_when_they_are_made(wrong: dict[str, Any]) -> None:
    ((member, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"^{member} is not what Preferences allows") as refusal:
        Preferences(**wrong)
    assert str(value) not in str(refusal.value)


async def test_nothing_but_what_was_chosen_is_stored(stored: Stored, connection: Any) -> None:
    assert await stored(Preferences(chain_id=1, notify_by=("push",)))
    document = await connection.fetchval("SELECT preferences::TEXT FROM public.users")
    assert json.loads(document) == {"chain_id": 1, "notify_by": ["push"]}
