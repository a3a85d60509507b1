"""Building rows: nesting at any depth, and what is said of a document that does not fit."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typedsql.decoding import Items, Members, Nested, Ranges, row_builder, value_decoder
from typedsql.errors import DataError
from typedsql.statements import Statement
from typedsql.values import Composite, Range, for_driver


class FakeRecord(tuple[Any, ...]):
    """As much of the driver's record as is used: it iterates over its values."""

    __slots__ = ()

    def values(self) -> "FakeRecord":
        return self


def statement(width: int) -> Statement:
    return Statement(
        name="a.b",
        sql="",
        suffix="",
        parameters=(),
        declared=(),
        prose="",
        location="",
        columns=tuple((f"c{index}", "text") for index in range(width)),
    )


def pack(*values: Any) -> tuple[Any, ...]:
    return values


def never(*values: Any) -> tuple[Any, ...]:
    raise AssertionError(f"built of {values}")


# What a nested row looks like: how many plain columns stand before, between and after others.
Shape = list[Any]
SHAPES = st.recursive(
    st.just(0), lambda inner: st.lists(inner, min_size=1, max_size=4), max_leaves=12
).filter(lambda shape: isinstance(shape, list))


def width_of(shape: Any) -> int:
    return 1 if shape == 0 else sum(map(width_of, shape))


def plan(shape: Shape) -> Mapping[int, Any]:
    """Decoders of a shape; a nested row is told by its first plain column, if it has one."""
    found: dict[int, Any] = {}
    position = 0
    for part in shape:
        if part != 0:
            found[position] = Nested(pack, width_of(part), plan(part), present_of(part))
        position += width_of(part)
    return found


def present_of(shape: Shape) -> int | None:
    position = 0
    for part in shape:
        if part == 0:
            return position
        position += width_of(part)
    return None


def expected(shape: Shape, values: list[Any]) -> tuple[Any, ...]:
    built: list[Any] = []
    position = 0
    for part in shape:
        size = width_of(part)
        own = values[position : position + size]
        if part == 0:
            built.append(own[0])
        else:
            present = present_of(part)
            missing = present is not None and own[present] is None
            built.append(None if missing else expected(part, own))
        position += size
    return tuple(built)


@given(SHAPES, st.data())
def test_any_nesting_is_built_as_its_definition_says(shape: Shape, data: st.DataObject) -> None:
    width = width_of(shape)
    values = data.draw(st.lists(st.none() | st.integers(), min_size=width, max_size=width))
    build = row_builder(pack, plan(shape), statement(width))
    record: Any = FakeRecord(values)
    assert build(record) == expected(shape, values)
    assert list(record) == values


def test_a_missing_nested_row_is_not_built_and_its_documents_are_not_read() -> None:
    decoders = {1: Nested(never, 3, {1: Nested(never, 1), 2: dict}, present=0)}
    build = row_builder(pack, {1: Nested(pack, 2, {1: dict}, present=0)}, statement(3))
    record: Any = FakeRecord([1, None, None])
    assert build(record) == (1, None)
    missing: Any = FakeRecord([1, None, 2, None, 5])
    with pytest.raises(AssertionError):
        # Control: the inner row has nothing that tells it is missing.
        row_builder(pack, decoders, statement(5))(missing)


def test_a_document_that_does_not_fit_is_told_by_its_column_and_without_its_content() -> None:
    nested = Nested(pack, 2, {1: Items(list[int])}, present=0)
    build = row_builder(pack, {1: nested}, statement(3))
    record: Any = FakeRecord([1, 2, [b"[1]", None, b'["secret"]']])
    with pytest.raises(DataError) as caught:
        build(record)
    assert str(caught.value) == "a.b: the document in column c2 is not of its type"
    assert caught.value.__cause__ is None
    decode = value_decoder(dict[str, int], statement(1))
    assert decode(None) is None
    with pytest.raises(DataError, match="column c0"):
        decode(b"[]")


class Inner(Composite, frozen=True, gc=False):
    span: Range[int] | None
    name: str | None

    __composite__ = ("public.inner", ("int4range", "text"))


def test_values_within_values_are_decoded_and_the_rest_is_taken_as_it_is() -> None:
    driver: Any = for_driver([[Inner(Range(1, 2), "a")], [None]])
    assert isinstance(driver[0][0], tuple)
    items = [[FakeRecord(driver[0][0])], [None]]
    decode = value_decoder(Items(Members(Inner, {0: Ranges()})), statement(1))
    assert decode(items) == [[Inner(Range(1, 2), "a")], [None]]
    assert for_driver("text") == "text"
    assert for_driver(b"ab") == b"ab"
    assert for_driver(None) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Range(None, 5, lower_inc=True), Range(None, 5, lower_inc=False)),
        (Range(5, None, upper_inc=True), Range(5)),
        (Range(empty=True), Range(lower_inc=False, upper_inc=True, empty=True)),
    ],
)
def test_ranges_that_are_the_same_are_equal(one: Range[int], other: Range[int]) -> None:
    assert one == other
    assert hash(one) == hash(other)
    assert msgspec.json.decode(msgspec.json.encode(one), type=Range[int]) == one


def test_an_empty_range_has_no_bounds() -> None:
    with pytest.raises(ValueError, match="no bounds"):
        Range(1, empty=True)
