-- Items that were refused, kept byte for byte until somebody deals with them.
-- Owner: ingestion. source: where an item came from; item: which one of that source.
-- The key is (source, item, payload_sha256), so that a repeated run finds its letters again.

-- name: merge(source, item, payload, reason, sqlstate)<!
-- Files an item, or notes one more attempt at it with its newest reason, and returns the
-- letter whole. sqlstate is NULL for an item refused before it came to SQL.
-- Index: dead_letters_natural_key.
INSERT INTO public.dead_letters AS t (
    source,
    item,
    payload,
    payload_sha256,
    reason,
    sqlstate
)
VALUES (
    :source,
    :item,
    :payload,
    sha256(:payload),
    :reason,
    :sqlstate
)
ON CONFLICT (source, item, payload_sha256) DO UPDATE
    SET
        reason = excluded.reason,
        sqlstate = excluded.sqlstate,
        attempts = t.attempts + 1,
        last_seen_at = now()
RETURNING
    t.id,
    t.source,
    t.item,
    t.payload,
    t.payload_sha256,
    t.reason,
    t.sqlstate,
    t.attempts,
    t.first_seen_at,
    t.last_seen_at;

-- name: get(id)^
-- One letter.
-- Index: dead_letters_pkey.
SELECT
    t.id,
    t.source,
    t.item,
    t.payload,
    t.payload_sha256,
    t.reason,
    t.sqlstate,
    t.attempts,
    t.first_seen_at,
    t.last_seen_at
FROM public.dead_letters AS t
WHERE t.id = :id;

-- name: list_recent(before_first_seen_at, before_id, max_rows)
-- @optional before_first_seen_at, before_id
-- Letters by when they were first filed, newest first; those that follow the letter named by
-- the before parameters, where they are given.
-- Index: idx_dead_letters_first_seen_at, backwards, from before_first_seen_at.
SELECT
    t.id,
    t.source,
    t.item,
    t.payload,
    t.payload_sha256,
    t.reason,
    t.sqlstate,
    t.attempts,
    t.first_seen_at,
    t.last_seen_at
FROM public.dead_letters AS t
WHERE (t.first_seen_at, t.id) < (:before_first_seen_at, :before_id)
ORDER BY t.first_seen_at DESC, t.id DESC
LIMIT :max_rows;

-- name: list_by_source(source, after_item, after_payload_sha256, max_rows)
-- @optional after_item, after_payload_sha256
-- The letters of one source by item; those that follow the letter named by the after
-- parameters, where they are given.
-- Index: dead_letters_natural_key.
SELECT
    t.id,
    t.source,
    t.item,
    t.payload,
    t.payload_sha256,
    t.reason,
    t.sqlstate,
    t.attempts,
    t.first_seen_at,
    t.last_seen_at
FROM public.dead_letters AS t
WHERE
    t.source = :source
    AND (t.item, t.payload_sha256) > (:after_item, :after_payload_sha256)
ORDER BY t.item ASC, t.payload_sha256 ASC
LIMIT :max_rows;

-- name: count(source)$
-- How many letters of one source there are.
-- Index: dead_letters_natural_key.
SELECT count(*) AS letter_count
FROM public.dead_letters AS t
WHERE t.source = :source;

-- name: count_by_source(max_rows)
-- @returns DeadLetterSource
-- @timeout 10s
-- How many letters each source has and when one was last seen, most letters first.
-- Ends after 10 s: it reads every letter, which on a bad day are many.
-- Index: none, reads the table.
SELECT
    t.source,
    count(*) AS letter_count,
    sum(t.attempts) AS attempts,
    max(t.last_seen_at) AS last_seen_at
FROM public.dead_letters AS t
GROUP BY t.source
ORDER BY letter_count DESC, t.source ASC
LIMIT :max_rows;

-- name: stream_by_source(source)
-- All letters of one source by item, to be tried again.
-- Index: dead_letters_natural_key.
SELECT
    t.id,
    t.source,
    t.item,
    t.payload,
    t.payload_sha256,
    t.reason,
    t.sqlstate,
    t.attempts,
    t.first_seen_at,
    t.last_seen_at
FROM public.dead_letters AS t
WHERE t.source = :source
ORDER BY t.item ASC, t.payload_sha256 ASC;

-- name: delete(id)!
-- Removes a letter that was dealt with. Affects 1 row, or 0 when there is none.
-- Index: dead_letters_pkey.
DELETE FROM public.dead_letters AS t
WHERE t.id = :id;
