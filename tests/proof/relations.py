"""Random FROM clauses."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.proof.expressions import Expressions, Scope
from tests.proof.schema import TABLES, TYPES, Column, Table

_EQUAL_KINDS = ("int", "text", "num", "mood")
_BY_NAME = {table.name: table for table in TABLES}


@dataclass
class Relation:
    """Something in FROM, and what can be named of it."""

    sql: str
    columns: list[Column]
    rows: list[str]

    def scope(self, outer: Scope | None, wanted: Iterable[str] = ()) -> Scope:
        """What an expression may name; `wanted` are the types that are to be selected."""
        return Scope(list(self.columns), list(self.rows), outer, list(wanted))


class Relations(Expressions):
    """Writes FROM clauses; the queries in them come from what inherits from it."""

    ctes: "list[tuple[str, list[Column]]]"

    def query(self, kinds: list[str], outer: Scope | None, depth: int) -> str:
        """A query with columns of those types."""
        raise NotImplementedError

    def kinds(self, count: int) -> list[str]:
        if self.chance(0.0, "domain"):
            return [self.rng.choice(["code", "qty", "int"]) for _ in range(count)]
        common = ["int", "int", "int", "text", "text", "num", "bool", "ints", "json", "pair"]
        return [self.rng.choice(common if self.chance(0.75) else list(TYPES)) for _ in range(count)]

    def relations(self, outer: Scope | None, depth: int) -> Relation:
        """One to three relations, joined."""
        left = self.relation(outer, depth)
        for _ in range(self.rng.choice((0, 0, 1, 1, 1, 2))):
            left = self._joined(left, outer, depth)
        if self.chance(0.06):
            right = self.relation(outer, 0)
            left = Relation(
                f"{left.sql}, {right.sql}", left.columns + right.columns, left.rows + right.rows
            )
        return left

    def _joined(self, left: Relation, outer: Scope | None, depth: int) -> Relation:
        kind = self.weighted(
            [
                ("inner", 1.0, "JOIN"),
                ("outer-join", 2.0, "LEFT JOIN"),
                ("outer-join", 1.0, "RIGHT JOIN"),
                ("outer-join", 1.0, "FULL JOIN"),
                ("inner", 0.3, "CROSS JOIN"),
            ]
        )
        if kind in ("JOIN", "LEFT JOIN", "CROSS JOIN") and self.chance(0.15, "lateral"):
            right = self._lateral(left, outer, depth)
        else:
            right = self.relation(outer, depth)
            if self.chance(0.2) and depth > 0:
                right = self._joined(right, outer, depth - 1)
                right = Relation(f"({right.sql})", right.columns, right.rows)
        columns, rows = left.columns + right.columns, left.rows + right.rows
        if kind == "CROSS JOIN":
            return Relation(f"{left.sql} CROSS JOIN {right.sql}", columns, rows)
        condition = self._on(kind, left, right, outer)
        return Relation(f"{left.sql} {kind} {right.sql} ON {condition}", columns, rows)

    def _on(self, kind: str, left: Relation, right: Relation, outer: Scope | None) -> str:
        pairs = [
            (a, b)
            for a in left.columns
            for b in right.columns
            if a.kind == b.kind and a.kind in _EQUAL_KINDS
        ]
        equal = "true"
        if pairs:
            a, b = self.rng.choice(pairs)
            equal = f"{a.sql} = {b.sql}"
        if kind == "FULL JOIN" or self.chance(0.6):
            # A full join needs what can be merged or hashed, or a constant.
            return equal if self.chance(0.9) else self.rng.choice(["true", "false"])
        both = Relation("", left.columns + right.columns, left.rows + right.rows)
        scope = both.scope(outer)
        condition = self.condition(scope)
        return f"{equal} AND {condition}" if self.chance(0.4) else condition

    def relation(self, outer: Scope | None, depth: int) -> Relation:
        inner = 1.0 if depth > 0 else 0.0
        made = self.weighted(
            [
                ("table", 5.0, self._any_table),
                ("subquery-from", 1.5 * inner, lambda: self._derived(outer, depth - 1)),
                ("values", 0.5, lambda: self._values(outer)),
                ("function-from", 1.0, lambda: self._function(outer)),
                ("using", 1.0 * inner, lambda: self._merged(outer, depth - 1)),
                ("cte", 1.5 if self.ctes else 0.0, self._cte),
            ]
        )
        return made()

    def _any_table(self) -> Relation:
        tables = [(table.tag, 2.5 if table.tag == "table" else 0.5, table) for table in TABLES]
        return self.table(self.weighted(tables))

    def table(self, table: Table, alias: str | None = None) -> Relation:
        alias = alias or self.name("t")
        columns = [Column(f"{alias}.{c.sql}", c.kind, c.solid) for c in table.columns]
        only = "ONLY " if table.tag == "inherit" and self.chance(0.3) else ""
        if table.tag != "view" and self.chance(0.5):
            columns.append(Column(f"({alias}.tableoid::bigint::int % 7)", "int", True))
        sampled = " TABLESAMPLE system (100)" if table.tag == "table" and self.chance(0.03) else ""
        return Relation(f"{only}{table.name} AS {alias}{sampled}", columns, [alias])

    def _derived(self, outer: Scope | None, depth: int, lateral: str = "") -> Relation:
        kinds = self.kinds(self.rng.randint(1, 3))
        sql = self.query(kinds, outer if lateral else None, depth)
        alias = self.name("s")
        names = [self.name("c") for _ in kinds]
        columns = [Column(f"{alias}.{n}", k, True) for n, k in zip(names, kinds, strict=True)]
        return Relation(f"{lateral}({sql}) AS {alias}({', '.join(names)})", columns, [alias])

    def _lateral(self, left: Relation, outer: Scope | None, depth: int) -> Relation:
        scope = left.scope(outer)
        if self.chance(0.5):
            return self._derived(scope, depth - 1, "LATERAL ")
        return self._function(scope, "LATERAL ")

    def _values(self, outer: Scope | None) -> Relation:
        kinds = self.kinds(self.rng.randint(1, 3))
        alias = self.name("v")
        names = [self.name("c") for _ in kinds]
        columns = [Column(f"{alias}.{n}", k, True) for n, k in zip(names, kinds, strict=True)]
        return Relation(f"({self.values(kinds)}) AS {alias}({', '.join(names)})", columns, [alias])

    def values(self, kinds: list[str]) -> str:
        rows = [
            f"({', '.join(self._value(kind) for kind in kinds)})"
            for _ in range(self.rng.randint(1, 3))
        ]
        return f"VALUES {', '.join(rows)}"

    def _value(self, kind: str) -> str:
        if self.chance(0.06) and kind != "code":
            return f"NULL::{TYPES[kind]}"
        return self.expression(kind, Scope(), 1) if self.chance(0.3) else self.constant(kind)

    def _function(self, outer: Scope | None, lateral: str = "") -> Relation:
        alias = self.name("f")
        scope = outer or Scope()

        def series() -> str:
            return f"generate_series({self.leaf('int', scope)}, 3)"

        def ints() -> str:
            return self.leaf("ints", scope)

        def texts() -> str:
            return self.leaf("texts", scope)

        sql, kinds = self.pick(
            [
                ("series", (series(), ["int"])),
                (
                    "series",
                    (_TIMES, ["ts"]),
                ),
                ("unnest", (f"unnest({ints()})", ["int"])),
                ("unnest", (f"unnest(ARRAY[{self.leaf('int', scope)}, 4])", ["int"])),
                ("unnest", (f"unnest({ints()}, {texts()})", ["int", "text"])),
                ("unnest", ("unnest(ARRAY[1, 2], ARRAY['a'])", ["int", "text"])),
                ("unnest", (f"unnest(ARRAY['a', 'b'], {ints()})", ["text", "int"])),
                ("unnest", ("unnest(ARRAY(SELECT p.item_id FROM part AS p))", ["int"])),
                ("unnest", ("unnest((SELECT array_agg(p.item_id) FROM part AS p))", ["int"])),
                ("unnest", ("unnest((SELECT array_agg(p.z) FROM part AS p))", ["int"])),
                ("unnest", ("unnest((SELECT array_agg(i.o) FROM item AS i))", ["int", "text"])),
                ("rows-from", (f"ROWS FROM ({series()}, unnest({texts()}))", ["int", "text"])),
                ("rows-from", (f"ROWS FROM ({series()})", ["int"])),
                ("function-from", (f"pairs_of({self.leaf('int', scope)})", ["int", "text"])),
                ("function-from", ("rows_of_part()", ["int", "int", "int", "text", "num"])),
                (
                    "function-from",
                    (f"regexp_split_to_table({self.leaf('text', scope)}, ',')", ["text"]),
                ),
                ("function-from", ("jsonb_each_text('{\"a\": null}')", ["text", "text"])),
                ("function-from", (f"lax_zero({self.leaf('int', scope)})", ["int"])),
                ("function-from", (f"strict_null({self.leaf('int', scope)})", ["int"])),
                ("whole-row", (_FIELDS_OF_ROWS, ["int", "text", "int"])),
                ("table-function", (_JSON_TABLE, ["int", "int", "text"])),
            ]
        )
        names = [self.name("c") for _ in kinds]
        ordinality = ""
        if not sql.startswith(("JSON_TABLE", "(")) and self.chance(0.25, "unnest"):
            ordinality = " WITH ORDINALITY"
            names.append(self.name("c"))
        columns = [Column(f"{alias}.{n}", k, True) for n, k in zip(names, kinds, strict=False)]
        if ordinality:
            columns.append(Column(f"{alias}.{names[-1]}::int", "int", True))
        rows = [alias] if len(names) > 1 else []
        return Relation(f"{lateral}{sql}{ordinality} AS {alias}({', '.join(names)})", columns, rows)

    def _cte(self) -> Relation:
        name, columns = self.rng.choice(self.ctes)
        alias = self.name("w")
        found = [Column(f"{alias}.{c.sql}", c.kind, c.solid) for c in columns]
        return Relation(f"{name} AS {alias}", found, [alias])

    def _merged(self, outer: Scope | None, depth: int) -> Relation:
        """Two or three relations joined by USING or NATURAL."""
        shared, kind = self.name("u"), self.rng.choice(["int", "text"])
        sql, sides = self._side(shared, kind, depth)
        columns = list(sides)
        rows = [sides[0].sql.split(".")[0]]
        named = ""
        for _ in range(self.rng.choice((1, 1, 2))):
            right, more = self._side(shared, kind, depth)
            join = self.rng.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "FULL JOIN"])
            if self.chance(0.4):
                sql, named = f"{sql} NATURAL {join} {right}", ""
            elif self.chance(0.25):
                named = self.name("j")
                sql = f"{sql} {join} {right} USING ({shared}) AS {named}"
            else:
                sql, named = f"{sql} {join} {right} USING ({shared})", ""
            columns += more
            rows.append(more[0].sql.split(".")[0])
        merged = [Column(shared, kind, True)] * 3
        if named:
            merged.append(Column(f"{named}.{shared}", kind, True))
        if self.chance(0.25):
            alias = self.name("j")
            others = [c for c in columns if not c.sql.endswith(f".{shared}")]
            names = [self.name("c") for _ in range(1 + len(others))]
            kinds = [kind] + [c.kind for c in others]
            found = [Column(f"{alias}.{n}", k, True) for n, k in zip(names, kinds, strict=True)]
            return Relation(f"({sql}) AS {alias}({', '.join(names)})", found, [alias])
        return Relation(f"({sql})", merged + columns, rows)

    def _side(self, shared: str, kind: str, depth: int) -> tuple[str, list[Column]]:
        alias, other = self.name("s"), self.name("c")
        if kind == "int" and self.chance(0.4):
            table = _BY_NAME[self.rng.choice(["hollow", "loose", "v_simple", "child", "v_left"])]
            names = [shared] + [self.name("c") for _ in table.columns[1:]]
            found = [
                Column(f"{alias}.{n}", c.kind, c.solid)
                for n, c in zip(names, table.columns, strict=True)
            ]
            return f"{table.name} AS {alias}({', '.join(names)})", found
        other_kind = self.kinds(1)[0]
        sql = self.query([kind, other_kind], None, depth)
        found = [
            Column(f"{alias}.{shared}", kind, True),
            Column(f"{alias}.{other}", other_kind, True),
        ]
        return f"({sql}) AS {alias}({shared}, {other})", found


_TIMES = "generate_series('2024-01-01'::timestamptz, '2024-01-02', interval '1 day')"
_FIELDS_OF_ROWS = (
    "(SELECT (s.r).item_id, (s.r).s, (s.r).z FROM (SELECT r FROM part AS r OFFSET 0) AS s)"
)
_JSON_TABLE = (
    'JSON_TABLE(\'[{"a": 1}, {"b": "x"}]\', \'$[*]\' '
    "COLUMNS (x FOR ORDINALITY, a int PATH '$.a', b text PATH '$.b'))"
)
