-- Aggregates, windows, set operations and common tables.

-- aggregates of no rows: N???
SELECT count(*), sum(y), array_agg(y), bool_and(y > 1) FROM nothing;
-- aggregates of groups: NNN?
SELECT n, min(id), array_agg(x), max(x) FROM thing GROUP BY n;
-- aggregates of groups of NULL: N??
SELECT count(x), string_agg(t, ','), avg(x) FROM thing GROUP BY id;
-- a group's sample deviation: ?N
SELECT stddev_samp(n), stddev_pop(n) FROM thing GROUP BY id;
-- filter: N?
SELECT count(*) FILTER (WHERE id > 99), sum(n) FILTER (WHERE id > 99) FROM thing GROUP BY n;
-- ordered sets: NN?
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY n), mode() WITHIN GROUP (ORDER BY m),
    percentile_disc(0.5) WITHIN GROUP (ORDER BY x) FROM thing GROUP BY id;
-- ordered sets of no rows: ?N
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY y), rank(5) WITHIN GROUP (ORDER BY y)
FROM nothing;
-- having proves: NN
SELECT x, max(t) FROM thing GROUP BY x HAVING x > 0 AND max(t) IS NOT NULL;
-- where proves a group: N
SELECT x FROM thing WHERE x > 0 GROUP BY x;
-- grouped by an expression: N?
SELECT coalesce(x, 0), nullif(n, 1) FROM thing GROUP BY coalesce(x, 0), nullif(n, 1);
-- grouped by the key: NN?
SELECT id, n, x FROM thing GROUP BY id;
-- grouping sets: ??N
SELECT n, m, count(*) FROM thing GROUP BY GROUPING SETS ((n), (m));
-- a column in all sets: N?N
SELECT n, m, sum(id) FROM thing GROUP BY n, ROLLUP (m);
-- cube: ???N
SELECT n, m, sum(id), grouping(n) FROM thing WHERE id > 99 GROUP BY CUBE (n, m)
UNION ALL SELECT n, NULL, NULL, 1 FROM thing WHERE false;
-- the set of nothing: ?N
SELECT sum(y), count(*) FROM nothing GROUP BY ();
-- having proves one set's column: N?
SELECT n, m FROM thing GROUP BY GROUPING SETS ((n), (n, m)) HAVING n > 0;
-- windows: NNNN
SELECT rank() OVER w, ntile(2) OVER w, count(x) OVER w, first_value(n) OVER w FROM thing
WINDOW w AS (ORDER BY id);
-- windows look around: ??N?
SELECT lag(n) OVER w, lead(n, 2) OVER w, lag(n, 1, 0) OVER w, nth_value(n, 2) OVER w FROM thing
WINDOW w AS (ORDER BY id);
-- windows of NULL: ??
SELECT sum(x) OVER (ORDER BY id), first_value(x) OVER (ORDER BY id) FROM thing;
-- frames without the row itself: ???
SELECT sum(n) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING),
    last_value(n) OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING),
    max(n) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND CURRENT ROW EXCLUDE CURRENT ROW)
FROM thing;
-- frames with the row itself: NNN
SELECT sum(n) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW),
    avg(n) OVER (ORDER BY id RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING),
    max(n) OVER (ORDER BY at RANGE BETWEEN interval '1 hour' PRECEDING AND CURRENT ROW)
FROM thing WHERE isfinite(at) OR true;
-- frames that go backwards: ?
SELECT max(y) OVER (ORDER BY day RANGE BETWEEN interval '1 month -30 days' PRECEDING AND CURRENT ROW)
FROM (VALUES (1, timestamp '2023-03-01')) AS v(y, day);
-- windows over filters: ?
SELECT sum(n) FILTER (WHERE id > 99) OVER () FROM thing;
-- union: N?
SELECT id, y FROM other UNION SELECT id, NULL FROM thing;
-- union all of three: N?N
SELECT id, x, y FROM other UNION ALL (SELECT id, n, n FROM thing UNION SELECT 1, 2, 3);
-- intersect: N
SELECT x FROM thing INTERSECT SELECT y + 4 FROM other
UNION ALL SELECT 1 ORDER BY 1;
-- except: ?
SELECT x FROM thing EXCEPT SELECT y FROM other;
-- a nested set operation as a value: N
SELECT (SELECT 1 UNION ALL SELECT y FROM nothing);
-- recursion that stays: N
WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 5) SELECT i FROM r;
-- recursion that goes wrong in the second round: N??
WITH RECURSIVE r AS (
    SELECT 1 AS i, 1 AS a, 1 AS b
    UNION ALL SELECT i + 1, b, nullif(i, i) FROM r WHERE i < 5
) SELECT i, a, b FROM r;
-- recursion from a set operation: N?
WITH RECURSIVE r AS (
    (SELECT 1 AS i, 2 AS j UNION SELECT 2, NULL) UNION ALL SELECT i + 1, j FROM r WHERE i < 3
) SELECT i, j FROM r;
-- recursion over a table: N?
WITH RECURSIVE up AS (
    SELECT child, parent FROM edge WHERE child = 3
    UNION ALL SELECT e.child, e.parent FROM up JOIN edge e ON e.child = up.parent
) SELECT child, parent FROM up;
-- materialized: N?
WITH c AS MATERIALIZED (SELECT n, x FROM thing) SELECT n, x FROM c;
-- a common table of a common table: N?
WITH a AS (SELECT n, x FROM thing), b AS (SELECT n + 1 AS n, x FROM a) SELECT n, x FROM b;
-- distinct on: N?
SELECT DISTINCT ON (n) n, x FROM thing ORDER BY n, id;
-- limited: N
SELECT y FROM other ORDER BY y LIMIT $1;
-- args: (1,)
