"""Values nested deeper than a decoder goes are taken apart all the same."""

import json
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from whaledb.wire import nesting
from whaledb.wire.nesting import Unbalanced, elements, members
from whaledb.wire.quantities import Unreadable
from whaledb.wire.replies import MISSING, decode, reply_result

DEPTH = 2_000

texts = st.text(alphabet='ab"\\[]{},: \n', max_size=6)
values = st.recursive(
    texts | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


class Fields(msgspec.Struct):
    first_one: msgspec.Raw = msgspec.field(default=MISSING, name="firstOne")
    second: msgspec.Raw = MISSING


@given(st.lists(values, max_size=5), st.sampled_from([None, 1]))
def test_the_items_of_an_array_are_found(value: list[object], indent: int | None) -> None:
    found = elements(json.dumps(value, indent=indent).encode())
    assert [json.loads(item) for item in found] == value


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), values), st.sampled_from([None, 1]))
def test_the_members_of_an_object_are_found(value: dict[str, object], indent: int | None) -> None:
    found = members(json.dumps(value, indent=indent).encode(), ["a", "b"])
    assert {name: json.loads(item) for name, item in found.items()} == {
        name: item for name, item in value.items() if name != "c"
    }


@pytest.mark.parametrize(
    "data", [b"", b"1", b'"["', b"[", b"[]]", b"[] 1", b"1 []", b"[}", b"[[]", b"{]", b"[1]{}"]
)
def test_what_is_not_one_balanced_value_is_refused(data: bytes) -> None:
    with pytest.raises(Unbalanced):
        list(elements(data))
    with pytest.raises(Unbalanced):
        members(data, [])


def test_an_array_has_no_members() -> None:
    with pytest.raises(Unbalanced):
        members(b"[1]", [])


@pytest.fixture
def shallow_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that goes as deep as Python 3.11's does; later versions' go deeper."""

    def decode_shallow(data: bytes, *, type: Any) -> object:
        if bytes(data).count(b"[") > 900:
            raise RecursionError
        return msgspec.json.Decoder(type).decode(data)

    monkeypatch.setattr(msgspec.json, "decode", decode_shallow)


@pytest.mark.usefixtures("shallow_decoder")
def test_a_deep_value_is_decoded_as_a_shallow_one_is() -> None:
    deep = b"[" * DEPTH + b"]" * DEPTH
    assert bytes(decode(deep, msgspec.Raw)) == deep
    assert [bytes(item) for item in decode(b"[1, %b]" % deep, list[msgspec.Raw])] == [b"1", deep]
    found = decode(b'{"firstOne": %b, "third": %b}' % (deep, deep), Fields)
    assert bytes(found.first_one) == deep
    assert found.second is MISSING
    assert bytes(reply_result(b'{"id": 1, "result": %b}' % deep)) == deep


@pytest.mark.usefixtures("shallow_decoder")
def test_a_broken_deep_value_is_refused_with_its_reason() -> None:
    for end in (b"", b"}" * DEPTH, b"]" * DEPTH + b"]"):
        data = b"[" * DEPTH + end
        with pytest.raises(Unreadable, match=r"^not valid JSON: it is nested too deeply$"):
            decode(data, msgspec.Raw)
        with pytest.raises(Unreadable, match=r"^not valid JSON: it is nested too deeply$"):
            decode(b'{"second": %b}' % data, Fields)
        with pytest.raises(Unreadable, match=r"^not valid JSON: it is nested too deeply$"):
            decode(data, list[msgspec.Raw])


def test_a_decoder_alone_does_not_go_as_deep_as_a_document_may() -> None:
    deep = b"[" * 300_000 + b"]" * 300_000
    with pytest.raises(RecursionError):
        msgspec.json.decode(deep, type=msgspec.Raw)


def test_nesting_is_bounded() -> None:
    limit = nesting.MAX_NESTED_BRACKETS
    assert list(elements(b"[" * limit + b"]" * limit))
    with pytest.raises(Unbalanced):
        list(elements(b"[" * (limit + 1) + b"]" * (limit + 1)))
