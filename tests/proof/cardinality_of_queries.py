"""Cases of `cardinality_case`: what stands around the joins, and statements that write."""

from tests.proof.cardinality_case import cautious, many, one, upto

SELECTS = {
    "nothing": one("SELECT 1", least=1),
    "nothing, WHERE": one("SELECT 1 WHERE $1::int = 1"),
    "LIMIT 1": one("SELECT c FROM k LIMIT 1"),
    "FETCH FIRST": one("SELECT c FROM k ORDER BY a FETCH FIRST ROW ONLY"),
    "WITH TIES": many("SELECT c FROM k ORDER BY a FETCH FIRST 1 ROW WITH TIES"),
    "LIMIT 2": upto(2, "SELECT c FROM k LIMIT 2"),
    "LIMIT parameter": many("SELECT c FROM k LIMIT $1", bounded=True),
    "LIMIT parameter of another type": many("SELECT c FROM k LIMIT $1::int", bounded=True),
    "LIMIT sum": many("SELECT c FROM k LIMIT $1::int + 1", bounded=True),
    "LIMIT least": many("SELECT c FROM k LIMIT least($1, 100)", bounded=True),
    "LIMIT least of data": many("SELECT c FROM k LIMIT least($1, (SELECT max(m.id) FROM m))"),
    "LIMIT least of data and a constant": many(
        "SELECT c FROM k LIMIT least(7, (SELECT max(m.id) FROM m))", bounded=True
    ),
    "LIMIT greatest of data": many("SELECT c FROM k LIMIT greatest($1, (SELECT max(m.id) FROM m))"),
    "LIMIT less least of data": many(
        "SELECT c FROM k LIMIT 9 - least($1, (SELECT -max(m.id) FROM m))"
    ),
    "LIMIT coalesce": many("SELECT c FROM k LIMIT coalesce($1, 100)", bounded=True),
    "LIMIT coalesce of data": many("SELECT c FROM k LIMIT coalesce($1, (SELECT max(m.id) FROM m))"),
    "LIMIT coalesce of nothing": many("SELECT c FROM k LIMIT coalesce($1, nullif($1, 0))"),
    "LIMIT CASE": many("SELECT c FROM k LIMIT CASE WHEN $1 THEN 2 ELSE 3 END", bounded=True),
    "LIMIT CASE without ELSE": many("SELECT c FROM k LIMIT CASE WHEN $1 THEN 2::bigint END"),
    "LIMIT CASE with NULL": many("SELECT c FROM k LIMIT CASE WHEN $1 THEN 2 ELSE NULL END"),
    "LIMIT NULLIF": many("SELECT c FROM k LIMIT nullif($1, 0)"),
    "LIMIT subquery": many("SELECT c FROM k LIMIT (SELECT max(m.id) FROM m)"),
    "LIMIT parameter that may be NULL": many(
        "SELECT c FROM k WHERE ($1::bigint IS NOT NULL) IS NOT NULL LIMIT $1"
    ),
    "LIMIT sum that may be NULL": many(
        "SELECT c FROM k WHERE ($1::bigint IS NULL) IS NOT NULL LIMIT $1 + 1"
    ),
    "LIMIT coalesce of what may be NULL": many(
        "SELECT c FROM k WHERE ($1::bigint IS NULL) IS NOT NULL LIMIT coalesce($1, 2)",
        bounded=True,
    ),
    "LIMIT of a function of anybody": many("SELECT c FROM k LIMIT any_number() + 2"),
    "LIMIT ALL": many("SELECT c FROM k LIMIT ALL"),
    "LIMIT NULL": many("SELECT c FROM k LIMIT NULL::bigint"),
    "OFFSET": many("SELECT c FROM k OFFSET 1"),
    "OFFSET of nothing": one("SELECT 1 OFFSET 0", least=1),
    "OFFSET parameter": one("SELECT count(*) FROM k OFFSET $1"),
    "FOR UPDATE": one("SELECT c FROM k WHERE id = $1 FOR UPDATE SKIP LOCKED"),
    "FOR UPDATE LIMIT": one("SELECT c FROM k LIMIT 1 FOR UPDATE SKIP LOCKED"),
    "aggregate": one("SELECT max(id) FROM k", least=1),
    "aggregate, HAVING": one("SELECT max(id) FROM k HAVING count(*) > 100"),
    "HAVING alone": one("SELECT 1 FROM k HAVING TRUE"),
    "aggregate, LIMIT 0": one("SELECT max(id) FROM k LIMIT 0"),
    "aggregate, FILTER": one("SELECT count(*) FILTER (WHERE f) FROM k WHERE a = $1", least=1),
    "window": many("SELECT max(id) OVER () FROM k"),
    "window by key": one("SELECT row_number() OVER () FROM k WHERE id = $1"),
    "GROUP BY": many("SELECT a, count(*) FROM k GROUP BY a"),
    "GROUP BY nothing": one("SELECT count(*) FROM k GROUP BY ()", least=1),
    "GROUP BY fixed": one("SELECT a, count(*) FROM k WHERE a = $1 GROUP BY a"),
    "GROUP BY fixed, IS NULL": one("SELECT a, count(*) FROM k WHERE a IS NULL GROUP BY a"),
    "GROUP BY fixed numeric": one("SELECT n FROM k WHERE n = 1 GROUP BY n"),
    "GROUP BY text of fixed": many("SELECT n::text FROM k WHERE n = 1 GROUP BY n::text"),
    "GROUP BY a constant": one("SELECT 1, count(*) FROM k GROUP BY 1 + $1::int"),
    "GROUP BY volatile": cautious("SELECT count(*) FROM k GROUP BY any_number()"),
    "GROUP BY with key": one("SELECT a, b FROM k WHERE id = $1 GROUP BY a, b"),
    "GROUP BY of two": many("SELECT a, b, count(*) FROM k WHERE a = $1 GROUP BY a, b"),
    "GROUP BY few": many("SELECT a FROM k WHERE a = ANY($1) GROUP BY a", bounded=True),
    "GROUP BY nulled": many(
        "SELECT o.v FROM bare LEFT JOIN o ON o.k_id = 2 AND bare.x = 1 GROUP BY o.v"
    ),
    "GROUP BY by another equality": many("SELECT a FROM k WHERE id === $1 GROUP BY id, a"),
    "grouping sets": many("SELECT a FROM k WHERE a = $1 GROUP BY GROUPING SETS ((a), ())"),
    "ROLLUP by key": many("SELECT id FROM k WHERE id = $1 GROUP BY ROLLUP (id)", bounded=True),
    "DISTINCT fixed": one("SELECT DISTINCT a FROM k WHERE a = $1"),
    "DISTINCT": many("SELECT DISTINCT a, b FROM k WHERE a = $1"),
    "DISTINCT ON fixed": one("SELECT DISTINCT ON (a) a, id FROM k WHERE a = $1 ORDER BY a, id"),
    "DISTINCT ON": many("SELECT DISTINCT ON (b) a, id FROM k WHERE a = $1 ORDER BY b"),
    "DISTINCT of equal numerics": one("SELECT DISTINCT n FROM k WHERE n = 1.0"),
    "DISTINCT of their texts": many("SELECT DISTINCT n::text FROM k WHERE n = 1.0"),
    "function in the select list": many(
        "SELECT generate_series(1, 2) FROM k WHERE id = $1", bounded=True
    ),
    "own function in the select list": many("SELECT many_numbers()"),
    "unnest in the select list": many("SELECT unnest($1::int[])", bounded=True),
    "function in the select list, LIMIT": one("SELECT generate_series(1, 2) FROM k LIMIT 1"),
    "function in FROM": one("SELECT abs FROM abs($1::int)", least=1),
    "functions in FROM": many("SELECT x FROM generate_series(1, $1) AS x", bounded=True),
    "unnest in FROM": many("SELECT x FROM unnest($1::int[]) AS x", bounded=True),
    "own function in FROM": many("SELECT x FROM many_numbers() AS x"),
    "unnest joined by key": many(
        "SELECT k.c FROM unnest($1::int[]) AS x JOIN k ON k.id = x", bounded=True
    ),
    "unnest joined by no key": many("SELECT m.v FROM unnest($1::int[]) AS x JOIN m ON m.k_id = x"),
    "VALUES": one("VALUES ($1::int)", least=1),
    "VALUES of two": upto(2, "VALUES (1), (2)", least=1),
    "VALUES joined": cautious(
        "SELECT k.c FROM (VALUES (1), (2)) AS x (id) JOIN k USING (id)", bounded=True
    ),
    "VALUES joined LEFT": cautious(
        "SELECT k.c FROM (VALUES (1), (2)) AS x (id) LEFT JOIN k USING (id)", bounded=True, least=1
    ),
    "VALUES with VALUES": upto(6, "SELECT 1 FROM (VALUES (1), (2)), (VALUES (1), (2), (3))", 1),
    "subquery": one("SELECT x.a FROM (SELECT * FROM k) AS x WHERE x.id = $1"),
    "subquery, expression": one(
        "SELECT x.l FROM (SELECT lower(c) AS l FROM k WHERE f) AS x WHERE x.l = $1"
    ),
    "subquery, predicate from outside": cautious(
        "SELECT x.f FROM (SELECT lower(c) AS l, f FROM k) AS x WHERE x.l = $1 AND x.f"
    ),
    "subquery, volatile output": many(
        "SELECT x.id FROM (SELECT id, any_number() * 0 + id AS r FROM k) AS x WHERE x.r > $1"
    ),
    "subquery, DISTINCT": one("SELECT x.a FROM (SELECT DISTINCT a FROM k) AS x WHERE x.a = $1"),
    "subquery, DISTINCT ON": many(
        "SELECT x.a FROM (SELECT DISTINCT ON (a, b) a, id FROM k) AS x WHERE x.a = $1"
    ),
    "subquery, aggregate": one("SELECT x.n FROM (SELECT count(*) AS n FROM k) AS x", least=1),
    "subquery, groups": one("SELECT t.of FROM totals AS t WHERE t.k_id = $1"),
    "subquery, groups by their count": many("SELECT t.k_id FROM totals AS t WHERE t.of > $1"),
    "subquery, LIMIT": many(
        "SELECT k.c FROM (SELECT k_id FROM m LIMIT $1) AS x JOIN k ON k.id = x.k_id",
        bounded=True,
    ),
    "view": many("SELECT j.c FROM joined AS j WHERE j.id = $1"),
    "view, both keys": one("SELECT j.c FROM joined AS j WHERE j.m_id = $1"),
    "view, partial": one("SELECT v.id FROM flagged AS v WHERE v.c = $1"),
    "view, two columns": one("SELECT v.id FROM flagged AS v WHERE v.a = $1 AND v.b = $2"),
    "view, one column": many("SELECT v.id FROM flagged AS v WHERE v.a = $1"),
    "view, UNION ALL": upto(2, "SELECT v.source FROM both_ids AS v WHERE v.id = $1"),
    "CTE": one("WITH x AS (SELECT * FROM k) SELECT x.a FROM x WHERE x.id = $1"),
    "CTE, twice": one(
        "WITH x AS (SELECT * FROM k) SELECT y.a FROM x JOIN x AS y ON y.id = x.a WHERE x.id = $1"
    ),
    "CTE, within": one(
        "WITH x AS (SELECT max(id) AS id FROM k) SELECT * FROM k WHERE id = (SELECT id FROM x)"
    ),
    "CTE, LIMIT": many(
        "WITH x AS (SELECT id FROM k LIMIT $1) SELECT k.c FROM x JOIN k USING (id)", bounded=True
    ),
    "CTE, recursive": many(
        "WITH RECURSIVE x AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM x WHERE i < 3) TABLE x"
    ),
    "CTE, recursive, aggregate": one(
        "WITH RECURSIVE x AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM x WHERE i < 3) "
        "SELECT count(*) FROM x",
        least=1,
    ),
    "UNION ALL": upto(2, "SELECT 1 UNION ALL SELECT 1", least=1),
    "UNION ALL, LIMIT": one("SELECT 1 UNION ALL SELECT 2 LIMIT 1", least=1),
    "UNION": upto(2, "SELECT a FROM k WHERE id = $1 UNION SELECT 7", least=1),
    "UNION, fixed": one(
        "SELECT x.a FROM (SELECT a FROM k UNION SELECT v FROM m) AS x WHERE x.a = $1"
    ),
    "UNION, one column fixed": many(
        "SELECT x.a FROM (SELECT a, b FROM k UNION SELECT v, k_id FROM m) AS x WHERE x.a = $1"
    ),
    "INTERSECT": one("SELECT id FROM k INTERSECT SELECT max(k_id) FROM m"),
    "INTERSECT of many": many("SELECT a FROM k INTERSECT SELECT v FROM m"),
    "EXCEPT": one("SELECT a FROM k WHERE id = $1 EXCEPT SELECT v FROM m"),
    "EXCEPT, right fixed": many("SELECT a FROM k EXCEPT SELECT v FROM m WHERE id = $1"),
}

WRITES = {
    "INSERT": one("INSERT INTO bare VALUES ($1, 1) RETURNING x", least=1),
    "INSERT DEFAULT VALUES": one("INSERT INTO bare DEFAULT VALUES RETURNING x", least=1),
    "INSERT of two": upto(2, "INSERT INTO bare VALUES ($1, 1), (2, 2) RETURNING x", least=1),
    "INSERT of a set": many("INSERT INTO bare (x) VALUES (many_numbers()) RETURNING x"),
    "INSERT SELECT": many("INSERT INTO bare SELECT id, a FROM k RETURNING x"),
    "INSERT SELECT by key": one("INSERT INTO bare SELECT id, a FROM k WHERE id = $1 RETURNING x"),
    "INSERT unnest": many(
        "INSERT INTO bare (x) SELECT unnest($1::int[]) RETURNING x", bounded=True
    ),
    "INSERT, DO NOTHING": one("INSERT INTO o VALUES ($1) ON CONFLICT DO NOTHING RETURNING v"),
    "INSERT, DO UPDATE": one(
        "INSERT INTO o VALUES ($1, 90) ON CONFLICT (k_id) DO UPDATE SET v = 91 RETURNING v",
        least=1,
    ),
    "INSERT, DO UPDATE WHERE": one(
        "INSERT INTO o VALUES ($1, 90) ON CONFLICT (k_id) DO UPDATE SET v = 91 "
        "WHERE o.v = 7 RETURNING v"
    ),
    "INSERT, refused by a trigger": one("INSERT INTO refusing VALUES ($1) RETURNING id"),
    "INSERT, with a rule": cautious("INSERT INTO ruled VALUES ($1) RETURNING id"),
    "UPDATE": one("UPDATE k SET f = FALSE WHERE id = $1 RETURNING a"),
    "UPDATE of many": many("UPDATE m SET v = 7 WHERE k_id = $1 RETURNING id"),
    "UPDATE, joined": one(
        "UPDATE k SET f = FALSE FROM m WHERE m.k_id = k.id AND k.id = $1 RETURNING m.id"
    ),
    "UPDATE, joined to one": many(
        "UPDATE m SET v = 7 FROM k WHERE m.k_id = k.id AND k.id = $1 RETURNING m.id"
    ),
    "UPDATE, inheritance": many("UPDATE parent SET v = 7 WHERE id = $1 RETURNING v"),
    "UPDATE, view": one("UPDATE flagged SET a = 77 WHERE id = $1 RETURNING a"),
    "UPDATE of the first": one(
        "UPDATE m SET v = 7 WHERE id = (SELECT id FROM m ORDER BY id LIMIT 1 "
        "FOR UPDATE SKIP LOCKED) RETURNING id"
    ),
    "UPDATE of the first, IN": cautious(
        "UPDATE m SET v = 7 WHERE id IN (SELECT id FROM m ORDER BY id LIMIT 1 "
        "FOR UPDATE SKIP LOCKED) RETURNING id"
    ),
    "UPDATE without RETURNING": one("UPDATE k SET f = FALSE WHERE id = $1"),
    "DELETE": one("DELETE FROM k WHERE id = $1 RETURNING a"),
    "DELETE of many": many("DELETE FROM m WHERE k_id = $1 RETURNING id"),
    "DELETE USING": one("DELETE FROM k USING m WHERE k.id = m.id AND m.id = $1 RETURNING k.id"),
    "MERGE": one(
        "MERGE INTO o USING (VALUES ($1::int)) AS s (i) ON o.k_id = s.i "
        "WHEN MATCHED THEN UPDATE SET v = 80 "
        "WHEN NOT MATCHED THEN INSERT VALUES (s.i, 81) RETURNING o.v"
    ),
    "MERGE of many": many(
        "MERGE INTO o USING m ON o.k_id = m.id "
        "WHEN MATCHED THEN UPDATE SET v = o.k_id + 100 RETURNING o.v"
    ),
    "MERGE, many matches": many(
        "MERGE INTO m USING (VALUES ($1::int)) AS s (i) ON m.k_id = s.i "
        "WHEN MATCHED THEN UPDATE SET v = 80 RETURNING m.v"
    ),
    "MERGE, target by key": one(
        "MERGE INTO o USING m ON o.k_id = $1 AND m.id = $1 "
        "WHEN MATCHED THEN UPDATE SET v = 80 RETURNING o.v"
    ),
    "MERGE, many added": many(
        "MERGE INTO o USING (SELECT id + 1000 AS id FROM m) AS s ON o.k_id = $1 AND s.id = 1000 "
        "WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.id::int) RETURNING o.v"
    ),
    "MERGE, by source": many(
        "MERGE INTO o USING (VALUES ($1::int)) AS s (i) ON o.k_id = s.i "
        "WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING o.k_id"
    ),
    "CTE that updates": one(
        "WITH x AS (UPDATE k SET f = FALSE WHERE id = $1 RETURNING id) SELECT id FROM x"
    ),
    "CTE that updates many": many(
        "WITH x AS (UPDATE m SET v = 7 WHERE k_id = $1 RETURNING id) SELECT id FROM x"
    ),
    "CTE that inserts": one(
        "WITH x AS (INSERT INTO bare VALUES ($1, 1) RETURNING x) SELECT x FROM x", least=1
    ),
    "CTE that claims": many(
        "WITH x AS (SELECT id FROM m ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) "
        "UPDATE m SET v = 7 FROM x WHERE m.id = x.id RETURNING m.id",
        bounded=True,
    ),
}
