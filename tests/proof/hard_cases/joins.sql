-- Joins, what proves a column in them, and what does not.

-- right join: ?N
SELECT t.n, o.y FROM thing t RIGHT JOIN other o ON o.id = t.id;
-- full join: ??
SELECT t.n, o.y FROM thing t FULL JOIN other o ON o.id = t.id;
-- natural full join: N??
SELECT id, t.n, o.y FROM thing t NATURAL FULL JOIN (SELECT id, y FROM other) o;
-- full join using a nullable column: ?
SELECT x FROM thing FULL JOIN other USING (x);
-- full join of joins merges: N?
SELECT id, y FROM thing FULL JOIN other USING (id, x) WHERE id IS NOT NULL;
-- full join under a left join: N??
SELECT w.id, f.id fid, f.n FROM wallet w
LEFT JOIN (SELECT id, t.n FROM thing t FULL JOIN other o USING (id)) f ON f.id = w.id + 5;
-- using with a cast: N
SELECT id FROM wallet JOIN thing USING (id);
-- full join using with a cast: N
SELECT id FROM wallet FULL JOIN thing USING (id);
-- one proven column proves its row: NN?
SELECT o.id, o.y, o.u FROM thing t LEFT JOIN other o ON o.id = t.id WHERE o.y > 0;
-- a column proven in ON of an inner join: NN
SELECT t.x, o.x FROM thing t JOIN other o ON o.x = t.x;
-- ON of a left join proves nothing on its left: N?
SELECT t.n, t.x FROM thing t LEFT JOIN other o ON o.x = t.x;
-- ON of a left join proves its right where it found a row: N??
SELECT t.n, o.x, o.y FROM thing t LEFT JOIN other o ON o.x = t.x;
-- a left join that finds proves its ON: NN
SELECT t.x, o.x FROM thing t LEFT JOIN other o ON o.x = t.x WHERE o.id IS NOT NULL;
-- inner join below a left join: N??
SELECT w.id, t.x, o.x FROM wallet w LEFT JOIN (thing t JOIN other o ON o.x = t.x) ON t.id = w.id;
-- left joins in a chain: N??
SELECT t.id, o.y, e.child FROM thing t
LEFT JOIN other o ON o.id = t.id LEFT JOIN edge e ON e.child = o.y;
-- the last of a chain proves all: NNN
SELECT t.id, o.y, e.child FROM thing t
LEFT JOIN other o ON o.id = t.id LEFT JOIN edge e ON e.child = o.y WHERE e.child > 0;
-- the first of a chain proves nothing of the last: NN?
SELECT t.id, o.y, e.parent FROM thing t
LEFT JOIN other o ON o.id = t.id LEFT JOIN edge e ON e.child = o.y WHERE o.y > 0;
-- or proves what both arms do: N?
SELECT o.x, o.u FROM other o WHERE o.x = 5 OR o.x = 9 AND o.u = 'p';
-- or proves the row if not the column: N?
SELECT o.y, o.u FROM thing t LEFT JOIN other o ON o.id = t.id WHERE o.id = 2 OR o.u = 'o';
-- or of different columns proves neither: ??
SELECT t.x, t.t FROM thing t WHERE t.x = 5 OR t.t IS NULL OR t.n = 1;
-- not: N
SELECT t.x FROM thing t WHERE NOT (t.x > 6);
-- not of or: NN
SELECT t.x, t.t FROM thing t WHERE NOT (t.x > 6 OR t.t = 'q');
-- not of and: ??
SELECT t.x, t.t FROM thing t WHERE NOT (t.x = 1 AND t.t = 'q') OR t.n = 1;
-- is true, is not false: N?
SELECT t.flag, o.x FROM thing t, other o WHERE t.flag IS TRUE AND (o.x > 6) IS NOT FALSE;
-- is not unknown: N
SELECT t.flag FROM thing t WHERE t.flag IS NOT UNKNOWN;
-- coalesce to false: N
SELECT t.x FROM thing t WHERE coalesce(t.x > 1, false);
-- coalesce to true: ?
SELECT t.x FROM thing t WHERE coalesce(t.x > 1, true);
-- in a list: N
SELECT t.x FROM thing t WHERE t.x IN (5, 7);
-- in a list with NULL: N
SELECT t.x FROM thing t WHERE t.x IN (5, NULL);
-- not in a list: N
SELECT t.x FROM thing t WHERE t.x NOT IN (1, 2);
-- all of an empty array: ?
SELECT t.x FROM thing t WHERE t.x <> ALL ('{}'::int[]);
-- any of a parameter: N
SELECT t.x FROM thing t WHERE t.x = ANY ($1::int[]);
-- args: ([5],)
-- all of a parameter: ?
SELECT t.x FROM thing t WHERE t.x <> ALL ($1::int[]);
-- args: ([],)
-- in a subquery: N
SELECT t.x FROM thing t WHERE t.x IN (SELECT x FROM other);
-- not in a subquery: ?
SELECT t.x FROM thing t WHERE t.x NOT IN (SELECT y FROM nothing);
-- exists proves what it compares: N?
SELECT o.x, o.u FROM other o WHERE EXISTS (SELECT FROM thing t WHERE t.x = o.x);
-- not exists proves nothing: ?
SELECT t.x FROM thing t WHERE NOT EXISTS (SELECT FROM other o WHERE o.x = t.x);
-- exists of an aggregate proves nothing: ?
SELECT t.x FROM thing t WHERE EXISTS (SELECT count(*) FROM other o WHERE o.x = t.x);
-- is distinct from: ?
SELECT t.x FROM thing t WHERE t.x IS DISTINCT FROM 5;
-- is not distinct from a value: N
SELECT t.x FROM thing t WHERE t.x IS NOT DISTINCT FROM 5;
-- is not distinct from a column: ?
SELECT t.x FROM thing t JOIN other o ON t.x IS NOT DISTINCT FROM o.x;
-- row comparison proves only its first: N?
SELECT o.x, o.u FROM other o WHERE (o.x, o.u) < (9, 'z');
-- strict function of anybody: N
SELECT t.x FROM thing t WHERE strict_null(t.x) IS NOT NULL OR t.x > 1;
-- an expression proven is the expression: N?
SELECT nullif(o.u, 'p'), o.x FROM other o WHERE nullif(o.u, 'p') IS NOT NULL OR false;
-- a member proven is the member: N
SELECT doc ->> 'a' FROM thing WHERE doc ->> 'a' IS NOT NULL;
-- a volatile expression is another one each time: ~
SELECT nullif(floor(random())::int, 1) FROM thing WHERE nullif(floor(random())::int, 1) IS NOT NULL;
-- a lateral subquery: NN?
SELECT t.id, l.c, l.m FROM thing t,
    LATERAL (SELECT count(*) c, max(y) m FROM other o WHERE o.id = t.id) l;
-- a lateral subquery joined left: N?
SELECT t.id, l.y FROM thing t LEFT JOIN LATERAL (
    SELECT o.y FROM other o WHERE o.id = t.id ORDER BY o.y LIMIT 1) l ON true;
-- a lateral subquery sees what is proven: NN
SELECT t.x, l.twice FROM thing t, LATERAL (SELECT t.x * 2 AS twice) l WHERE t.x > 0;
-- a lateral subquery does not see what a CASE knows: ~?
SELECT CASE WHEN t.x IS NOT NULL THEN l.twice ELSE 0 END, l.twice
FROM thing t, LATERAL (SELECT t.x * 2 AS twice) l;
-- a lateral subquery over a full join: NN?
SELECT j.id, s.m, s.y FROM (thing FULL JOIN other USING (id)) AS j
LEFT JOIN LATERAL (SELECT j.id AS m, j.y) s ON true WHERE s.m > 0;
-- whole rows: N?
SELECT w, a FROM wallet w LEFT JOIN alert a ON a.id = w.id;
-- fields of whole rows: NN??
SELECT (r).n, r IS NULL, (r).x, (o).y FROM thing r LEFT JOIN other o ON o.id = r.id;
-- a whole row that is there: NN
SELECT o.y, (o).y FROM thing t LEFT JOIN other o ON o.id = t.id WHERE o IS NOT NULL;
-- system columns: NN??
SELECT t.ctid, t.tableoid, o.ctid, o.xmin FROM thing t LEFT JOIN other o ON o.id = t.id;
-- view of an outer join: NN??
SELECT id, n, y, u FROM joined;
-- view proven from outside: NNNN
SELECT id, n, y, other_id FROM joined WHERE other_id > 0;
-- nested views: N??N
SELECT id, other_id, y, m FROM nested;
-- nested views joined left: N??
SELECT w.id, j.y, j.m FROM wallet w LEFT JOIN nested j ON j.id = w.id;
-- the same view twice: N?
SELECT a.y, b.y FROM joined a JOIN joined b ON b.id > a.id OR b.id = a.id WHERE a.y > 0;
-- self join of a common table: N?
WITH j AS (SELECT t.id, o.y, o.id oid FROM thing t LEFT JOIN other o ON o.id = t.id)
SELECT a.y, b.y FROM j a, j b WHERE a.oid = 1;
