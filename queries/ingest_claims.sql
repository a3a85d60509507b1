-- Who writes a stream of blocks now. Owner: ingestion.
-- The key is (stream, chain_id), as that of ingest_cursors. fencing_token names one claim
-- and never another; a writer whose token is not in the table any more was replaced.
-- lease_s: seconds from the moment of the statement. Every time is the clock of the server
-- (clock_timestamp, as a transaction may have begun long before), never that of a writer.

-- name: claim(stream, chain_id, holder, lease_s)<!
-- @timeout 5s
-- Claims a stream that nobody holds, or whose claim has expired, for lease_s seconds. Returns
-- the token of the claim, or no row while another writer holds the stream.
-- holder says to a person who it is. Waits while the present holder is in a transaction, as
-- renew has locked the row, and is given up after 5 s.
-- Index: ingest_claims_pkey.
INSERT INTO public.ingest_claims AS t (
    stream,
    chain_id,
    holder,
    claimed_at,
    expires_at
)
VALUES (
    :stream,
    :chain_id,
    :holder,
    clock_timestamp(),
    clock_timestamp() + make_interval(secs => CAST(:lease_s AS DOUBLE PRECISION))
)
ON CONFLICT (stream, chain_id) DO UPDATE
    SET
        fencing_token = excluded.fencing_token,
        holder = excluded.holder,
        claimed_at = clock_timestamp(),
        expires_at = clock_timestamp()
        + make_interval(secs => CAST(:lease_s AS DOUBLE PRECISION))
    WHERE t.expires_at <= clock_timestamp()
RETURNING t.fencing_token;

-- name: renew(stream, chain_id, fencing_token, lease_s)!
-- Holds a claim for another lease_s seconds. Affects 1 row, or 0 when another writer took the
-- stream over, or the claim was released.
-- The first statement of each transaction that writes for the stream: the row stays locked
-- until its end, so a take-over waits for it, or has happened and shows here. A claim that
-- has expired is renewed where nobody has taken it over.
-- Index: ingest_claims_pkey.
UPDATE public.ingest_claims AS t
SET
    expires_at = clock_timestamp()
    + make_interval(secs => CAST(:lease_s AS DOUBLE PRECISION))
WHERE
    t.stream = :stream
    AND t.chain_id = :chain_id
    AND t.fencing_token = :fencing_token;

-- name: get(stream, chain_id)^
-- @returns HeldClaim
-- Who holds a stream, and for how many seconds more unless it renews; 0 once expired.
-- Index: ingest_claims_pkey.
SELECT
    t.stream,
    t.chain_id,
    t.fencing_token,
    t.holder,
    t.claimed_at,
    t.expires_at,
    greatest(0.0, extract(EPOCH FROM t.expires_at - clock_timestamp())) AS remaining_s
FROM public.ingest_claims AS t
WHERE
    t.stream = :stream
    AND t.chain_id = :chain_id;

-- name: list_all(after_stream, after_chain_id, max_rows)
-- @optional after_stream, after_chain_id
-- Every claim by stream and chain, expired ones included; those after the given key, where
-- it is given.
-- Index: ingest_claims_pkey.
SELECT
    t.stream,
    t.chain_id,
    t.fencing_token,
    t.holder,
    t.claimed_at,
    t.expires_at
FROM public.ingest_claims AS t
WHERE (t.stream, t.chain_id) > (:after_stream, :after_chain_id)
ORDER BY t.stream ASC, t.chain_id ASC
LIMIT :max_rows;

-- name: release(stream, chain_id, fencing_token)!
-- Gives a claim up, so that the next writer does not wait for it to expire. Affects 1 row,
-- or 0 when another writer took the stream over.
-- Index: ingest_claims_pkey.
DELETE FROM public.ingest_claims AS t
WHERE
    t.stream = :stream
    AND t.chain_id = :chain_id
    AND t.fencing_token = :fencing_token;
