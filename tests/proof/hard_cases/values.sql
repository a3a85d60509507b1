-- Expressions: what they make of values that are there.

-- not valid: ?
SELECT y FROM unproven;
-- no inherit: ?
SELECT y FROM parent;
-- only the parent: N
SELECT y FROM ONLY parent;
-- partitions: NN?
SELECT id, y, z FROM parted;
-- generated columns: ??NN
SELECT twice, thrice, y, next FROM computed;
-- a domain that refuses NULL, stored: ~
SELECT d FROM thing;
-- a domain that refuses NULL, cast to: N
SELECT x::strict_int FROM thing WHERE id > 1;
-- a domain, nulled by a join: ?
SELECT t.d FROM other o LEFT JOIN thing t ON t.id = o.id;
-- a domain from a subquery: ?
SELECT (SELECT d FROM thing WHERE id = 99);
-- a domain with a check: ?
SELECT x::positive FROM thing;
-- enums: NNN
SELECT m, m::text, m < 'glad' FROM thing;
-- fields of a composite: ??N
SELECT (p).a, (p).b, p IS NULL FROM thing;
-- fields of a constructed row: NN?
SELECT (r).f1, r IS NOT NULL, (r).f2 FROM (SELECT ROW(n, x) AS r FROM thing) s(r),
    LATERAL (SELECT) e WHERE false UNION ALL SELECT 1, true, NULL::int;
-- row is null: N
SELECT ROW(x, t) IS NULL FROM thing;
-- row comparison: N?
SELECT (n, id) < (2, 2), (n, x) < (1, 6) FROM thing;
-- subscripts: ??
SELECT list[1], list[99] FROM thing;
-- slices: N?
SELECT list[1:2], tags[1:1] FROM thing;
-- array constructor: NNN
SELECT ARRAY[x, n], ARRAY[]::int[], ARRAY[list, list] FROM thing;
-- lengths of empty arrays: ???N
SELECT array_length(list, 1), array_upper(list, 1), array_ndims(list), cardinality(list) FROM thing;
-- array functions: N?NNN
SELECT array_append(tags, 'a'), array_position(list, 9), array_cat(list, NULL), list || 5,
    array_to_string(list, ',') FROM thing;
-- equals any of a list with NULL: ?N
SELECT n = ANY ('{1,NULL}'), n = ANY ('{1,2}') FROM thing;
-- equals any of a column: ?
SELECT n = ANY (list) FROM thing;
-- equals any of an array that is built: N?
SELECT n = ANY (ARRAY[n, 5]), n = ANY (ARRAY[x, 5]) FROM thing;
-- in a subquery as a value: N?
SELECT n IN (SELECT y FROM other), n IN (SELECT x FROM other) FROM thing;
-- all of a subquery as a value: N?
SELECT n > ALL (SELECT y FROM nothing), n < ALL (SELECT x FROM other) FROM thing;
-- three-valued logic: N??
SELECT n > 1 AND n < 5, n > 0 AND x > 1, NOT flag FROM thing;
-- tests of three-valued logic: NNN
SELECT flag IS TRUE, flag IS UNKNOWN, x IS DISTINCT FROM 5 FROM thing;
-- nullif: ?~
SELECT nullif(n, 1), nullif(n, 99) FROM thing;
-- greatest and least: NN?
SELECT greatest(n, x), least(x, 5), greatest(x, NULL) FROM thing;
-- case tests for NULL: NN
SELECT CASE WHEN x IS NOT NULL THEN x ELSE 0 END, CASE WHEN x IS NULL THEN 0 ELSE x END FROM thing;
-- case compares: NN?
SELECT CASE WHEN x > 5 THEN x ELSE n END, CASE x WHEN 5 THEN x ELSE 0 END,
    CASE WHEN x > 5 THEN n ELSE x END FROM thing;
-- case of later arms: N?
SELECT CASE WHEN x IS NULL OR t IS NULL THEN '' ELSE x || t END,
    CASE WHEN x IS NULL AND t IS NULL AND n = 2 THEN '' ELSE x || t END FROM thing;
-- case and other rows: NN?
SELECT id, CASE WHEN x IS NOT NULL THEN x ELSE 0 END,
    CASE WHEN x IS NOT NULL THEN lag(x, 1, 0) OVER (ORDER BY id) ELSE 0 END FROM thing;
-- between and like: N?N
SELECT n BETWEEN 1 AND 2, x BETWEEN 1 AND 6, m::text LIKE 's%' FROM thing;
-- to_char of infinity: ?
SELECT to_char(at, 'YYYY') FROM thing;
-- parts of infinity: ?NN?
SELECT extract(month FROM at), extract(epoch FROM at), date_part('year', at),
    extract(week FROM length) FROM thing;
-- more parts of infinity: N??
SELECT extract(day FROM length), extract(minute FROM length), extract(dow FROM at) FROM thing;
-- times: NNNN
SELECT date_trunc('day', at), at + interval '1 day', at::date, at::text FROM thing;
-- a time of day of infinity: ?
SELECT at::time FROM thing;
-- numbers: NNNN
SELECT k + 1, k::float8, n / 2, round(k, 2) FROM thing;
-- scale of NaN: ?
SELECT scale(k) FROM thing;
-- texts: NNN
SELECT upper(m::text), m::text || 'x', substring(m::text, 1, 2) FROM thing;
-- patterns that do not match: ??N
SELECT substring(m::text, 'q'), regexp_match(m::text, 'q'), regexp_replace(m::text, 'q', '')
FROM thing;
-- split_part of nothing: N
SELECT split_part(m::text, 'q', 5) FROM thing;
-- concat takes NULL: NN?
SELECT concat(x, t), concat_ws(',', x, t), concat(VARIADIC tags) FROM thing;
-- format: N?
SELECT format('%s', t), format(t) FROM thing;
-- documents: ???N
SELECT doc -> 'a', doc ->> 'a', doc #>> '{a}', doc ? 'a' FROM thing;
-- casts of JSON null: ?
SELECT doc::int FROM thing WHERE id = 1;
-- building documents: NN?
SELECT jsonb_build_object('x', x), to_jsonb(n), to_jsonb(x) FROM thing;
-- JSON constructors: NN
SELECT JSON_OBJECT('x': x), JSON_ARRAY(x, t) FROM thing;
-- ranges: ??NN
SELECT lower(span), upper(span), isempty(span), span @> 3 FROM thing;
-- ranges of NULL are unbounded: N
SELECT int4range(x, NULL) FROM thing;
-- session: NN??
SELECT current_user, current_date, current_setting('no.such', true), nullif(current_schema, 'hard');
-- functions of anybody: ??
SELECT strict_null(n), n === n FROM thing;
-- functions in FROM: ?N
SELECT f, o FROM two_rows() WITH ORDINALITY AS f(f, o);
-- generate_series: N
SELECT g FROM generate_series(1, 3) g;
-- series of different lengths: ~?N
SELECT a, b, o FROM ROWS FROM (generate_series(1, 3), generate_series(1, 2))
    WITH ORDINALITY AS r(a, b, o);
-- unnest: ?N
SELECT u, o FROM thing, unnest(list) WITH ORDINALITY AS f(u, o);
-- unnest of what is built: N?
SELECT a, b FROM thing, unnest(ARRAY[n, 2]) a, unnest(ARRAY[x, 2]) b;
-- unnest of several: ??
SELECT a, b FROM unnest('{1,2}'::int[], '{3}'::int[]) AS f(a, b)
UNION ALL SELECT NULL, 1;
-- sets in the select list: N
SELECT generate_series(1, n) FROM thing;
-- sets of different lengths in the select list: ~?
SELECT generate_series(1, 3), generate_series(1, 2);
-- keys and members: N?
SELECT e.key, e.value FROM thing, jsonb_each_text(doc) e WHERE jsonb_typeof(doc) = 'object';
-- values: N?
SELECT a, b FROM (VALUES (1, 2), (2, NULL)) v(a, b);
-- scalar subqueries: ?NN
SELECT (SELECT y FROM other WHERE id = t.id), (SELECT 1), (SELECT count(*) FROM other) FROM thing t;
-- scalar subqueries that always find: NN
SELECT (SELECT coalesce(max(y), 0) FROM nothing), (SELECT v FROM (VALUES (1)) f(v));
-- scalar subqueries that may not: ???
SELECT (SELECT 1 LIMIT 0), (SELECT count(*) FROM other HAVING count(*) > 99),
    (SELECT count(*) FROM other OFFSET 1);
-- array subqueries: NN
SELECT ARRAY(SELECT x FROM other), ARRAY(SELECT y FROM nothing);
-- an element of nothing: ?
SELECT (ARRAY(SELECT y FROM nothing))[1];
-- parameters: N?
SELECT y + $1, $2::int FROM other;
-- args: (1, None)
