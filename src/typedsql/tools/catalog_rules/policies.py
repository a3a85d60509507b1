"""Policies that ask for each row who is asking, and those for every role there is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from typedsql.tools.catalog_rules.finding import CatalogFinding
from typedsql.tools.catalog_rules.identity import identity_functions
from typedsql.tools.proof.node_tree import Node, is_list, read_node_tree

# A restrictive policy takes rows away: the more roles it is for, the better.
_POLICIES: Final = """
SELECT
    format('%I', p.polname) AS name,
    format('%I.%I', n.nspname, c.relname) AS relation,
    p.polpermissive AND 0 = ANY (p.polroles) AS is_public,
    CAST(p.polqual AS TEXT) AS using_tree,
    CAST(p.polwithcheck AS TEXT) AS check_tree
FROM pg_catalog.pg_policy AS p
INNER JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ($1)
"""

# Of enum SubLinkType in PostgreSQL's primnodes.h: IN (SELECT ...) and = ANY (SELECT ...).
_ANY_SUBLINK: Final = 2


async def policy_findings(connection: Any, exposed: Sequence[str]) -> list[CatalogFinding]:
    """Of the policies on tables of exposed schemas."""
    functions = await identity_functions(connection)
    found: list[CatalogFinding] = []
    for row in await connection.fetch(_POLICIES, exposed):
        found += _of_policy(row, functions)
    return found


def _of_policy(row: Any, functions: Mapping[int, str]) -> Iterator[CatalogFinding]:
    name = f"the policy {row['name']} of {row['relation']}"
    if row["is_public"]:
        yield CatalogFinding(
            rule="public-policy",
            object=row["name"],
            message=f"{name} is for PUBLIC, which is every role there is",
            advice="say for whom, as in TO authenticated",
        )
    for clause, tree in (("USING", row["using_tree"]), ("WITH CHECK", row["check_tree"])):
        called = set(_called_per_row(read_node_tree(tree), functions)) if tree else set[str]()
        for function in sorted(called):
            yield CatalogFinding(
                rule="per-row-identity",
                object=row["name"],
                message=f"{name} calls {function} for each row, in {clause}",
                advice="write (SELECT ...) around the call, which then runs once for a "
                "statement; a call that takes a column cannot be moved, so compare the "
                "column with (SELECT auth.uid()) in the policy itself",
            )


def _called_per_row(
    value: Any, functions: Mapping[int, str], *, nested: bool = False
) -> Iterator[str]:
    """The functions called in an expression, but for those in a sub-select that runs once.

    `nested` is what a sub-select holds.
    """
    if is_list(value):
        for item in value:
            yield from _called_per_row(item, functions, nested=nested)
    if not isinstance(value, Node):
        return
    if value.kind == "SUBLINK" and _runs_once(value, nested=nested):
        # What a row is compared with the sub-select by is no part of that.
        yield from _called_per_row(value.node("testexpr"), functions, nested=nested)
        yield from _called_by_own_rows(value.the("subselect"), functions)
        return
    if value.kind == "FUNCEXPR" and value.number("funcid") in functions:
        yield functions[value.number("funcid")]
    for field in value.fields.values():
        yield from _called_per_row(field, functions, nested=nested or value.kind == "QUERY")


def _runs_once(sublink: Node, *, nested: bool) -> bool:
    """Whether no row has a say in a sub-select, so that it is kept as an InitPlan or a table.

    IN and ANY of a sub-select's own WHERE are made a join, whose condition calls for each row.
    """
    any_of_nested = nested and sublink.number("subLinkType") == _ANY_SUBLINK
    return not any_of_nested and not _reaches_out(sublink.the("subselect"), 0)


def _called_by_own_rows(query: Node, functions: Mapping[int, str]) -> Iterator[str]:
    """The functions that a query which runs once still calls for each row that it reads.

    What it reads alone, a sub-select or a function, is run once itself; joined to others, it may
    be put into them.
    """
    read = query.the("jointree").items("fromlist")
    is_joined = len(read) > 1 or any(item.kind != "RANGETBLREF" for item in read)
    for name, field in query.fields.items() if read else ():
        if name != "rtable" or is_joined:
            yield from _called_per_row(field, functions, nested=True)
    # Those of UNION are among them.
    for entry in () if is_joined else query.nodes("rtable"):
        inner = entry.fields.get("subquery")
        if isinstance(inner, Node):
            yield from _called_by_own_rows(inner, functions)


def _reaches_out(value: Any, depth: int) -> bool:
    """Whether a query has a column of what surrounds it; `depth` is of `value` within it."""
    if is_list(value):
        return any(_reaches_out(item, depth) for item in value)
    if not isinstance(value, Node):
        return False
    if value.kind == "VAR" and value.number("varlevelsup") > depth:
        return True
    return any(
        _reaches_out(item, depth + (isinstance(item, Node) and item.kind == "QUERY"))
        for item in value.fields.values()
    )
