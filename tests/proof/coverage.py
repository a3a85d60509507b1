"""Which constructs a campaign has met, read off PostgreSQL's own trees."""

from collections import Counter
from typing import Any, Final, NamedTuple

import asyncpg

from typedsql.tools.proof.node_tree import Node, walk

COMMANDS: Final = {"1": "SELECT", "2": "UPDATE", "3": "INSERT", "4": "DELETE", "5": "MERGE"}
RELATIONS: Final = {
    "0": "table",
    "1": "subquery",
    "2": "join",
    "3": "function",
    "4": "table function",
    "5": "VALUES",
    "6": "CTE",
    "9": "group",
}
JOINS: Final = {"0": "inner", "1": "left", "2": "full", "3": "right"}
SET_OPERATIONS: Final = {"1": "UNION", "2": "INTERSECT", "3": "EXCEPT"}
SUBLINKS: Final = {
    "0": "EXISTS",
    "1": "ALL",
    "2": "ANY",
    "3": "row compare",
    "4": "scalar",
    "6": "ARRAY",
}
RETURNED_ROWS: Final = {"1": "old", "2": "new"}
MATCHES: Final = {"0": "MATCHED", "1": "NOT MATCHED BY SOURCE", "2": "NOT MATCHED BY TARGET"}
MERGE_COMMANDS: Final = {"2": "UPDATE", "3": "INSERT", "4": "DELETE", "7": "DO NOTHING"}
GREATEST_LEAST: Final = {"0": "GREATEST", "1": "LEAST"}
CTES: Final = {"0": "without a hint", "1": "MATERIALIZED", "2": "NOT MATERIALIZED"}
FUNCTIONS: Final = (
    *("unnest", "generate_series", "count", "sum", "max", "array_agg", "string_agg", "jsonb_agg"),
    *("percentile_disc", "mode", "row_number", "rank", "lag", "lead", "first_value"),
    *("last_value", "nth_value"),
)
"""PostgreSQL's own that the proof, or the list of what it has to cover, knows by name."""
TYPES: Final = {"e": "enum", "c": "composite", "d": "domain", "r": "range"}
"""pg_type.typtype; arrays are told by their category."""
_CALLS: Final = ("funcid", "aggfnoid", "winfnoid")
_TYPED: Final = {
    "VAR": "vartype",
    "CONST": "consttype",
    "PARAM": "paramtype",
    "FUNCEXPR": "funcresulttype",
    "ROWEXPR": "row_typeid",
    "ARRAYEXPR": "array_typeid",
    "COERCETODOMAIN": "resulttype",
    "FIELDSELECT": "resulttype",
}
GROUPING_SETS: Final = {"0": "()", "1": "simple", "2": "ROLLUP", "3": "CUBE", "4": "GROUPING SETS"}
# src/include/nodes/parsenodes.h: ROWS, GROUPS and RANGE, and what an EXCLUDE leaves out.
FRAMES: Final = {
    0x2: "RANGE",
    0x4: "ROWS",
    0x8: "GROUPS",
    0x8000: "EXCLUDE CURRENT ROW",
    0x10000: "EXCLUDE GROUP",
    0x20000: "EXCLUDE TIES",
}
_NAMED: Final[dict[tuple[str, str], tuple[str, dict[str, str]]]] = {
    ("QUERY", "commandType"): ("query", COMMANDS),
    ("RANGETBLENTRY", "rtekind"): ("relation", RELATIONS),
    ("JOINEXPR", "jointype"): ("join", JOINS),
    ("SETOPERATIONSTMT", "op"): ("set operation", SET_OPERATIONS),
    ("SUBLINK", "subLinkType"): ("sublink", SUBLINKS),
    ("VAR", "varreturningtype"): ("returned row", RETURNED_ROWS),
    ("GROUPINGSET", "kind"): ("grouping set", GROUPING_SETS),
    ("MERGEACTION", "matchKind"): ("MERGE WHEN", MATCHES),
    ("MERGEACTION", "commandType"): ("MERGE THEN", MERGE_COMMANDS),
    ("MINMAXEXPR", "op"): ("function", GREATEST_LEAST),
    ("COMMONTABLEEXPR", "ctematerialized"): ("CTE", CTES),
}
_FLAGS: Final = {
    ("QUERY", "hasModifyingCTE"): "modifying CTE",
    ("QUERY", "hasRecursive"): "recursive CTE",
    ("QUERY", "hasDistinctOn"): "DISTINCT ON",
    ("QUERY", "hasTargetSRFs"): "set-returning function in the list",
    ("QUERY", "groupDistinct"): "GROUP BY DISTINCT",
    ("RANGETBLENTRY", "lateral"): "lateral",
    ("RANGETBLENTRY", "funcordinality"): "WITH ORDINALITY",
    ("SETOPERATIONSTMT", "all"): "set operation ALL",
    ("WINDOWFUNC", "winagg"): "aggregate as window function",
}
_PRESENT: Final = {
    ("AGGREF", "aggfilter"): "aggregate FILTER",
    ("WINDOWFUNC", "aggfilter"): "window FILTER",
    ("AGGREF", "aggdirectargs"): "ordered-set aggregate",
    ("AGGREF", "aggdistinct"): "aggregate DISTINCT",
    ("AGGREF", "aggorder"): "aggregate ORDER BY",
    ("CASEEXPR", "arg"): "CASE of an operand",
    ("QUERY", "havingQual"): "HAVING",
    ("QUERY", "limitCount"): "LIMIT",
    ("QUERY", "limitOffset"): "OFFSET",
    ("QUERY", "distinctClause"): "DISTINCT",
    ("SUBSCRIPTINGREF", "reflowerindexpr"): "array slice",
    ("VAR", "varnullingrels"): "column nulled by a join",
}

REQUIRED: Final = (
    *(f"query {name}" for name in COMMANDS.values()),
    *(f"relation {name}" for name in RELATIONS.values()),
    *(f"join {name}" for name in JOINS.values()),
    *(f"set operation {name}" for name in SET_OPERATIONS.values()),
    *(f"sublink {name}" for name in SUBLINKS.values()),
    *(f"returned row {name}" for name in RETURNED_ROWS.values()),
    *(f"grouping set {name}" for name in GROUPING_SETS.values()),
    *(f"frame {name}" for name in FRAMES.values()),
    *_FLAGS.values(),
    *_PRESENT.values(),
    *(f"MERGE WHEN {name}" for name in MATCHES.values()),
    *(f"MERGE THEN {name}" for name in MERGE_COMMANDS.values()),
    *(f"CTE {name}" for name in CTES.values()),
    *(f"function {name}" for name in (*FUNCTIONS, *GREATEST_LEAST.values())),
    *(f"type {name}" for name in (*TYPES.values(), "array")),
    *(f"RETURNING of {name}" for name in COMMANDS.values() if name != "SELECT"),
    "aggregate with GROUP BY",
    "aggregate without GROUP BY",
    "lateral subquery",
    "lateral function",
    "CASE with ELSE",
    "CASE without ELSE",
    "condition that is strict",
    "modifying CTE used",
    "aggregate of an outer query",
    "ON CONFLICT UPDATE",
    "ON CONFLICT NOTHING",
    "USING",
    "view",
    "whole row",
    "system column",
    "ROWS FROM several",
    *(
        "AGGREF",
        "ARRAYEXPR",
        "ARRAYCOERCEEXPR",
        "BOOLEANTEST",
        "BOOLEXPR",
        "CASEEXPR",
        "COALESCEEXPR",
        "COERCETODOMAIN",
        "COERCEVIAIO",
        "COLLATEEXPR",
        "COMMONTABLEEXPR",
        "CONST",
        "CTECYCLECLAUSE",
        "CTESEARCHCLAUSE",
        "DISTINCTEXPR",
        "FIELDSELECT",
        "FIELDSTORE",
        "FROMEXPR",
        "FUNCEXPR",
        "GROUPINGFUNC",
        "JSONCONSTRUCTOREXPR",
        "JSONEXPR",
        "JSONISPREDICATE",
        "MERGEACTION",
        "MERGESUPPORTFUNC",
        "MINMAXEXPR",
        "NEXTVALUEEXPR",
        "NULLIFEXPR",
        "NULLTEST",
        "OPEXPR",
        "PARAM",
        "RELABELTYPE",
        "RETURNINGEXPR",
        "ROWCOMPAREEXPR",
        "ROWEXPR",
        "SCALARARRAYOPEXPR",
        "SQLVALUEFUNCTION",
        "SUBSCRIPTINGREF",
        "TABLEFUNC",
        "TARGETENTRY",
        "VAR",
        "WINDOWCLAUSE",
        "WINDOWFUNC",
    ),
)
"""Every one of these has to be met in a campaign, or it has not covered what it says."""


class Names(NamedTuple):
    """What the catalogs call the oids of a tree."""

    functions: dict[str, str]
    types: dict[str, str]

    @classmethod
    async def load(cls, connection: "asyncpg.Connection[asyncpg.Record]") -> "Names":
        functions = await connection.fetch(
            "SELECT oid::text, proname FROM pg_catalog.pg_proc WHERE proname = ANY ($1) "
            "AND pronamespace = 'pg_catalog'::regnamespace",
            FUNCTIONS,
        )
        types = await connection.fetch(
            "SELECT oid::text, typtype::text, typcategory::text FROM pg_catalog.pg_type"
        )
        return cls(
            {row[0]: row[1] for row in functions},
            {row[0]: "array" if row[2] == "A" else TYPES.get(row[1], "") for row in types},
        )


def constructs(queries: list[Node], names: Names) -> "Counter[str]":
    """How often each kind of node is in a statement's trees, and each variety of it."""
    found: Counter[str] = Counter()
    for node in walk(queries):
        found[node.kind] += 1
        for name, value in node.fields.items():
            variety = _variety(node.kind, name, value)
            if variety:
                found[variety] += 1
        _count_rest(node, found)
        _count_names(node, names, found)
    return found


def _variety(kind: str, name: str, value: Any) -> str:
    key = (kind, name)
    if key in _NAMED:
        title, names = _NAMED[key]
        return f"{title} {names[value]}" if value in names else ""
    if value == "true" and key in _FLAGS:
        return _FLAGS[key]
    if key in _PRESENT and value is not None and getattr(value, "values", True):
        return _PRESENT[key]
    return ""


def _count_names(node: Node, names: Names, found: "Counter[str]") -> None:
    for field in _CALLS:
        name = names.functions.get(node.fields.get(field, ""))
        if name:
            found[f"function {name}"] += 1
    if node.kind in _TYPED:
        name = names.types.get(node.fields[_TYPED[node.kind]], "")
        if name:
            found[f"type {name}"] += 1


def _count_query(node: Node, found: "Counter[str]") -> None:
    if node.nodes("returningList"):
        found[f"RETURNING of {COMMANDS[node.fields['commandType']]}"] += 1
    if node.flag("hasAggs"):
        grouped = node.nodes("groupClause") or node.nodes("groupingSets")
        found[f"aggregate {'with' if grouped else 'without'} GROUP BY"] += 1
    tables = {item.text("ctename") for item in node.nodes("cteList") if _modifies(item)}
    found["modifying CTE used"] += sum(
        entry.text("rtekind") == _CTE and entry.text("ctename") in tables
        for entry in node.nodes("rtable")
    )
    tree = node.node("jointree")
    condition = None if tree is None else tree.node("quals")
    if condition is not None and condition.kind in ("OPEXPR", "NULLTEST"):
        found["condition that is strict"] += 1


_SUBQUERY, _FUNCTION, _CTE = "1", "3", "6"


def _modifies(table: Node) -> bool:
    return table.the("ctequery").text("commandType") != "1"


def _count_rest(node: Node, found: "Counter[str]") -> None:
    if node.kind == "QUERY":
        _count_query(node, found)
    elif node.kind == "WINDOWCLAUSE":
        options = node.number("frameOptions")
        for bit, name in FRAMES.items():
            if options & bit:
                found[f"frame {name}"] += 1
    elif node.kind == "AGGREF" and node.number("agglevelsup"):
        found["aggregate of an outer query"] += 1
    elif node.kind == "ONCONFLICTEXPR":
        found[f"ON CONFLICT {'UPDATE' if node.text('action') == '2' else 'NOTHING'}"] += 1
    elif node.kind == "VAR" and node.number("varattno") <= 0:
        found["whole row" if node.number("varattno") == 0 else "system column"] += 1
    elif node.kind == "CASEEXPR":
        default = node.node("defresult")
        if default is None or (default.kind == "CONST" and default.flag("constisnull")):
            found["CASE without ELSE"] += 1
        else:
            found["CASE with ELSE"] += 1
    elif node.kind == "RANGETBLENTRY":
        if node.flag("lateral") and node.text("rtekind") in (_SUBQUERY, _FUNCTION):
            kind = "subquery" if node.text("rtekind") == _SUBQUERY else "function"
            found[f"lateral {kind}"] += 1
        if node.fields.get("joinmergedcols", "0") not in ("0", None):
            found["USING"] += 1
        if node.text("rtekind") == "1" and node.fields.get("relid", "0") not in ("0", None):
            found["view"] += 1
        if len(node.fields.get("functions") or ()) > 1:
            found["ROWS FROM several"] += 1
