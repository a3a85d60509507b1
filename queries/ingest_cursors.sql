-- How far each stream was read, per chain. Owner: ingestion.
-- A stream is a source with an order of its own, such as one file or one node; a cursor
-- never moves that of another stream. number and hash: the last block that was committed.
-- fencing_token: grows with each writer of the stream, so that an older one is refused.

-- name: merge(stream, chain_id, number, hash, fencing_token)<!
-- Moves a stream forward to a block, or starts it. Returns true when started, false when
-- moved, and no row when the stream stays where it is. It stays when number is not higher
-- than the stored one, or fencing_token is lower (another writer took over).
-- Belongs in the transaction that writes the block, so that both land or neither.
-- Index: ingest_cursors_pkey.
INSERT INTO public.ingest_cursors AS t (
    stream,
    chain_id,
    number,
    hash,
    fencing_token
)
VALUES (
    :stream,
    :chain_id,
    :number,
    lower(:hash),
    :fencing_token
)
ON CONFLICT (stream, chain_id) DO UPDATE
    SET
        number = excluded.number,
        hash = excluded.hash,
        fencing_token = excluded.fencing_token,
        updated_at = now()
    WHERE (
        excluded.number > t.number
        AND excluded.fencing_token >= t.fencing_token
    )
RETURNING (t.xmax = 0) AS inserted;

-- name: get(stream, chain_id)^
-- Where a stream stands.
-- Index: ingest_cursors_pkey.
SELECT
    t.stream,
    t.chain_id,
    t.number,
    t.hash,
    t.fencing_token,
    t.created_at,
    t.updated_at
FROM public.ingest_cursors AS t
WHERE
    t.stream = :stream
    AND t.chain_id = :chain_id;

-- name: list_all(after_stream, after_chain_id, max_rows)
-- @optional after_stream, after_chain_id
-- Every stream by name and chain; those after the given key, where it is given.
-- Index: ingest_cursors_pkey.
SELECT
    t.stream,
    t.chain_id,
    t.number,
    t.hash,
    t.fencing_token,
    t.created_at,
    t.updated_at
FROM public.ingest_cursors AS t
WHERE (t.stream, t.chain_id) > (:after_stream, :after_chain_id)
ORDER BY t.stream ASC, t.chain_id ASC
LIMIT :max_rows;

-- name: count()$
-- How many streams there are, each chain of a stream counted.
-- Index: none, the table is small.
SELECT count(*) AS cursor_count
FROM public.ingest_cursors;

-- name: rewind(stream, chain_id, number, hash, fencing_token)!
-- Moves a stream back to the last block before a reorganisation; belongs in the transaction
-- that orphans the blocks above it.
-- Affects 1 row, or 0 when there is no such stream, number is not lower than the stored one,
-- or fencing_token is lower (another writer took over).
-- Index: ingest_cursors_pkey.
UPDATE public.ingest_cursors AS t
SET
    number = :number,
    hash = lower(:hash),
    fencing_token = :fencing_token,
    updated_at = now()
WHERE
    t.stream = :stream
    AND t.chain_id = :chain_id
    AND t.number > :number
    AND t.fencing_token <= :fencing_token;

-- name: delete(stream, chain_id)!
-- Forgets a stream, so that it is read from its start again. Affects 1 row, or 0 when there
-- is none.
-- Index: ingest_cursors_pkey.
DELETE FROM public.ingest_cursors AS t
WHERE
    t.stream = :stream
    AND t.chain_id = :chain_id;
