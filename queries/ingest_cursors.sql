-- How far each stream was read, per chain. Owner: ingestion.
-- A stream is a source with an order of its own, such as one file or one node; a cursor
-- never moves that of another stream. number and hash: the last block that was committed.
-- Who may move it is told by ingest_claims, for the streams that are claimed.

-- name: merge(stream, chain_id, number, hash)<!
-- Moves a stream forward to a block, or starts it. Returns true when started, false when
-- moved, and no row when the stream stays where it is, as number is not higher than the
-- stored one.
-- Belongs in the transaction that writes the block, so that both land or neither.
-- Index: ingest_cursors_pkey.
INSERT INTO public.ingest_cursors AS t (
    stream,
    chain_id,
    number,
    hash
)
VALUES (
    :stream,
    :chain_id,
    :number,
    lower(:hash)
)
ON CONFLICT (stream, chain_id) DO UPDATE
    SET
        number = excluded.number,
        hash = excluded.hash,
        updated_at = now()
    WHERE excluded.number > t.number
RETURNING (t.xmax = 0) AS inserted;

-- name: get(stream, chain_id)^
-- Where a stream stands.
-- Index: ingest_cursors_pkey.
SELECT
    t.stream,
    t.chain_id,
    t.number,
    t.hash,
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
    t.created_at,
    t.updated_at
FROM public.ingest_cursors AS t
WHERE (t.stream, t.chain_id) > (:after_stream, :after_chain_id)
ORDER BY t.stream ASC, t.chain_id ASC
LIMIT :max_rows;

-- name: list_status(max_rows)
-- @returns StreamStatus
-- Every stream by name and chain, with how far behind it is and who writes it.
-- block_timestamp and age_s: the time of the last stored block, and the seconds since then by
-- the clock of the server; NULL where the block itself is not stored any more. Of a stream that
-- keeps up age_s stays near the time between two blocks of the chain. holder and lease_s: who
-- has claimed the stream and for how many seconds more, negative once the claim has expired;
-- NULL for a stream without a writer, as that of a file.
-- Index: ingest_cursors_pkey; blocks_pkey and ingest_claims_pkey for each.
SELECT
    t.stream,
    t.chain_id,
    t.number,
    t.hash,
    t.updated_at,
    b.block_timestamp,
    c.holder,
    extract(EPOCH FROM clock_timestamp() - b.block_timestamp) AS age_s,
    extract(EPOCH FROM c.expires_at - clock_timestamp()) AS lease_s
FROM public.ingest_cursors AS t
LEFT JOIN public.blocks AS b
    ON
        t.hash = b.hash
        AND t.chain_id = b.chain_id
LEFT JOIN public.ingest_claims AS c
    ON
        t.stream = c.stream
        AND t.chain_id = c.chain_id
ORDER BY t.stream ASC, t.chain_id ASC
LIMIT :max_rows;

-- name: count()$
-- How many streams there are, each chain of a stream counted.
-- Index: none, the table is small.
SELECT count(*) AS cursor_count
FROM public.ingest_cursors;

-- name: move(stream, chain_id, number, hash)<!
-- Puts a stream at a block, higher or lower than where it stood, or starts it: after a
-- reorganisation its last block may be a lower one, or another at the same height. Returns
-- true when started, false when moved, and no row when it stood there already.
-- Belongs in the transaction that orphans the blocks above.
-- Index: ingest_cursors_pkey.
INSERT INTO public.ingest_cursors AS t (
    stream,
    chain_id,
    number,
    hash
)
VALUES (
    :stream,
    :chain_id,
    :number,
    lower(:hash)
)
ON CONFLICT (stream, chain_id) DO UPDATE
    SET
        number = excluded.number,
        hash = excluded.hash,
        updated_at = now()
    WHERE (t.number, t.hash) IS DISTINCT FROM (excluded.number, excluded.hash)
RETURNING (t.xmax = 0) AS inserted;

-- name: delete(stream, chain_id)!
-- Forgets a stream, so that it is read from its start again. Affects 1 row, or 0 when there
-- is none.
-- Index: ingest_cursors_pkey.
DELETE FROM public.ingest_cursors AS t
WHERE
    t.stream = :stream
    AND t.chain_id = :chain_id;
