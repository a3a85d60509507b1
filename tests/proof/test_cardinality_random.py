"""Random queries: what is claimed of their rows, against what comes back.

Each rule broken on purpose must make a wrong claim that the same queries find.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, NamedTuple

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from tests.databases import Databases
from tests.proof.cardinality_generator import Writer
from tests.proof.cardinality_schema import DATA, SCHEMA
from typedsql.tools.proof.capture import capture
from typedsql.tools.proof.cardinality import counting, equalities, fixed_rows, key_match, least
from typedsql.tools.proof.cardinality.fixed_rows import FixedRows
from typedsql.tools.proof.cardinality.joins import JoinTree
from typedsql.tools.proof.cardinality.keys import Keys
from typedsql.tools.proof.node_tree import Node

QUERIES = 1000
STEADY = 200
"""Queries that are likely to have a row whatever the data."""
MODIFICATIONS = 300
SEED = 20240229


class Seen(NamedTuple):
    """A query with its tree and the number of its rows."""

    sql: str
    queries: list[Node]
    rows: int


def claimed(query: Seen, keys: Keys) -> counting.Cardinality:
    # There are no parameters in them.
    return counting.cardinality(query.queries, keys, nullable_parameters=frozenset())


class Sample(NamedTuple):
    """Random queries that were run."""

    keys: Keys
    seen: list[Seen]

    def contradictions(self, keys: Keys | None = None) -> Iterator[str]:
        """The queries that returned more or fewer rows than was claimed."""
        for query in self.seen:
            claim = claimed(query, keys or self.keys)
            most = claim.most if claim.most is not None else query.rows
            if not claim.least <= query.rows <= most:
                yield f"{query.sql}: {query.rows} rows, {claim}"


async def number_of_rows(connection: "asyncpg.Connection", sql: str) -> int | None:
    """None where a constraint refuses what would be written; nothing is kept."""
    if sql.startswith(("SELECT", "(SELECT")):
        found: int = await connection.fetchval(f"SELECT count(*) FROM ({sql}) AS counted")
        return found
    transaction = connection.transaction()
    await transaction.start()
    try:
        return len(await connection.fetch(sql))
    except asyncpg.IntegrityConstraintViolationError:
        return None
    finally:
        await transaction.rollback()


@pytest_asyncio.fixture(scope="module")
async def sample(databases: Databases) -> AsyncGenerator[Sample, None]:
    async with databases.fresh() as target:
        connection = await asyncpg.connect(**target.asyncpg_arguments())
        try:
            await connection.execute(SCHEMA)
            await connection.execute(DATA)
            keys = await Keys.load(connection)
            writer, seen = Writer(SEED), []
            written = [writer.query() for _ in range(QUERIES)]
            written += [writer.steady() for _ in range(STEADY)]
            written += [writer.modification() for _ in range(MODIFICATIONS)]
            for sql in written:
                _, queries = await capture(connection, sql)
                count = await number_of_rows(connection, sql)
                if count is not None:
                    seen.append(Seen(sql, queries, count))
            yield Sample(keys, seen)
        finally:
            await connection.close()


def test_no_claim_is_contradicted(sample: Sample) -> None:
    assert list(sample.contradictions()) == []
    claims = [claimed(query, sample.keys) for query in sample.seen]
    assert sum(claim.most == 1 for claim in claims) > QUERIES // 10
    assert sum(claim.least == 1 for claim in claims) > STEADY // 4


def first_column_suffices(patch: pytest.MonkeyPatch) -> None:
    known = key_match._is_known
    patch.setattr(
        key_match,
        "_is_known",
        lambda column, key, *rest: column != key.columns[0] or known(column, key, *rest),
    )


def predicates_do_not_matter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(key_match, "_in_index", lambda *_: True)


def an_outer_on_restricts_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FixedRows, "_holds", lambda *_: True)


def nothing_is_left_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FixedRows, "_settled", lambda *_: True)


def full_joins_match(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FixedRows, "_either_side_missing", False)


def nulls_are_alike(patch: pytest.MonkeyPatch) -> None:
    values = fixed_rows.values
    patch.setattr(
        fixed_rows,
        "values",
        lambda *of: [msgspec.structs.replace(value, strict=True) for value in values(*of)],
    )


def children_keep_the_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(key_match, "_PARTITIONED", "r")


def volatile_is_constant(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(equalities, "is_constant", lambda *_: True)
    patch.setattr(fixed_rows, "is_constant", lambda *_: True)


def joins_multiply_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FixedRows, "one", property(lambda self: bool(self.fixed)))


def groups_are_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(counting._Counter, "_agree", lambda *_: True)


def unions_are_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(counting._Counter, "_one_of_union", lambda *_: True)


def disjunctions_are_conjunctions(patch: pytest.MonkeyPatch) -> None:
    add = JoinTree.add_qual

    def both(tree: JoinTree, qual: Any, path: Any) -> None:
        for item in [] if qual is None else [qual]:
            add(tree, item, path)
            for part in _operands(item):
                add(tree, part, path)

    patch.setattr(JoinTree, "add_qual", both)


def _operands(node: Node) -> list[Node]:
    if node.kind != "BOOLEXPR":
        return []
    parts: list[Node] = []
    for item in node.nodes("args"):
        parts += [item, *_operands(item)] if node.fields["boolop"] == "or" else _operands(item)
    return parts


def conflicts_are_inserted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(least, "_DO_NOTHING", -1)


def conflicts_are_updated(patch: pytest.MonkeyPatch) -> None:
    inserts = least._inserts

    def broken(scope: tuple[Node, ...], keys: Keys) -> bool:
        conflict = scope[0].node("onConflict")
        if conflict is None:
            return inserts(scope, keys)
        always = Node(conflict.kind, {**conflict.fields, "onConflictWhere": None})
        query = Node("QUERY", {**scope[0].fields, "onConflict": always})
        return inserts((query, *scope[1:]), keys)

    patch.setattr(least, "_inserts", broken)


def limits_keep_rows(patch: pytest.MonkeyPatch) -> None:
    read = least.read_limit
    patch.setattr(
        least, "read_limit", lambda query: msgspec.structs.replace(read(query), may_drop=False)
    )


def relations_have_rows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(least, "_entry_has_row", lambda *_: True)


def sources_have_rows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(least, "_has_row", lambda *_: True)


def conditions_are_true(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(least, "conjuncts", lambda _: ())


def joins_are_outer(patch: pytest.MonkeyPatch) -> None:
    has_row = least._has_row

    def broken(item: Node, scope: tuple[Node, ...], keys: Keys) -> bool:
        if item.kind == "JOINEXPR" and item.number("jointype") == least._INNER:
            item = Node(item.kind, {**item.fields, "jointype": str(least._LEFT)})
        return has_row(item, scope, keys)

    patch.setattr(least, "_has_row", broken)


def differences_are_unions(patch: pytest.MonkeyPatch) -> None:
    unites = least._unites

    def broken(node: Node, scope: tuple[Node, ...], keys: Keys) -> bool:
        if node.kind == "RANGETBLREF":
            return unites(node, scope, keys)
        return unites(Node(node.kind, {**node.fields, "op": "1"}), scope, keys)

    patch.setattr(least, "_unites", broken)


BREAKAGES: list[Callable[[pytest.MonkeyPatch], None]] = [
    first_column_suffices,
    predicates_do_not_matter,
    an_outer_on_restricts_all,
    nothing_is_left_out,
    full_joins_match,
    nulls_are_alike,
    children_keep_the_key,
    volatile_is_constant,
    joins_multiply_nothing,
    groups_are_one,
    unions_are_one,
    disjunctions_are_conjunctions,
    conflicts_are_inserted,
    conflicts_are_updated,
    limits_keep_rows,
    relations_have_rows,
    sources_have_rows,
    conditions_are_true,
    joins_are_outer,
    differences_are_unions,
]


@pytest.mark.parametrize("break_rule", BREAKAGES, ids=lambda rule: rule.__name__)
def test_a_broken_rule_is_found(
    sample: Sample,
    monkeypatch: pytest.MonkeyPatch,
    break_rule: Callable[[pytest.MonkeyPatch], None],
) -> None:
    break_rule(monkeypatch)
    assert any(sample.contradictions())


def test_inequality_as_equality_is_found(sample: Sample) -> None:
    all_families = frozenset().union(*sample.keys.equalities.values())
    broken = dict.fromkeys(sample.keys.comparisons, all_families)
    assert any(sample.contradictions(msgspec.structs.replace(sample.keys, equalities=broken)))


def test_a_trigger_that_is_overlooked_is_found(sample: Sample) -> None:
    tables = {
        oid: msgspec.structs.replace(table, drops_rows=False)
        for oid, table in sample.keys.tables.items()
    }
    assert any(sample.contradictions(msgspec.structs.replace(sample.keys, tables=tables)))
