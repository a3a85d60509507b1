-- What a statement does with its parameters. A letter for each, by number: R required, ?
-- where NULL has a meaning, O where it may be left out as well.

-- stored in NOT NULL: RR
INSERT INTO other (id, y) VALUES ($1, $2);
-- stored in a column whose domain refuses NULL: R
UPDATE thing SET d = $1;
-- stored in a nullable column: RRO
INSERT INTO other (id, y, u) VALUES ($1, $2, $3);
-- stored through a function: RRO
INSERT INTO other (id, y, u) VALUES ($1, $2, lower($3));
-- stored through a cast: RRO
INSERT INTO other (id, y, u) VALUES ($1, $2, CAST($3::int AS text));
-- stored by an upsert: RR?
INSERT INTO other (id, y, u) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET u = excluded.u;
-- stored in several rows: RRO
INSERT INTO other (id, y, u) VALUES ($1, $2, $3), (5, 1, 'u');
-- stored from a select: RRO
INSERT INTO other (id, y, u) SELECT $1, $2, $3;
-- stored from a common table: RR?
WITH given AS (SELECT $1::int AS id, $2::int AS y, $3::text AS u)
INSERT INTO other (id, y, u) SELECT g.id, g.y, g.u FROM given g;
-- stored from arrays: RR
INSERT INTO other (id, y) SELECT a, b FROM unnest($1::int[], $2::int[]) AS f(a, b);
-- stored in both kinds of column: R
INSERT INTO other (id, y, x) VALUES (1, $1, $1);
-- computed before it is stored: R
INSERT INTO other (id, y, x) VALUES (1, 2, $1 + 1);
-- stored or a default: R?
INSERT INTO other (id, y, u) VALUES ($1, coalesce($2, 5), 'u');
-- updated: R?R
UPDATE other SET y = $1, u = $2 WHERE id = $3;
-- updated together: ?R
UPDATE other SET (u, x) = ROW($1, 1) WHERE id = $2;
-- added to what is there: RR
UPDATE other SET x = x + $1 WHERE id = $2;
-- updated if given: ?R
UPDATE other SET u = coalesce($1, u) WHERE id = $2;
-- updated from values: ?R?
UPDATE other o SET y = v.y, u = v.u FROM (VALUES ($1::int, $2::int, $3::text)) v(id, y, u)
WHERE o.id = v.id;
-- merged: R?
MERGE INTO other o USING thing t ON o.id = t.id AND t.n = $1
WHEN NOT MATCHED THEN INSERT (id, y, u) VALUES (t.id, 1, $2) WHEN MATCHED THEN UPDATE SET u = $2;
-- compared: RRR
SELECT id FROM other WHERE x = $1 AND y > $2 AND u LIKE $3;
-- compared in OR: RR
SELECT id FROM other WHERE x = $1 OR NOT (y > $2);
-- in a list: RRR
SELECT id FROM other WHERE x IN ($1, $2) AND u = ANY ($3::text[]);
-- a page: RRRR
SELECT id FROM other WHERE (y, id) > ($1, $2) ORDER BY y, id LIMIT $3 OFFSET $4;
-- tested for NULL: ?
SELECT id FROM other WHERE $1::int IS NULL OR x = $1;
-- not distinct: ?
SELECT id FROM other WHERE x IS NOT DISTINCT FROM $1;
-- or a default: ?
SELECT id FROM other WHERE x > coalesce($1, 0);
-- of a case: ?R
SELECT CASE WHEN y > $2 THEN $1::int ELSE y END FROM other;
-- a result: ?
SELECT $1::text;
-- part of a result: R
SELECT y + $1 FROM other;
-- arguments that may be NULL: ??
SELECT concat(u, $1::text), upper($2) FROM other;
-- an argument of jsonb_build_object: ?
SELECT jsonb_build_object('a', $1::int);
-- greatest: ?
SELECT greatest(y, $1) FROM other;
-- of a series: RR
SELECT g FROM generate_series($1::int, $2::int) g;
-- of a default of lag: ?
SELECT lag(y, 1, $1) OVER (ORDER BY id) FROM other;
-- in a subquery: R
SELECT id FROM other WHERE EXISTS (SELECT FROM thing t WHERE t.x = $1);
-- in a filter: R
SELECT count(*) FILTER (WHERE y > $1) FROM other;
-- a domain that refuses NULL: R
SELECT $1::strict_int;
-- through a view: RRO
INSERT INTO simple (id, y, u) VALUES ($1, $2, $3);
