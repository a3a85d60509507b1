-- What RETURNING gives back.

-- insert of a constant: NN?
INSERT INTO other (id, y, u, x) VALUES (50, 1, 'u', NULL) RETURNING u, y, x;
-- insert of nothing: ?
INSERT INTO other (id, y) VALUES (50, 1) RETURNING u;
-- insert of several: N?
INSERT INTO other (id, y, u, x) VALUES (50, 1, 'u', 1), (51, 1, 'v', NULL) RETURNING u, x;
-- insert from a select: N?
INSERT INTO other (id, y, u, x) SELECT id + 50, n, m::text, x FROM thing RETURNING u, x;
-- insert of a parameter: ?N
INSERT INTO other (id, y, u) VALUES (50, $1, $2) RETURNING u, y;
-- args: (1, None)
-- insert old and new: ??N
INSERT INTO other (id, y) VALUES (50, 1) RETURNING old.id, old.*::text, new.y;
-- upsert keeps what is there: ?N
INSERT INTO other (id, y, u, x) VALUES (2, 1, 'u', 3) ON CONFLICT (id) DO UPDATE SET x = excluded.x
RETURNING u, x;
-- upsert old and new: ?N?
INSERT INTO other (id, y, u) VALUES (50, 1, NULL) ON CONFLICT (id) DO UPDATE SET u = 'u'
RETURNING old.y, new.y, new.u;
-- upsert that sets both: N
INSERT INTO other (id, y, u) VALUES (50, 1, 'a') ON CONFLICT (id) DO UPDATE SET u = excluded.u || 'u'
RETURNING u;
-- upsert or nothing: N
INSERT INTO other (id, y, u) VALUES (50, 1, 'a') ON CONFLICT DO NOTHING RETURNING u;
-- update sets NULL after a condition: ?
UPDATE other SET u = NULL WHERE u IS NOT NULL RETURNING u;
-- update old and new: N?N?
UPDATE other SET u = NULL WHERE u IS NOT NULL RETURNING old.u, new.u, old.y, new.x;
-- update of a nullable column: NN
UPDATE other SET u = 'set', x = y RETURNING u, x;
-- update keeps what the condition proved: N
UPDATE other SET y = 5 WHERE u = 'o' RETURNING u;
-- update from an outer join: N?
UPDATE other o SET y = 5 FROM thing t LEFT JOIN edge e ON e.child = t.id
WHERE o.id = t.id RETURNING o.y, e.parent;
-- update from a subquery: ??
UPDATE other SET (u, x) = (SELECT t.t, t.n FROM thing t WHERE t.id = other.id) RETURNING u, x;
-- update through a trigger: N?
UPDATE meddled SET z = 5 RETURNING y, z;
-- insert through a trigger: N?
INSERT INTO meddled (id, y, z) VALUES (2, 1, 1) RETURNING y, z;
-- upsert through a trigger: ?
INSERT INTO meddled (id, y, z) VALUES (1, 1, 1) ON CONFLICT (id) DO UPDATE SET z = excluded.z
RETURNING z;
-- update of what is computed from: ??
UPDATE computed SET x = NULL WHERE twice > 0 AND thrice > 0 RETURNING twice, thrice;
-- update in partitions: N?
UPDATE parted SET y = 7 WHERE id > 0 RETURNING y, z;
-- delete: N??
DELETE FROM other RETURNING y, u, new.y;
-- delete old: NN
DELETE FROM other WHERE u IS NOT NULL RETURNING old.u, u;
-- delete using an outer join: N?
DELETE FROM other o USING thing t LEFT JOIN edge e ON e.parent = t.id
WHERE t.id = o.id OR t.id = 3 RETURNING o.y, e.child;
-- a case in returning: NN
UPDATE other SET y = 5 RETURNING CASE WHEN u IS NULL THEN '' ELSE u END, coalesce(x, y);
-- a subquery in returning: ?
UPDATE other SET u = NULL WHERE u = 'o' RETURNING (SELECT u WHERE true);
-- merge: N?N
MERGE INTO other o USING thing t ON o.id = t.id
WHEN MATCHED THEN UPDATE SET u = 'm' WHEN NOT MATCHED THEN INSERT (id, y) VALUES (t.id, 1)
RETURNING merge_action(), o.u, t.n;
-- merge that deletes: N??
MERGE INTO other o USING thing t ON o.id = t.id
WHEN MATCHED AND t.id = 1 THEN DELETE WHEN NOT MATCHED THEN INSERT (id, y) VALUES (t.id, 1)
RETURNING o.y, new.y, old.y;
-- merge without a source row: ??N
MERGE INTO other o USING thing t ON o.id = t.id
WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN MATCHED THEN UPDATE SET u = NULL
RETURNING t.n, t.id, o.id;
-- merge matches prove: NN
MERGE INTO other o USING thing t ON o.x = t.x WHEN MATCHED THEN UPDATE SET y = 1
RETURNING o.x, t.x;
-- merge of nothing proven: N?
MERGE INTO other o USING (SELECT 5 AS id, NULL::int AS x) s ON o.id = s.id
WHEN NOT MATCHED THEN INSERT (id, y, x) VALUES (s.id, 1, s.x) RETURNING o.y, o.x;
-- through a view: N?
INSERT INTO simple (id, y) VALUES (50, 1) RETURNING y, u;
-- through a view with a trigger instead: ??
INSERT INTO writable (id, y) VALUES (50, 1) RETURNING id, y;
-- update through a view: NN
UPDATE simple SET u = 'v' RETURNING y, u;
-- old and new of a view: ?N
INSERT INTO simple (id, y, u) VALUES (50, 1, 'u') RETURNING old.y, new.u;
-- modifying common tables: N??
WITH gone AS (DELETE FROM other RETURNING id, y, u)
SELECT g.id, g.u, t.n FROM gone g LEFT JOIN thing t ON t.id = g.id;
-- update of an element: N
UPDATE thing SET list[1] = 5 RETURNING list;
-- update of a field: N?
UPDATE thing SET p.a = 5 RETURNING p, (p).b;
-- identity of a whole row: N?
INSERT INTO other (id, y) VALUES (50, 1) RETURNING other, old;
