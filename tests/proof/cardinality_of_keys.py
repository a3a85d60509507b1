"""Cases of `cardinality_case`: unique keys and joins."""

from tests.proof.cardinality_case import cautious, many, one

KEYS = {
    "key": one("SELECT c FROM k WHERE id = $1"),
    "key, turned": one("SELECT c FROM k WHERE $1 = id"),
    "key, inequality": many("SELECT c FROM k WHERE id >= $1"),
    "key, OR": many("SELECT c FROM k WHERE id = $1 OR a = $2"),
    "key, NOT": many("SELECT c FROM k WHERE NOT id = $1"),
    "key, itself": many("SELECT c FROM k WHERE k.id = k.id"),
    "key, ANY": many("SELECT c FROM k WHERE id = ANY($1)", bounded=True),
    "key, ANY of a column": cautious("SELECT c FROM k WHERE id = ANY(ARRAY[k.id])"),
    "key, ALL": many("SELECT c FROM k WHERE id <> ALL($1)"),
    "key, IN of one": one("SELECT c FROM k WHERE id IN ($1)"),
    "key, IN of two": many("SELECT c FROM k WHERE id IN ($1, 3)", bounded=True),
    "key, expression of parameters": one("SELECT c FROM k WHERE id = $1::int + abs($2::int)"),
    "key, stable": one("SELECT c FROM k WHERE id = extract(day FROM now())::int"),
    "key, volatile": many("SELECT c FROM k WHERE id = id * 0 + any_number() * 0 + id"),
    "key, volatile alone": cautious("SELECT c FROM k WHERE id = any_number()"),
    "key, own column": many("SELECT c FROM k WHERE id = id + $1 * 0"),
    "key of bigint, integer": one("SELECT v FROM m WHERE id = $1::int"),
    "key, cast of the column": cautious("SELECT c FROM k WHERE id::text = $1"),
    "key, cast that loses": many("SELECT v FROM m WHERE (id / 10)::int = $1"),
    "key, subquery": one("SELECT c FROM k WHERE id = (SELECT max(m.k_id) FROM m)"),
    "key, subquery with LIMIT": one("SELECT c FROM k WHERE id = (SELECT m.k_id FROM m LIMIT 1)"),
    "key, correlated": many(
        "SELECT c FROM k WHERE id = (SELECT min(o.k_id) FROM o WHERE o.k_id = k.id)"
    ),
    "key, IN subquery": many("SELECT c FROM k WHERE id IN (SELECT m.k_id FROM m)"),
    "key, IN subquery with LIMIT": many(
        "SELECT c FROM k WHERE id IN (SELECT o.k_id FROM o LIMIT 3)", bounded=True
    ),
    "key, other conditions": one(
        "SELECT c FROM k WHERE id = $1 AND EXISTS (SELECT FROM m WHERE m.k_id = k.id)"
    ),
    "two columns": one("SELECT c FROM k WHERE a = $1 AND b = $2"),
    "two columns, row": one("SELECT c FROM k WHERE (a, b) = ($1, $2)"),
    "two columns, row turned": one("SELECT c FROM k WHERE ($1::int, $2::int) = (b, a)"),
    "two columns, row <": many("SELECT c FROM k WHERE (a, b) > ($1, $2)"),
    "two columns, one missing": many("SELECT c FROM k WHERE a = $1"),
    "two columns, of one another": one("SELECT c FROM k WHERE a = $1 AND b = a"),
    "two columns, in a circle": many("SELECT c FROM k WHERE a = b AND b = a"),
    "two columns, IS NULL": many("SELECT c FROM k WHERE a = $1 AND b IS NULL"),
    "two columns, NOT DISTINCT": many("SELECT c FROM k WHERE a = 1 AND b IS NOT DISTINCT FROM $1"),
    "key, NOT DISTINCT": one("SELECT c FROM k WHERE id IS NOT DISTINCT FROM $1"),
    "key, DISTINCT": many("SELECT c FROM k WHERE id IS DISTINCT FROM $1"),
    "NULLS NOT DISTINCT": one("SELECT k_id FROM o WHERE v IS NOT DISTINCT FROM $1"),
    "NULLS NOT DISTINCT, IS NULL": one("SELECT k_id FROM o WHERE v IS NULL"),
    "physical place": one("SELECT c FROM k WHERE ctid = $1"),
    "physical place with children": many("SELECT v FROM parent WHERE ctid = '(0,1)'"),
    "no key": many("SELECT y FROM bare WHERE x = $1"),
    "false": one("SELECT c FROM k WHERE FALSE"),
    "expression of a partial index": one("SELECT id FROM k WHERE lower(c) = $1 AND f"),
    "expression, = TRUE": one("SELECT id FROM k WHERE $1 = lower(c) AND f = TRUE"),
    "expression, IS TRUE": one("SELECT id FROM k WHERE lower(c) = lower($1) AND f IS TRUE"),
    "expression, NOT f": many("SELECT id FROM k WHERE lower(c) = $1 AND NOT f"),
    "expression, IS NOT FALSE": cautious("SELECT id FROM k WHERE lower(c) = $1 AND f IS NOT FALSE"),
    "expression without the predicate": many("SELECT id FROM k WHERE lower(c) = $1"),
    "expression, another": many("SELECT id FROM k WHERE upper(c) = $1 AND NOT f"),
    "predicate proven by equality": cautious("SELECT id FROM k WHERE f AND n = 7"),
    "predicate stated": one("SELECT id FROM k WHERE f AND n = $1 AND n > 5"),
    "predicate, other constant": many("SELECT id FROM k WHERE f AND n = $1 AND n > 0"),
    "predicate of a constant": one("SELECT id FROM m WHERE k_id = $1 AND v = 0"),
    "predicate of a parameter": many("SELECT id FROM m WHERE k_id = $1 AND v = $2"),
    "collation, deterministic": one('SELECT p FROM loud WHERE c = $1 COLLATE "C"'),
    "pattern class": one("SELECT c FROM loud WHERE p = $1"),
    "own equality": one("SELECT y FROM digit WHERE x === $1"),
    "own equality, another's index": many("SELECT c FROM k WHERE id === $1"),
    "own index, another's equality": cautious("SELECT y FROM digit WHERE x = $1"),
    "own equality, carried on": many("SELECT k.id FROM digit, k WHERE x === $1 AND k.id === x"),
    "own equality, from one to the other": many(
        "SELECT k.id FROM o, k WHERE o.k_id === $1 AND k.id = o.k_id"
    ),
    "operator of another family": cautious("SELECT id FROM m WHERE id::numeric = $1"),
    "time with a zone": one("SELECT day FROM clock WHERE instant = now()"),
    "time of a day": one("SELECT day FROM clock WHERE at = date '2011-12-30'"),
    "time equal to an instant": many(
        "SELECT day FROM clock WHERE at = timestamptz '2011-03-13 07:30Z'",
        before="SET LOCAL TimeZone = 'America/New_York';"
        "UPDATE clock SET at = at - interval '292 days'",
    ),
    "day equal to an instant": many(
        "SELECT day FROM clock WHERE day = timestamptz '2011-12-30 10:00Z'",
        before="SET LOCAL TimeZone = 'Pacific/Apia'",
    ),
    "pattern": many("SELECT c FROM loud WHERE c LIKE $1 || '%'"),
    "deferrable": many("SELECT x FROM late WHERE x = $1", before="INSERT INTO late VALUES (1)"),
    "inheritance": many("SELECT v FROM parent WHERE id = $1"),
    "inheritance, ONLY": one("SELECT v FROM ONLY parent WHERE id = $1"),
    "partitions": one("SELECT v FROM part WHERE id = $1 AND day = $2"),
    "partitions, one column": many("SELECT v FROM part WHERE id = $1"),
    "WITHOUT OVERLAPS": many("SELECT at FROM span WHERE x = '[0,1)'"),
    "TABLESAMPLE": one("SELECT c FROM k TABLESAMPLE system (100) WHERE id = $1"),
}

JOINS = {
    "through a foreign key": one("SELECT k.c FROM m JOIN k ON k.id = m.k_id WHERE m.id = $1"),
    "through two": one(
        "SELECT o.v FROM m, k, o WHERE k.id = m.k_id AND o.k_id = k.id AND m.id = $1"
    ),
    "USING": one(
        "SELECT v FROM o JOIN (SELECT k.id AS k_id FROM k) AS x USING (k_id) WHERE k_id=$1"
    ),
    "other side": many("SELECT m.id FROM m JOIN k ON k.id = m.k_id WHERE k.id = $1"),
    "cross": many("SELECT k.id FROM k, m WHERE k.id = $1"),
    "equality carried on": one("SELECT k.c FROM k, o WHERE o.k_id = k.id AND k.id = $1"),
    "equality carried through no key": one(
        "SELECT k.c FROM k, bare WHERE k.id = bare.x AND bare.x = $1 LIMIT 1"
    ),
    "duplicates of no key": many("SELECT k.c FROM k, bare WHERE k.id = bare.x AND bare.x = $1"),
    "expression of a fixed row": one(
        "SELECT k.c FROM m, k WHERE m.id = $1 AND k.id = coalesce(m.v, 0) + 1"
    ),
    "expression of an equal value": many(
        "SELECT x.id FROM k AS x, k AS y "
        "WHERE x.n = 1 AND y.id = length(x.n::text) AND x.id % 7 IN (1, 2, 3)"
    ),
    "LEFT, inner by its ON": one("SELECT o.v FROM k LEFT JOIN o ON o.k_id = k.id WHERE k.id = $1"),
    "LEFT, inner of many": many("SELECT m.v FROM k LEFT JOIN m ON m.k_id = k.id WHERE k.id = $1"),
    "LEFT, ON fixes only the inner": many("SELECT k.id FROM k LEFT JOIN o ON o.k_id = $1"),
    "LEFT, ON mentions the outer": many(
        "SELECT k.id FROM k LEFT JOIN o ON o.k_id = k.id AND k.id = $1"
    ),
    "LEFT, made inner": one("SELECT k.id FROM k LEFT JOIN o ON o.k_id = k.id WHERE o.k_id = $1"),
    "LEFT, made inner, of many": many(
        "SELECT m.id FROM m LEFT JOIN o ON o.k_id = m.k_id WHERE o.k_id = $1"
    ),
    "LEFT, not made inner": many(
        "SELECT k.id FROM k LEFT JOIN o ON o.k_id = k.id WHERE coalesce(o.k_id, 1) = 1 OR k.a = 1"
    ),
    "LEFT, IS NULL": many("SELECT k.id FROM k LEFT JOIN m ON m.k_id = k.id WHERE m.id IS NULL"),
    "LEFT, nulled expression": many(
        "SELECT k.id FROM bare LEFT JOIN o ON o.k_id = 2 AND bare.x = 1 "
        "JOIN k ON k.id = coalesce(o.v, 3)"
    ),
    "LEFT, chain": one(
        "SELECT y.v FROM k LEFT JOIN o AS x ON x.k_id = k.id LEFT JOIN o AS y ON y.k_id = x.v "
        "WHERE k.id = $1"
    ),
    "LEFT, nested": one(
        "SELECT o.v FROM k LEFT JOIN (m JOIN o ON o.k_id = m.k_id) ON m.id = k.id WHERE k.id = $1"
    ),
    "RIGHT": one("SELECT o.v FROM o RIGHT JOIN k ON o.k_id = k.id WHERE k.id = $1"),
    "RIGHT, wrong side": many("SELECT o.v FROM o RIGHT JOIN k ON o.k_id = $1"),
    "FULL": many(
        "SELECT x.id FROM (SELECT * FROM k WHERE id = 1) AS x FULL JOIN "
        "(SELECT * FROM o WHERE k_id = 2) AS y ON x.id = y.k_id",
        bounded=True,
    ),
    "FULL, made LEFT": one("SELECT o.v FROM k FULL JOIN o ON o.k_id = k.id WHERE k.id = $1"),
    "FULL, made inner": one(
        "SELECT 1 FROM k FULL JOIN o ON o.k_id = k.id WHERE k.id = o.v AND o.k_id = $1"
    ),
    "semi-join": one("SELECT c FROM k WHERE id = $1 AND id IN (SELECT m.k_id FROM m)"),
    "LATERAL LIMIT": one(
        "SELECT x.id FROM k, LATERAL (SELECT m.id FROM m WHERE m.k_id = k.id LIMIT 1) AS x "
        "WHERE k.id = $1"
    ),
    "LATERAL LIMIT of many": many(
        "SELECT x.id FROM k, LATERAL (SELECT m.id FROM m WHERE m.k_id = k.id LIMIT 1) AS x"
    ),
    "LATERAL made key of others": many(
        "SELECT k.id FROM bare, LATERAL (SELECT bare.x AS id LIMIT 1) AS x, k WHERE k.id = x.id"
    ),
    "locking subquery as a source": cautious(
        "SELECT k.id FROM k, (SELECT m.k_id FROM m LIMIT 1 FOR UPDATE SKIP LOCKED) AS x "
        "WHERE k.id = x.k_id"
    ),
    "locking CTE as a source": one(
        "WITH x AS (SELECT m.k_id FROM m LIMIT 1 FOR UPDATE SKIP LOCKED) "
        "SELECT k.id FROM k, x WHERE k.id = x.k_id"
    ),
    "volatile subquery as a source": many(
        "SELECT k.id FROM bare, LATERAL (SELECT any_number() * 0 + bare.x AS id) AS x, k "
        "WHERE k.id = x.id"
    ),
}
