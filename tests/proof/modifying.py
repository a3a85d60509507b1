"""Random INSERT, UPDATE, DELETE and MERGE statements, and what they return."""

from collections.abc import Iterable

from tests.proof.expressions import PARAMETER_VALUES, Scope
from tests.proof.queries import Queries
from tests.proof.relations import Relation
from tests.proof.schema import TABLES, UNASSIGNABLE, Column, Table

_WRITABLE = [table for table in TABLES if table.writable]
# ON CONFLICT needs a unique index to name.
_KEYED = [table for table in TABLES if table.name in ("item", "part", "hollow")]
_SOURCES = [t for t in TABLES if t.name in ("item", "hollow", "part", "loose")]
_MERGEABLE = [t for t in _WRITABLE if t.name not in ("ruled", "parent", "child")]


def _own(columns: list[Column], alias: str) -> list[str]:
    """The names of those columns that are the target's."""
    return [c.sql.split(".")[1] for c in columns if c.sql.startswith(f"{alias}.")]


class Modifying(Queries):
    """Writes statements that change rows and return some."""

    def modification(self, kinds: list[str], depth: int) -> str:
        """One that returns columns of those types."""
        made = self.weighted(
            [
                ("insert", 1.0, self._insert),
                ("update", 1.0, self._update),
                ("delete", 0.7, self._delete),
                ("merge", 1.2, self._merge),
            ]
        )
        return made(kinds, depth)

    def _target(self, tables: list[Table]) -> tuple[Table, str]:
        choices = [(t.tag, 3.0 if t.name == "item" else 1.0, t) for t in tables]
        return self.weighted(choices), self.name("t")

    def _assignable(self, table: Table) -> list[Column]:
        return [c for c in table.columns if c.sql not in UNASSIGNABLE and c.sql != "id"]

    def _assigned(self, column: Column, scope: Scope) -> str:
        """A value for a column, hardly ever NULL where that would be refused."""
        if column.kind == "code":
            return "'c9'"
        if column.kind == "qty":
            return "4"
        if column.solid:
            solid = [c for c in scope.of(column.kind) if c.solid]
            if solid and self.chance(0.1):
                return self.rng.choice(solid).sql
            return self.constant(column.kind)
        if column.kind in PARAMETER_VALUES and self.chance(0.2, "param"):
            return self.parameter(column.kind)
        if self.chance(0.3, "assigned"):
            return self.constant(column.kind)
        return self.expression(column.kind, scope, 1)

    def _change(self, column: Column, scope: Scope) -> str:
        """An assignment to a column, or to a part of it."""
        if column.kind == "pair" and self.chance(0.5):
            return f"{column.sql}.a = {self.expression('int', scope, 1)}"
        if column.kind == "ints" and self.chance(0.5):
            return f"{column.sql}[{self.constant('int')}] = {self.expression('int', scope, 1)}"
        return f"{column.sql} = {self._assigned(column, scope)}"

    def _returning(
        self,
        kinds: list[str],
        table: Table,
        alias: str,
        *,
        others: Relation | None = None,
        about: Iterable[str] = (),
        merging: bool = False,
    ) -> str:
        """`RETURNING`, with the row as it was and as it is.

        `about` are the columns that the statement assigns or has conditions on: what was
        proven of the row before need not hold for the row after.
        """
        old, new, options = "old", "new", ""
        if self.chance(0.15) and table.tag != "rule":
            old, new = self.name("o"), self.name("n")
            options = f" WITH (OLD AS {old}, NEW AS {new})"
        # A rule that stands for an INSERT knows no row before. PostgreSQL 18.4 crashes where
        # a row that is not there is compared with a subquery's: old.id IN (SELECT ...).
        self.flat = table.tag != "rule" and self.chance(0.7, "old-new")
        names = (alias, old, new) if self.flat else (alias,)
        options = options if self.flat else ""
        columns = [
            Column(f"{name}.{c.sql}", c.kind, c.solid) for name in names for c in table.columns
        ]
        scope = Scope(columns, [] if table.tag == "rule" else list(names))
        wanted = set(about)
        scope.proven = [c for c in columns if c.sql.split(".")[1] in wanted]
        if others is not None:
            scope.columns = columns + others.columns
            scope.rows = scope.rows + others.rows
        listed = [
            self.leaf(kind, scope, constants=False)
            if self.chance(0.5)
            else self.expression(kind, scope, 2)
            for kind in kinds
        ]
        self.flat = False
        if scope.proven and self.chance(0.4):
            listed[0] = self.rng.choice(scope.proven).sql
        if merging and self.chance(0.2):
            listed[0] = "merge_action()"
        return f" RETURNING{options} {', '.join(listed)}"

    def _insert(self, kinds: list[str], depth: int) -> str:
        conflict = self.chance(0.4, "conflict")
        table, alias = self._target(_KEYED if conflict else _WRITABLE)
        columns = self._assignable(table)
        chosen = self.rng.sample(columns, self.rng.randint(1, min(4, len(columns))))
        key = [c for c in table.columns if c.sql == "id"] if table.tag != "rule" else []
        if table.name == "item" and not conflict and self.chance(0.4):
            key = []
        if table.name == "v_instead":
            chosen = list(table.columns)
            key = []
        names = ", ".join(c.sql for c in [*key, *chosen])
        if self.chance(0.06) and not conflict and table.name != "v_instead":
            source = "DEFAULT VALUES"
            names = ""
        elif self.chance(0.4):
            relation = self.relations(None, depth - 1)
            scope = relation.scope(None)
            where = self._where(scope)
            values = [self._assigned(c, scope) for c in chosen]
            if key:
                values.insert(0, "3" if conflict else "nextval('fresh')")
            source = f"SELECT {', '.join(values)} FROM {relation.sql}{where} LIMIT 1"
        else:
            rows: list[str] = []
            for number in range(self.rng.choice((1, 1, 2))):
                values = [self._assigned(c, Scope()) for c in chosen]
                if key:
                    values.insert(0, str((2 + number * 900) if conflict else 900 + number))
                rows.append(f"({', '.join(values)})")
            source = f"VALUES {', '.join(rows)}"
        action = self._on_conflict(table, alias, chosen) if conflict else ""
        target = f"{table.name} AS {alias}" + (f" ({names})" if names else "")
        returning = self._returning(kinds, table, alias, about=[c.sql for c in chosen])
        return f"INSERT INTO {target} {source}{action}{returning}"

    def _on_conflict(self, table: Table, alias: str, chosen: list[Column]) -> str:
        if self.chance(0.25):
            return " ON CONFLICT DO NOTHING"
        column = self.rng.choice(chosen)
        scope = Scope(
            [Column(f"{alias}.{c.sql}", c.kind, c.solid) for c in table.columns]
            + [Column(f"excluded.{c.sql}", c.kind, c.solid) for c in table.columns]
        )
        where = f" WHERE {self.condition(scope)}" if self.chance(0.3) else ""
        value = self._assigned(column, scope)
        if not column.solid and self.chance(0.3, "conflict"):
            same = [c.sql for c in table.columns if c.kind == column.kind and not c.solid]
            value = f"excluded.{self.rng.choice(same)}"
        return f" ON CONFLICT (id) DO UPDATE SET {column.sql} = {value}{where}"

    def _update(self, kinds: list[str], depth: int) -> str:
        table, alias = self._target([t for t in _WRITABLE if t.tag != "rule"])
        others = self.relations(None, depth - 1) if self.chance(0.5) else None
        own = [Column(f"{alias}.{c.sql}", c.kind, c.solid) for c in table.columns]
        scope = Scope(own + (others.columns if others else []), [alias])
        columns = self._assignable(table)
        if table.name == "item" and self.chance(0.4):
            columns = [c for c in columns if c.kind in ("pair", "ints")]
        chosen = self.rng.sample(columns, min(self.rng.choice((1, 1, 2)), len(columns)))
        changes = ", ".join(self._change(column, scope) for column in chosen)
        source = f" FROM {others.sql}" if others else ""
        where = f" WHERE {self.condition(scope)}" if self.chance(0.5) else ""
        if self.chance(0.15, "strict-qual"):
            where = f" WHERE {alias}.{chosen[0].sql} IS NOT NULL"
        about = [c.sql for c in chosen] + _own(scope.proven, alias)
        returning = self._returning(kinds, table, alias, others=others, about=about)
        return f"UPDATE {table.name} AS {alias} SET {changes}{source}{where}{returning}"

    def _delete(self, kinds: list[str], depth: int) -> str:
        table, alias = self._target([t for t in _WRITABLE if t.tag != "rule"])
        others = self.relations(None, depth - 1) if self.chance(0.5) else None
        own = [Column(f"{alias}.{c.sql}", c.kind, c.solid) for c in table.columns]
        scope = Scope(own + (others.columns if others else []), [alias])
        source = f" USING {others.sql}" if others else ""
        where = f" WHERE {self.condition(scope)}" if self.chance(0.6) else ""
        about = _own(scope.proven, alias)
        returning = self._returning(kinds, table, alias, others=others, about=about)
        return f"DELETE FROM {table.name} AS {alias}{source}{where}{returning}"

    def _merge(self, kinds: list[str], depth: int) -> str:
        table, alias = self._target(_MERGEABLE)
        source = self._derived(None, max(depth - 1, 0))
        if self.chance(0.6):
            source = self.table(self.rng.choice(_SOURCES))
        own = [Column(f"{alias}.{c.sql}", c.kind, c.solid) for c in table.columns]
        key = self.leaf("int", Scope(source.columns), constants=False)
        both = Scope(own + source.columns)
        column = self.rng.choice(self._assignable(table))
        actions: list[str] = []
        if self.chance(0.6):
            extra = f" AND {self.condition(both)}" if self.chance(0.3) else ""
            change = f"UPDATE SET {column.sql} = {self._assigned(column, both)}"
            done = self.rng.choice([change, "DELETE", "DO NOTHING"])
            actions.append(f"WHEN MATCHED{extra} THEN {done}")
        match = f"{alias}.id = {key}"
        inserts = self.chance(0.6)
        if inserts:
            values = self._assigned(column, Scope(source.columns))
            actions.append(
                f"WHEN NOT MATCHED THEN INSERT (id, {column.sql}) VALUES "
                f"(nextval('fresh'), {values})"
            )
        # With both it is a full join, which needs a condition that can be merged or hashed.
        is_column = any(c.sql == key for c in source.columns) and "tableoid" not in key
        if not actions or (self.chance(0.6) and (is_column or not inserts)):
            change = f"UPDATE SET {column.sql} = {self._assigned(column, Scope(own))}"
            done = self.rng.choice([change, "DELETE"])
            actions.append(f"WHEN NOT MATCHED BY SOURCE THEN {done}")
        about = [column.sql, *_own(both.proven, alias)]
        return (
            f"MERGE INTO {table.name} AS {alias} USING {source.sql} ON {match} {' '.join(actions)}"
            + self._returning(kinds, table, alias, others=source, about=about, merging=True)
        )
