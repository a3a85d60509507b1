"""Random SELECTs: plain, grouped, with windows, set operations, CTEs, subqueries."""

import random
from collections.abc import Iterable

from tests.proof import group_templates
from tests.proof.expressions import Scope
from tests.proof.relations import Relation, Relations
from tests.proof.schema import TABLES, TYPES, Column

_UNGROUPABLE = {"json"}
_KEYED = [table for table in TABLES if table.name in ("item", "part", "hollow")]


_NESTING_LIMIT = 4
_RECURSION_ORDERS = ("", "", " SEARCH DEPTH FIRST BY n SET o", " CYCLE n SET c USING p")
_ENDS_OF_AGGREGATES = (" HAVING count(*) > 2", " LIMIT 0", " OFFSET 1", " LIMIT 1", " GROUP BY ()")


class Queries(Relations):
    """Writes queries with columns of given types."""

    def __init__(self, rng: random.Random, focus: Iterable[str] = ()) -> None:
        super().__init__(rng, focus)
        self.ctes = []
        self._nesting = 0

    def query(self, kinds: list[str], outer: Scope | None, depth: int) -> str:
        # However a campaign is focused, statements come to an end.
        if self._nesting >= _NESTING_LIMIT:
            return self.values(kinds)
        self._nesting += 1
        try:
            return self._query(kinds, outer, depth)
        finally:
            self._nesting -= 1

    def _query(self, kinds: list[str], outer: Scope | None, depth: int) -> str:
        deep = 1.0 if depth > 0 else 0.0
        made = self.weighted(
            [
                ("plain", 5.0, self.plain),
                ("group", 2.0, self.grouped),
                ("window", 1.5, self.windowed),
                ("setop", 1.0 * deep, self.combined),
                ("values", 0.3, lambda kinds, *_: self.values(kinds)),
                ("srf", 0.4, self.unrolled),
                ("distinct", 0.4, self.distinct),
                ("cte", 0.4 * deep, self.with_inner),
            ]
        )
        return made(kinds, outer, depth)

    def plain(self, kinds: list[str], outer: Scope | None, depth: int) -> str:
        if self.chance(0.06):
            scope = Scope(outer=outer)
            where = " WHERE false" if self.chance(0.2) else ""
            return f"SELECT {self._list(kinds, scope, 2)}{where}"
        relation = self.relations(outer, depth)
        scope = relation.scope(outer, kinds)
        where = self._where(scope)
        return f"SELECT {self._list(kinds, scope, 2)} FROM {relation.sql}{where}{self._tail()}"

    def _list(self, kinds: list[str], scope: Scope, depth: int) -> str:
        return ", ".join(self.expression(kind, scope, depth) for kind in kinds)

    def _where(self, scope: Scope) -> str:
        return f" WHERE {self.condition(scope)}" if self.chance(0.45, "strict-qual") else ""

    def _tail(self) -> str:
        return self.rng.choice(["", "", "", "", "", " LIMIT 4", " LIMIT 3 OFFSET 1", " OFFSET 0"])

    def distinct(self, kinds: list[str], outer: Scope | None, depth: int) -> str:
        relation = self.relations(outer, depth - 1)
        scope = relation.scope(outer, kinds)
        where = self._where(scope)
        listed = self._list(kinds, scope, 1)
        if self.chance(0.5):
            return f"SELECT DISTINCT {listed} FROM {relation.sql}{where}"
        on = self.leaf(self.rng.choice(["int", "text"]), scope, constants=False)
        return f"SELECT DISTINCT ON ({on}) {listed} FROM {relation.sql}{where} ORDER BY {on}"

    def unrolled(self, kinds: list[str], outer: Scope | None, depth: int) -> str:
        """Set-returning functions in the list: the shorter ones are filled up with NULL."""
        relation = self.relation(outer, depth - 1)
        scope = relation.scope(outer, kinds)
        found: list[str] = []
        for kind in kinds:
            if kind == "int" and self.chance(0.7):
                ints = self.leaf("ints", scope)
                found.append(self.rng.choice([f"unnest({ints})", "generate_series(1, 2)"]))
            elif kind == "text" and self.chance(0.7):
                found.append("unnest(ARRAY['x', 'y', 'z'])")
            else:
                found.append(self.expression(kind, scope, 1))
        return f"SELECT {', '.join(found)} FROM {relation.sql}{self._where(scope)} LIMIT 20"

    def combined(self, kinds: list[str], outer: Scope | None, depth: int) -> str:
        """Set operations, nested in either way."""
        operators = ["UNION ALL", "UNION", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"]
        parts = [f"({self.query(kinds, outer, depth - 1)})" for _ in range(self.rng.choice((2, 3)))]
        left = f"{parts[0]} {self.rng.choice(operators)} {parts[1]}"
        if len(parts) == 2:
            return left + self._tail()
        operator = self.rng.choice(operators)
        return self.rng.choice(
            [f"({left}) {operator} {parts[2]}", f"{parts[2]} {operator} ({left})"]
        )

    def with_inner(self, kinds: list[str], outer: Scope | None, depth: int) -> str:
        known = list(self.ctes)
        name, sql = self.cte(depth - 1)
        text = f"(WITH {name}{sql} {self.query(kinds, outer, depth - 1)})"
        self.ctes = known
        return text

    def cte(self, depth: int) -> tuple[str, str]:
        """A common table expression; from here on it can be selected from."""
        kinds = self.kinds(self.rng.randint(1, 3))
        name, names = self.name("x"), [self.name("c") for _ in kinds]
        materialized = self.rng.choice(["", "MATERIALIZED ", "NOT MATERIALIZED "])
        sql = f"({', '.join(names)}) AS {materialized}({self.query(kinds, None, depth)})"
        self.ctes.append((name, [Column(n, k, True) for n, k in zip(names, kinds, strict=True)]))
        return name, sql

    def recursive(self, depth: int) -> tuple[str, str]:
        """A recursive one: what its first part never yields, its second part may."""
        name, alias = self.name("x"), self.name("r")
        kind = self.rng.choice(["int", "text"])
        relation = self.relations(None, 0)
        start = self.expression(kind, relation.scope(None), 1)
        columns = [Column(f"{alias}.n", "int", True), Column(f"{alias}.x", kind, True)]
        other = self.relation(None, 0)
        scope = Scope(columns + other.columns, other.rows)
        step = self.expression(kind, scope, 2)
        join = self.rng.choice(["CROSS JOIN", "CROSS JOIN", "LEFT JOIN"])
        on = " ON true" if join == "LEFT JOIN" else ""
        order = self.rng.choice(_RECURSION_ORDERS)
        union = self.rng.choice(["UNION", "UNION ALL"])
        sql = (
            f"(n, x) AS (SELECT 1, {start} FROM {relation.sql} {union} "
            f"(SELECT {alias}.n + 1, {step} FROM {name} AS {alias} {join} {other.sql}{on} "
            f"WHERE {alias}.n < 3 LIMIT 30)){order}"
        )
        found = [Column("n", "int", True), Column("x", kind, True)]
        if "CYCLE" in order:
            found.append(Column("c", "bool", True))
        self.ctes.append((name, found))
        return name, sql

    # Grouping.
    def grouped(self, kinds: list[str], outer: Scope | None, depth: int) -> str:
        relation = self.relations(outer, depth)
        scope = relation.scope(outer, kinds)
        where = self._where(scope)
        clause, columns = self._group_by(relation, scope)
        inner = Scope(columns, [], outer, list(kinds))
        for kind in dict.fromkeys([*kinds, "int"]):
            for _ in range(2):
                sql = self.aggregate(kind, scope, self.rng.choice((1, 1, 2)))
                if sql is not None:
                    inner.columns.append(Column(sql, kind, True))
        having = ""
        if self.chance(0.25):
            having = f" HAVING {self.condition(inner)}"
        inner.proven += [c for c in scope.proven if c.sql in {own.sql for own in columns}]
        listed = ", ".join(
            self.leaf(kind, inner, constants=False)
            if self.chance(0.6)
            else self._windowed_aggregate(inner)
            if kind == "int" and self.chance(0.15, "window")
            else self.expression(kind, inner, 2)
            for kind in kinds
        )
        return f"SELECT {listed} FROM {relation.sql}{where}{clause}{having}"

    def _windowed_aggregate(self, inner: Scope) -> str:
        over = self.rng.choice(["()", f"(ORDER BY {self.leaf('int', inner)})"])
        return f"(sum({self.leaf('int', inner)}) OVER {over})::int"

    def _group_by(self, relation: Relation, scope: Scope) -> tuple[str, list[Column]]:
        if self.chance(0.3, "ungrouped"):
            return "", []
        if self.chance(0.12):
            table = self._key_of(relation)
            if table is not None:
                # The other columns of the table depend on its key.
                alias, found = table
                return f" GROUP BY {alias}.id", found
        groupable = [c for c in scope.columns if c.kind not in _UNGROUPABLE]
        chosen: list[Column] = []
        for _ in range(self.rng.choice((1, 2, 2))):
            if groupable and self.chance(0.7):
                column = self.rng.choice(groupable)
            else:
                kind = self.rng.choice(["int", "text"])
                column = Column(f"({self.expression(kind, scope, 1)})", kind, True)
                if "$" in column.sql or "SELECT" in column.sql:
                    # Another mention of a parameter is another expression to PostgreSQL.
                    continue
            if column.sql not in {c.sql for c in chosen} and not column.sql.isdigit():
                chosen.append(column)
        if not chosen:
            return self.rng.choice(["", " GROUP BY ()"]), []
        names = [c.sql for c in chosen]
        first, every = names[0], ", ".join(names)
        clause = self.weighted(
            [
                ("group", 4.0, every),
                ("grouping-sets", 0.7, f"ROLLUP ({every})"),
                ("grouping-sets", 0.7, f"CUBE ({every})"),
                ("grouping-sets", 0.7, f"GROUPING SETS (({every}), ({first}))"),
                ("grouping-sets", 0.4, f"GROUPING SETS (({every}), ({first}), ())"),
                ("grouping-sets", 0.4, f"GROUPING SETS (({every}))"),
                ("grouping-sets", 0.4, f"{first}, ROLLUP ({every})"),
                ("grouping-sets", 0.3, f"DISTINCT ROLLUP ({every}), CUBE ({first})"),
            ]
        )
        found = list(chosen)
        if clause != every:
            found.append(Column(f"grouping({first})", "int", True))
        return f" GROUP BY {clause}", found

    def _key_of(self, relation: Relation) -> tuple[str, list[Column]] | None:
        for table in _KEYED:
            for row in relation.rows:
                if f"{table.name} AS {row}" in relation.sql and f"{row}(" not in relation.sql:
                    return row, [Column(f"{row}.{c.sql}", c.kind, c.solid) for c in table.columns]
        return None

    def aggregate(self, kind: str, scope: Scope, depth: int = 1) -> str | None:
        found = group_templates.AGGREGATES.get(kind)
        if found is None:
            return None
        filtered = ""
        if self.chance(0.2, "filter"):
            inner = Scope(scope.columns, scope.rows, scope.outer)
            filtered = f" FILTER (WHERE {self.condition(inner, 0)})"
        template = self.pick(found)
        plain = Scope(scope.columns, scope.rows)
        sql = self.fill(template, kind, plain, depth, F=filtered)
        if filtered == "" and self.chance(0.08, "outer-aggregate"):
            # The aggregate of a subquery, over columns of ours only, is ours.
            return f"(SELECT {sql})"
        return sql

    def windowed(self, kinds: list[str], outer: Scope | None, depth: int) -> str:
        relation = self.relations(outer, depth - 1)
        scope = relation.scope(outer, kinds)
        where = self._where(scope)
        named = self.chance(0.3)
        window = self._window(scope)
        listed: list[str] = []
        for kind in kinds:
            over = "win" if named else self._window(scope)
            options = list(group_templates.WINDOWS_OF_ANY)
            options += group_templates.WINDOWS.get(kind, ()) * 2
            options += [
                ("window-aggregate", f"({t.replace('::int', '')} OVER <W>)::{TYPES[kind]}")
                for tag, t in group_templates.AGGREGATES.get(kind, ())
                if tag in ("aggregate", "spread") and "DISTINCT" not in t and "ORDER BY" not in t
            ]
            filtered = f" FILTER (WHERE {self.condition(scope, 0)})" if self.chance(0.15) else ""
            sql = self.fill(self.pick(options), kind, scope, 1, W=over, F=filtered)
            if self.chance(0.2):
                sql = f"coalesce({sql}, {self.leaf(kind, scope)})"
            listed.append(sql)
        clause = f" WINDOW win AS {window}" if named else ""
        return f"SELECT {', '.join(listed)} FROM {relation.sql}{where}{clause}{self._tail()}"

    def _window(self, scope: Scope) -> str:
        parts: list[str] = []
        if self.chance(0.4):
            parts.append(f"PARTITION BY {self.leaf('int', scope)}")
        frame = self.rng.choice(group_templates.FRAMES) if self.chance(0.6, "frame") else ""
        if self.chance(0.6) or frame.startswith("GROUPS"):
            parts.append(f"ORDER BY {self.leaf(self.rng.choice(['int', 'text']), scope)}")
        return f"({' '.join([*parts, frame])})"

    # Subqueries in expressions.
    def subquery(self, kind: str, scope: Scope, depth: int) -> str:
        made = self.weighted(
            [
                ("scalar", 1.0, self._limited),
                ("scalar", 1.0, self._bare_aggregate),
                ("scalar", 1.0, self._by_key),
                ("scalar", 0.5, self._without_from),
                ("array-sublink", 1.0 if kind in ("ints", "texts") else 0.0, self._array),
            ]
        )
        return f"({made(kind, scope, depth)})" if made != self._array else made(kind, scope, depth)

    def _limited(self, kind: str, scope: Scope, depth: int) -> str:
        sql = self.query([kind], scope, min(depth, 1))
        return f"SELECT * FROM ({sql}) AS {self.name('s')} " + self.rng.choice(
            ["LIMIT 1", "LIMIT 1", "OFFSET 50 LIMIT 1", "LIMIT 0"]
        )

    def _bare_aggregate(self, kind: str, scope: Scope, depth: int) -> str:
        relation = self.relation(scope, 0)
        inner = relation.scope(scope)
        # Its argument names our own relation, or PostgreSQL takes it for an outer aggregate.
        own = Scope(relation.columns, relation.rows)
        sql = self.aggregate(kind, own, depth) or f"(array_agg({self.leaf(kind, own)}))[1]"
        where = self._where(inner)
        if sql.startswith("(SELECT"):
            sql = sql[8:-1]
        if self.chance(0.2):
            sql = f"coalesce({sql}, {self.constant(kind)})"
        tail = self.rng.choice(["", "", "", "", *_ENDS_OF_AGGREGATES])
        return f"SELECT {sql} FROM {relation.sql}{where}{tail}"

    def _by_key(self, kind: str, scope: Scope, depth: int) -> str:
        table = self.rng.choice(_KEYED)
        relation = self.table(table)
        inner = relation.scope(scope)
        key = self.rng.choice([self.leaf("int", scope), "2", "99"])
        return (
            f"SELECT {self.expression(kind, inner, depth)} FROM {relation.sql} "
            f"WHERE {relation.rows[0]}.id = {key}"
        )

    def _without_from(self, kind: str, scope: Scope, depth: int) -> str:
        sql = self.expression(kind, Scope(outer=scope), depth)
        return self.rng.choice([f"SELECT {sql}", f"VALUES ({sql})", f"SELECT {sql} WHERE false"])

    def _array(self, kind: str, scope: Scope, depth: int) -> str:
        return f"ARRAY({self.query(['int' if kind == 'ints' else 'text'], scope, 0)})"

    def membership(self, scope: Scope, depth: int) -> str:
        def inner(*kinds: str) -> str:
            return self.query(list(kinds), scope, 0)

        def outer(kind: str) -> str:
            return self.leaf(kind, scope)

        kind = self.rng.choice(["int", "int", "text"])
        form = self.rng.randrange(8)
        if form == 0:
            return f"EXISTS ({inner(kind)})"
        if form == 1:
            return f"NOT EXISTS ({inner(kind)})"
        if form == 2:
            return f"({outer(kind)} IN ({inner(kind)}))"
        if form == 3:
            return f"({outer(kind)} NOT IN ({inner(kind)}))"
        if form == 4:
            return f"({outer(kind)} = ANY ({inner(kind)}))"
        if form == 5:
            return f"({outer(kind)} >= ALL ({inner(kind)}))"
        if form == 6:
            return f"(({outer('int')}, {outer('text')}) IN ({inner('int', 'text')}))"
        first = self.expression("int", Scope(outer=scope), depth)
        row = f"ROW({outer('int')}, {outer('text')})"
        return f"({row} = (SELECT {first}, {self.constant('text')}))"
