"""Random queries over the tables of `cardinality_schema`, and statements that write to them."""

import random

INTEGERS = {
    "k": ["id", "a", "b"],
    "m": ["id", "k_id", "v"],
    "o": ["k_id", "v"],
    "bare": ["x", "y"],
    "part": ["id", "day", "v"],
    "parent": ["id", "v"],
    "joined": ["id", "a", "b", "m_id", "v"],
    "flagged": ["id", "a", "b"],
    "totals": ["k_id"],
}
CONDITIONS = {
    "k": ["{0}.f", "NOT {0}.f", "lower({0}.c) = 'a'", "{0}.n = 1", "{0}.n > 5", "{0}.b IS NULL"],
    "m": ["{0}.v = 0", "{0}.label = 'a'"],
    "joined": ["{0}.f", "{0}.c = 'a'"],
    "flagged": ["{0}.c = 'a'"],
}
SET_OPERATIONS = ["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]
JOINS = ["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]


class Writer:
    """Writes queries over relations that stand under t1, t2, ..."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def query(self) -> str:
        pick = self._random
        special = pick.random()
        if special < 0.05:
            return self._two_rows()
        if special < 0.1:
            return self._key()
        if special < 0.15:
            return self._left_out()
        source, relations = self._source()
        sql = f"SELECT {self._outputs(relations)} FROM {source}"
        sql += self._where(relations)
        wrap = pick.random()
        if wrap < 0.2:
            column = self._column(relations)
            return (
                sql.replace("SELECT ", f"SELECT {column} AS g, ", 1)
                .split(" FROM ")[0]
                .split(",")[0]
                + f", count(*) FROM {source}{self._where(relations)} GROUP BY {column}"
            )
        if wrap < 0.3:
            return sql.replace("SELECT", "SELECT DISTINCT", 1)
        if wrap < 0.5:
            return f"SELECT s.p FROM ({sql}) AS s WHERE s.{pick.choice('pq')} = {self._number()}"
        if wrap < 0.6:
            return (
                f"{sql} {pick.choice(['UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT'])} {self.plain()}"
            )
        if wrap < 0.65:
            return f"{sql} ORDER BY 1 LIMIT {pick.choice([1, 2])}"
        return sql

    def _two_rows(self) -> str:
        """Two relations that are often a row each, and what their join makes of them."""
        left, right = (self._random.choice(["k", "o", "m"]) for _ in range(2))
        relations = {"t1": left, "t2": right}
        sides = [
            f"(SELECT * FROM {table} WHERE {INTEGERS[table][0]} = {self._number()}) AS {name}"
            for name, table in relations.items()
        ]
        join = f" {self._random.choice(JOINS)} ".join(sides)
        on = f"{self._own(relations, 't1')} = {self._own(relations, 't2')}"
        return f"SELECT {self._outputs(relations)} FROM {join} ON {on}"

    def _left_out(self) -> str:
        """One row or none, joined to many of which the join's condition is true for some."""
        left, right = (self._random.choice(["k", "o", "m"]) for _ in range(2))
        column = self._own({"t1": left}, "t1")
        on = f"t2.{INTEGERS[right][0]} = {self._random.choice([self._number(), column])}"
        joined = f"{left} AS t1 LEFT JOIN {right} AS t2 ON {on} AND {column} = {self._number()}"
        value = self._own({"t2": right}, "t2")
        if self._random.random() < 0.5:
            return f"SELECT {value} AS p, count(*) AS q FROM {joined} GROUP BY {value}"
        return f"SELECT {column} AS p, {value} AS q FROM {joined}"

    def _key(self) -> str:
        """Something of each column of a key, though not always equality."""
        table, columns = self._random.choice(
            [("k", ["a", "b"]), ("part", ["id", "day"]), ("o", ["v"]), ("flagged", ["a", "b"])]
        )
        tests = [f"= {self._number()}", f"IS NOT DISTINCT FROM {self._number()}", "IS NULL"]
        wanted = " AND ".join(f"t1.{column} {self._random.choice(tests)}" for column in columns)
        return f"SELECT {self._outputs({'t1': table})} FROM {table} AS t1 WHERE {wanted}"

    def plain(self) -> str:
        source, relations = self._source()
        return f"SELECT {self._outputs(relations)} FROM {source}{self._where(relations)}"

    def _source(self) -> tuple[str, dict[str, str]]:
        pick = self._random
        relations = {"t1": pick.choice(list(INTEGERS))}
        source = f"{self._relation(relations['t1'])} AS t1"
        for number in range(2, pick.choice([1, 2, 2, 3]) + 1):
            name = f"t{number}"
            relations[name] = pick.choice(list(INTEGERS))
            join = pick.choice(JOINS)
            on = [f"{self._own(relations, name)} = {self._column(relations)}"]
            if pick.random() < 0.3:
                on = [f"{self._own(relations, name)} = {self._number()}"]
            on += [self._condition(relations) for _ in range(pick.choice([0, 0, 1]))]
            # FULL JOIN wants a condition that can be merged: sides in order.
            if join == "FULL JOIN":
                others = {key: table for key, table in relations.items() if key != name}
                on = [f"{self._own(relations, name)} = {self._column(others)}"]
            source = (
                f"{source} {join} {self._relation(relations[name])} AS {name} ON {' AND '.join(on)}"
            )
        return source, relations

    def _relation(self, table: str) -> str:
        if self._random.random() > 0.2:
            return table
        column = self._random.choice(INTEGERS[table])
        return f"(SELECT * FROM {table} WHERE {column} = {self._number()})"

    def _own(self, relations: dict[str, str], name: str) -> str:
        return f"{name}.{self._random.choice(INTEGERS[relations[name]])}"

    def _column(self, relations: dict[str, str]) -> str:
        return self._own(relations, self._random.choice(list(relations)))

    def _number(self) -> str:
        return self._random.choice(["0", "1", "2", "3"])

    def _outputs(self, relations: dict[str, str]) -> str:
        return f"{self._column(relations)} AS p, {self._column(relations)} AS q"

    def _where(self, relations: dict[str, str]) -> str:
        wanted = [self._condition(relations) for _ in range(self._random.choice([0, 1, 2, 2, 3]))]
        return f" WHERE {' AND '.join(wanted)}" if wanted else ""

    def _condition(self, relations: dict[str, str]) -> str:
        pick = self._random
        name = pick.choice(list(relations))
        column, other = self._own(relations, name), self._column(relations)
        shapes = [
            f"{column} = {self._number()}",
            f"{column} = {self._number()}",
            f"{column} = {other}",
            f"{column} = {other}",
            f"{column} = abs({other})",
            f"{column} = coalesce({other}, 1)",
            f"{column} IS NULL",
            f"{column} IS NOT DISTINCT FROM {self._number()}",
            f"{column} IS NOT DISTINCT FROM {other}",
            f"{column} >= {self._number()}",
            f"({column} = 1 OR {other} = 2)",
            f"{column} IN ({self._number()})",
            f"{column} = any_number() * 0 + {other}",
            f"{column} = (SELECT max(v) FROM m)",
        ]
        shapes += [text.format(name) for text in CONDITIONS.get(relations[name], [])] * 2
        return pick.choice(shapes)

    def steady(self) -> str:
        """A query that has a row whatever the data, but for what is put around it."""
        pick = self._random
        source = pick.choice(
            [
                "",
                " FROM (VALUES (1), (2)) AS t1 (x)",
                " FROM (SELECT max(v) AS x FROM m) AS t1",
                " FROM (SELECT 1 AS x UNION SELECT k_id FROM o) AS t1",
                f" FROM (SELECT x FROM bare WHERE x = {self._number()} LIMIT 1) AS t1",
                " FROM abs(1) AS t1 (x)",
            ]
        )
        if source and pick.random() < 0.6:
            on = pick.choice(["true", "false", f"t2.k_id = {self._number()}", "t2.k_id = t1.x"])
            join = pick.choice(JOINS)
            if join == "FULL JOIN":
                on = "t2.k_id = t1.x"
            source += f" {join} (SELECT * FROM o WHERE v = {self._number()}) AS t2 ON {on}"
        where = pick.choice(["", "", "", " WHERE true", " WHERE 1 > 2"])
        tail = pick.choice(["", "", " LIMIT 1", " LIMIT 0", " OFFSET 1", " OFFSET 0"])
        sql = f"SELECT {pick.choice(['1', 'count(*)'])} AS p{source}{where}{tail}"
        if pick.random() < 0.3:
            sql = f"({sql}) {pick.choice(SET_OPERATIONS)} (SELECT {self._number()}::bigint)"
        return sql

    def modification(self) -> str:
        """A statement that writes, with RETURNING."""
        pick = self._random
        chance = pick.random()
        if chance < 0.6:
            return self._insert()
        name = pick.choice(["k", "m", "o", "parent"])
        relations = {"t1": name}
        wanted = self._where(relations)
        if chance < 0.7:
            return f"DELETE FROM {name} AS t1{wanted} RETURNING 1"
        column = {"k": "n", "parent": "v", "m": "label", "o": "v"}[name]
        value = "v" if name == "o" else "NULL"
        if chance < 0.85:
            return f"UPDATE {name} AS t1 SET {column} = {value}{wanted} RETURNING 1"
        relations["t2"] = pick.choice(["k", "m", "o"])
        joined = f"{self._own(relations, 't1')} = {self._own(relations, 't2')}"
        joined = f"{joined} AND {self._condition(relations)}"
        value = "t1.v" if name == "o" else "NULL"
        return (
            f"UPDATE {name} AS t1 SET {column} = {value} FROM {relations['t2']} AS t2 "
            f"WHERE {joined} RETURNING 1"
        )

    def _insert(self) -> str:
        pick = self._random
        table, columns = pick.choice(
            [("o", "k_id"), ("o", "k_id, v"), ("refusing", "id"), ("bare", "x"), ("bare", "x, y")]
        )
        values = ", ".join(pick.choice(["1", "2", "70", "71"]) for _ in columns.split(", "))
        row = f"SELECT {values}"
        found = f"{row} FROM m WHERE id = {self._number()} AND v = {self._number()}"
        source = pick.choice([f"VALUES ({values})", row, f"{row} WHERE 1 > 2", found])
        conflict = pick.choice(["", " ON CONFLICT DO NOTHING"])
        if table == "o":
            update = " ON CONFLICT (k_id) DO UPDATE SET v = 90"
            conflict = pick.choice([conflict, update, f"{update} WHERE o.v = 77"])
        return f"INSERT INTO {table} ({columns}) {source}{conflict} RETURNING 1"
