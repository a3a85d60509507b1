"""Functions that say who is asking, which they read from a statement's settings."""

import re
from typing import Any, Final

import msgspec

from typedsql.tools.proof.node_tree import read_node_tree, walk

# Those of Supabase's auth schema, what they read, and all that somebody wrote.
_FUNCTIONS: Final = """
SELECT
    CAST(p.oid AS BIGINT) AS oid,
    CAST(n.nspname AS TEXT) AS schema,
    CAST(p.proname AS TEXT) AS name,
    format('%I.%I()', n.nspname, p.proname) AS qualified,
    n.nspname = 'pg_catalog'
    OR (n.nspname = 'auth' AND p.proname IN ('uid', 'role', 'jwt', 'email')) AS is_known,
    p.prosrc AS source,
    CAST(p.prosqlbody AS TEXT) AS tree
FROM pg_catalog.pg_proc AS p
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE
    (n.nspname = 'pg_catalog' AND p.proname = 'current_setting')
    OR (n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.prokind = 'f')
"""


class _Function(msgspec.Struct, frozen=True, kw_only=True):
    oid: int
    schema: str
    name: str
    qualified: str
    is_known: bool
    source: str
    tree: str | None
    """Of a body that is parsed when it is made, which has no source."""

    @property
    def call(self) -> str:
        """A pattern for a call of it in a source."""
        schema = rf"{_written(self.schema)}\s*\.\s*"
        if self.schema == "pg_catalog":
            schema = f"(?:{schema})?"
        return rf'(?<![\w$."]){schema}{_written(self.name)}\s*\('

    def calls(self, others: set[int], named: re.Pattern[str]) -> bool:
        """Whether one of the others, or what goes by their names, is called in it."""
        if self.tree is None:
            return named.search(self.source) is not None
        called = (node for node in walk(read_node_tree(self.tree)) if node.kind == "FUNCEXPR")
        return any(node.number("funcid") in others for node in called)


async def identity_functions(connection: Any) -> dict[int, str]:
    """The name of each by its oid: the known ones, and what is written around any of these.

    They cost as much as a function call for each row, however many are around each other. In a
    source they go by their names with the schema, as search_path = '' has them written.
    """
    functions = [_Function(**row) for row in await connection.fetch(_FUNCTIONS)]
    found: dict[int, str] = {}
    new = [function for function in functions if function.is_known]
    while new:
        found |= {function.oid: function.qualified for function in new}
        named = re.compile("|".join(sorted({function.call for function in new})))
        oids = {function.oid for function in new}
        new = [each for each in functions if each.oid not in found and each.calls(oids, named)]
    return found


def _written(name: str) -> str:
    """A pattern for a name with its quotes, and without them where it needs none."""
    quoted = '"{}"'.format(re.escape(name.replace('"', '""')))
    return rf"(?:{quoted}|(?i:{name}))" if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else quoted
