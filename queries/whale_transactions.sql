-- Whale transfers, one row per inclusion of a transaction in a block. Owner: ingestion.
-- value_eth: ether, exact. value_usd: US dollars at block_timestamp. gas_price: wei.
-- The key is (block_hash, chain_id, hash, trace_path); trace_path is empty for the
-- transaction itself. Hashes and addresses are taken in any case and stored in lower case.
-- Unless a statement says otherwise it reads transfers only: canonical rows
-- (orphaned_at IS NULL) which did not fail (succeeded IS DISTINCT FROM FALSE; NULL means
-- that no receipt told, as before Byzantium). Time ranges are half open, [since, until).

-- name: insert(hash, chain_id, block_hash, trace_path, block_number, block_timestamp, from_address, to_address, value_eth, value_usd, price_source, priced_at, gas_price, gas_used, succeeded, whale_score)<!
-- @batch insert_many by hash, chain_id, block_hash, trace_path
-- Adds one canonical row and returns it whole.
-- A row that is there already is a unique violation; use merge where it may be.
-- value_usd, price_source and priced_at are given together or all NULL.
-- to_address is NULL for a contract creation.
-- Index: whale_transactions_pkey.
INSERT INTO public.whale_transactions AS t (
    hash,
    chain_id,
    block_hash,
    trace_path,
    block_number,
    block_timestamp,
    from_address,
    to_address,
    value_eth,
    value_usd,
    price_source,
    priced_at,
    gas_price,
    gas_used,
    succeeded,
    whale_score
)
VALUES (
    lower(:hash),
    :chain_id,
    lower(:block_hash),
    :trace_path,
    :block_number,
    :block_timestamp,
    lower(:from_address),
    lower(:to_address),
    :value_eth,
    :value_usd,
    :price_source,
    :priced_at,
    :gas_price,
    :gas_used,
    :succeeded,
    :whale_score
)
RETURNING
    t.id,
    t.hash,
    t.chain_id,
    t.block_hash,
    t.trace_path,
    t.block_number,
    t.block_timestamp,
    t.from_address,
    t.to_address,
    t.value_eth,
    t.value_usd,
    t.price_source,
    t.priced_at,
    t.gas_price,
    t.gas_used,
    t.succeeded,
    t.whale_score,
    t.orphaned_at,
    t.created_at,
    t.updated_at;

-- name: insert_many(hash, chain_id, block_hash, trace_path, block_number, block_timestamp, from_address, to_address, value_eth, value_usd, price_source, priced_at, gas_price, gas_used, succeeded, whale_score)
-- @returns InsertedTransaction
-- Adds rows as insert does one, given as arrays of equal length; what calls of insert become
-- that are made at the same time. ordinal is the position of a row among the given, from 1.
-- A row that is there already, or is given twice, is a unique violation, and none is added.
-- Rows are added in the order of their keys, so that two such statements do not deadlock.
-- Index: whale_transactions_pkey.
WITH given AS MATERIALIZED (
    SELECT
        g.ordinal,
        g.chain_id,
        g.trace_path,
        g.block_number,
        g.block_timestamp,
        g.value_eth,
        g.value_usd,
        g.price_source,
        g.priced_at,
        g.gas_price,
        g.gas_used,
        g.succeeded,
        g.whale_score,
        lower(g.hash) AS hash,
        lower(g.block_hash) AS block_hash,
        lower(g.from_address) AS from_address,
        lower(g.to_address) AS to_address
    FROM
        unnest(
            CAST(:hash AS TEXT[]),
            CAST(:chain_id AS BIGINT[]),
            CAST(:block_hash AS TEXT[]),
            CAST(:trace_path AS TEXT[]),
            CAST(:block_number AS BIGINT[]),
            CAST(:block_timestamp AS TIMESTAMPTZ[]),
            CAST(:from_address AS TEXT[]),
            CAST(:to_address AS TEXT[]),
            CAST(:value_eth AS NUMERIC[]),
            CAST(:value_usd AS NUMERIC[]),
            CAST(:price_source AS TEXT[]),
            CAST(:priced_at AS TIMESTAMPTZ[]),
            CAST(:gas_price AS BIGINT[]),
            CAST(:gas_used AS BIGINT[]),
            CAST(:succeeded AS BOOLEAN[]),
            CAST(:whale_score AS NUMERIC[])
        ) WITH ORDINALITY AS g (
            hash,
            chain_id,
            block_hash,
            trace_path,
            block_number,
            block_timestamp,
            from_address,
            to_address,
            value_eth,
            value_usd,
            price_source,
            priced_at,
            gas_price,
            gas_used,
            succeeded,
            whale_score,
            ordinal
        )
),

written AS (
    INSERT INTO public.whale_transactions AS t (
        hash,
        chain_id,
        block_hash,
        trace_path,
        block_number,
        block_timestamp,
        from_address,
        to_address,
        value_eth,
        value_usd,
        price_source,
        priced_at,
        gas_price,
        gas_used,
        succeeded,
        whale_score
    )
    SELECT
        g.hash,
        g.chain_id,
        g.block_hash,
        g.trace_path,
        g.block_number,
        g.block_timestamp,
        g.from_address,
        g.to_address,
        g.value_eth,
        g.value_usd,
        g.price_source,
        g.priced_at,
        g.gas_price,
        g.gas_used,
        g.succeeded,
        g.whale_score
    FROM given AS g
    ORDER BY g.block_hash ASC, g.hash ASC, g.chain_id ASC, g.trace_path ASC
    RETURNING
        t.id,
        t.hash,
        t.chain_id,
        t.block_hash,
        t.trace_path,
        t.block_number,
        t.block_timestamp,
        t.from_address,
        t.to_address,
        t.value_eth,
        t.value_usd,
        t.price_source,
        t.priced_at,
        t.gas_price,
        t.gas_used,
        t.succeeded,
        t.whale_score,
        t.orphaned_at,
        t.created_at,
        t.updated_at
)

SELECT
    g.ordinal,
    w.id,
    w.hash,
    w.chain_id,
    w.block_hash,
    w.trace_path,
    w.block_number,
    w.block_timestamp,
    w.from_address,
    w.to_address,
    w.value_eth,
    w.value_usd,
    w.price_source,
    w.priced_at,
    w.gas_price,
    w.gas_used,
    w.succeeded,
    w.whale_score,
    w.orphaned_at,
    w.created_at,
    w.updated_at
FROM written AS w
INNER JOIN given AS g
    ON
        w.hash = g.hash
        AND w.chain_id = g.chain_id
        AND w.block_hash = g.block_hash
        AND w.trace_path = g.trace_path;

-- name: merge(hash, chain_id, block_hash, trace_path, block_number, block_timestamp, from_address, to_address, value_eth, gas_price, gas_used, succeeded, orphaned_at)<!
-- @batch merge_many by hash, chain_id, block_hash, trace_path
-- Adds a row, or teaches a stored one what its receipt says (gas_used, succeeded). Its
-- whale_score is computed when it is added and when succeeded changes.
-- Returns true when added, false when changed, and no row when there was nothing to change.
-- What is known is never forgotten: NULL leaves the stored value.
-- orphaned_at is for a row of a block known to be orphaned, and only counts when it is added.
-- Index: whale_transactions_pkey.
INSERT INTO public.whale_transactions AS t (
    hash,
    chain_id,
    block_hash,
    trace_path,
    block_number,
    block_timestamp,
    from_address,
    to_address,
    value_eth,
    gas_price,
    gas_used,
    succeeded,
    whale_score,
    orphaned_at
)
VALUES (
    lower(:hash),
    :chain_id,
    lower(:block_hash),
    :trace_path,
    :block_number,
    :block_timestamp,
    lower(:from_address),
    lower(:to_address),
    :value_eth,
    :gas_price,
    :gas_used,
    :succeeded,
    public.whale_score(:value_eth, :succeeded),
    :orphaned_at
)
ON CONFLICT (hash, chain_id, block_hash, trace_path) DO UPDATE
    SET
        gas_used = coalesce(excluded.gas_used, t.gas_used),
        succeeded = coalesce(excluded.succeeded, t.succeeded),
        whale_score = CASE
            WHEN excluded.succeeded <> t.succeeded OR t.succeeded IS NULL
                THEN public.whale_score(t.value_eth, excluded.succeeded)
            ELSE t.whale_score
        END,
        updated_at = now()
    WHERE (t.gas_used, t.succeeded) IS DISTINCT FROM (
        coalesce(excluded.gas_used, t.gas_used),
        coalesce(excluded.succeeded, t.succeeded)
    )
RETURNING (t.xmax = 0) AS inserted;

-- name: merge_many(hash, chain_id, block_hash, trace_path, block_number, block_timestamp, from_address, to_address, value_eth, gas_price, gas_used, succeeded, orphaned_at)
-- @returns MergedOrdinal
-- Merges rows as merge does one, given as arrays of equal length; what calls of merge become
-- that are made at the same time. Returns the position among the given, from 1, of each that
-- was added (inserted is true) or changed (false); one that was there unchanged is not
-- returned.
-- A row that is given twice is an error (21000), and nothing is written.
-- Rows are locked in the order of their keys, so that two such statements do not deadlock.
-- Index: whale_transactions_pkey.
WITH given AS MATERIALIZED (
    SELECT
        g.ordinal,
        g.chain_id,
        g.trace_path,
        g.block_number,
        g.block_timestamp,
        g.value_eth,
        g.gas_price,
        g.gas_used,
        g.succeeded,
        g.orphaned_at,
        lower(g.hash) AS hash,
        lower(g.block_hash) AS block_hash,
        lower(g.from_address) AS from_address,
        lower(g.to_address) AS to_address
    FROM
        unnest(
            CAST(:hash AS TEXT[]),
            CAST(:chain_id AS BIGINT[]),
            CAST(:block_hash AS TEXT[]),
            CAST(:trace_path AS TEXT[]),
            CAST(:block_number AS BIGINT[]),
            CAST(:block_timestamp AS TIMESTAMPTZ[]),
            CAST(:from_address AS TEXT[]),
            CAST(:to_address AS TEXT[]),
            CAST(:value_eth AS NUMERIC[]),
            CAST(:gas_price AS BIGINT[]),
            CAST(:gas_used AS BIGINT[]),
            CAST(:succeeded AS BOOLEAN[]),
            CAST(:orphaned_at AS TIMESTAMPTZ[])
        ) WITH ORDINALITY AS g (
            hash,
            chain_id,
            block_hash,
            trace_path,
            block_number,
            block_timestamp,
            from_address,
            to_address,
            value_eth,
            gas_price,
            gas_used,
            succeeded,
            orphaned_at,
            ordinal
        )
),

written AS (
    INSERT INTO public.whale_transactions AS t (
        hash,
        chain_id,
        block_hash,
        trace_path,
        block_number,
        block_timestamp,
        from_address,
        to_address,
        value_eth,
        gas_price,
        gas_used,
        succeeded,
        whale_score,
        orphaned_at
    )
    SELECT
        g.hash,
        g.chain_id,
        g.block_hash,
        g.trace_path,
        g.block_number,
        g.block_timestamp,
        g.from_address,
        g.to_address,
        g.value_eth,
        g.gas_price,
        g.gas_used,
        g.succeeded,
        public.whale_score(g.value_eth, g.succeeded) AS whale_score,
        g.orphaned_at
    FROM given AS g
    ORDER BY g.block_hash ASC, g.hash ASC, g.chain_id ASC, g.trace_path ASC
    ON CONFLICT (hash, chain_id, block_hash, trace_path) DO UPDATE
        SET
            gas_used = coalesce(excluded.gas_used, t.gas_used),
            succeeded = coalesce(excluded.succeeded, t.succeeded),
            whale_score = CASE
                WHEN excluded.succeeded <> t.succeeded OR t.succeeded IS NULL
                    THEN public.whale_score(t.value_eth, excluded.succeeded)
                ELSE t.whale_score
            END,
            updated_at = now()
        WHERE (t.gas_used, t.succeeded) IS DISTINCT FROM (
            coalesce(excluded.gas_used, t.gas_used),
            coalesce(excluded.succeeded, t.succeeded)
        )
    RETURNING
        t.hash,
        t.chain_id,
        t.block_hash,
        t.trace_path,
        (t.xmax = 0) AS inserted
)

SELECT
    g.ordinal,
    w.inserted
FROM written AS w
INNER JOIN given AS g
    ON
        w.hash = g.hash
        AND w.chain_id = g.chain_id
        AND w.block_hash = g.block_hash
        AND w.trace_path = g.trace_path;

-- name: merge_batch(chain_id, block_hash, block_number, block_timestamp, orphaned_at, hashes, trace_paths, from_addresses, to_addresses, values_eth, gas_prices, gas_used, succeeded)
-- @returns MergedTransaction
-- Merges the transfers of one block, given as arrays of equal length, as merge does one.
-- Returns the hash and trace path of each row that was added (inserted is true) or changed
-- (false), in no particular order; a row that was there unchanged is not returned.
-- Elements of to_addresses, gas_used and succeeded may be NULL. A hash given twice with one
-- trace path counts once, its first element. Rows are locked in the order of their keys, so
-- that two batches of one block wait for each other instead of deadlocking.
-- orphaned_at is NULL, or that of a block known to be orphaned; it marks the added rows.
-- Index: whale_transactions_pkey.
INSERT INTO public.whale_transactions AS t (
    hash,
    chain_id,
    block_hash,
    trace_path,
    block_number,
    block_timestamp,
    from_address,
    to_address,
    value_eth,
    gas_price,
    gas_used,
    succeeded,
    whale_score,
    orphaned_at
)
SELECT DISTINCT ON (lower(b.hash), b.trace_path)
    lower(b.hash) AS hash,
    CAST(:chain_id AS BIGINT) AS chain_id,
    lower(:block_hash) AS block_hash,
    b.trace_path,
    CAST(:block_number AS BIGINT) AS block_number,
    CAST(:block_timestamp AS TIMESTAMPTZ) AS block_timestamp,
    lower(b.from_address) AS from_address,
    lower(b.to_address) AS to_address,
    b.value_eth,
    b.gas_price,
    b.gas_used,
    b.succeeded,
    public.whale_score(b.value_eth, b.succeeded) AS whale_score,
    CAST(:orphaned_at AS TIMESTAMPTZ) AS orphaned_at
FROM
    unnest(
        CAST(:hashes AS TEXT[]),
        CAST(:trace_paths AS TEXT[]),
        CAST(:from_addresses AS TEXT[]),
        CAST(:to_addresses AS TEXT[]),
        CAST(:values_eth AS NUMERIC[]),
        CAST(:gas_prices AS BIGINT[]),
        CAST(:gas_used AS BIGINT[]),
        CAST(:succeeded AS BOOLEAN[])
    ) WITH ORDINALITY AS b (
        hash,
        trace_path,
        from_address,
        to_address,
        value_eth,
        gas_price,
        gas_used,
        succeeded,
        position
    )
ORDER BY lower(b.hash) ASC, b.trace_path ASC, b.position ASC
ON CONFLICT (hash, chain_id, block_hash, trace_path) DO UPDATE
    SET
        gas_used = coalesce(excluded.gas_used, t.gas_used),
        succeeded = coalesce(excluded.succeeded, t.succeeded),
        whale_score = CASE
            WHEN excluded.succeeded <> t.succeeded OR t.succeeded IS NULL
                THEN public.whale_score(t.value_eth, excluded.succeeded)
            ELSE t.whale_score
        END,
        updated_at = now()
    WHERE (t.gas_used, t.succeeded) IS DISTINCT FROM (
        coalesce(excluded.gas_used, t.gas_used),
        coalesce(excluded.succeeded, t.succeeded)
    )
RETURNING
    t.hash,
    t.trace_path,
    (t.xmax = 0) AS inserted;

-- name: merge_rows()^
-- @staging whale_transactions
-- Adds rows of any blocks, or teaches stored ones what their receipts say, as merge does
-- each of them, in their order. Hashes and addresses are in lower case already: others are
-- refused. whale_score is stored as it is given, and where it is NULL left to score_missing;
-- that of a row that was there is computed when succeeded changes, as by merge.
-- Rows come sorted by their keys, and ctid keeps that order: two merges do not deadlock. The
-- key begins with the block, so that rows of one block are stored beside each other: sorted by
-- hash first the 100 newest lie on 102 to 138 pages, sorted so on 12 to 35.
-- Index: whale_transactions_pkey.
WITH merged AS (
    INSERT INTO public.whale_transactions AS t (
        hash,
        chain_id,
        block_hash,
        trace_path,
        block_number,
        block_timestamp,
        from_address,
        to_address,
        value_eth,
        gas_price,
        gas_used,
        succeeded,
        whale_score,
        orphaned_at
    )
    SELECT
        s.hash,
        s.chain_id,
        s.block_hash,
        s.trace_path,
        s.block_number,
        s.block_timestamp,
        s.from_address,
        s.to_address,
        s.value_eth,
        s.gas_price,
        s.gas_used,
        s.succeeded,
        s.whale_score,
        s.orphaned_at
    FROM pg_temp.whale_transactions_staging AS s
    ORDER BY s.ctid ASC
    ON CONFLICT (block_hash, hash, chain_id, trace_path) DO UPDATE
        SET
            gas_used = coalesce(excluded.gas_used, t.gas_used),
            succeeded = coalesce(excluded.succeeded, t.succeeded),
            whale_score = CASE
                WHEN excluded.succeeded <> t.succeeded OR t.succeeded IS NULL
                    THEN public.whale_score(t.value_eth, excluded.succeeded)
                ELSE t.whale_score
            END,
            updated_at = now()
        WHERE (t.gas_used, t.succeeded) IS DISTINCT FROM (
            coalesce(excluded.gas_used, t.gas_used),
            coalesce(excluded.succeeded, t.succeeded)
        )
    RETURNING (t.xmax = 0) AS inserted
)

SELECT
    count(*) FILTER (WHERE m.inserted) AS inserted,
    count(*) FILTER (WHERE NOT m.inserted) AS updated
FROM merged AS m;

-- name: fail_internal(chain_id, block_hash, hashes)
-- @returns FailedTransfer
-- Marks the internal transfers of transactions of a block that a receipt shows as failed:
-- what such a transaction moved was moved back. hashes are in lower case. Returns the hash
-- and trace path of each row that changes, in no particular order.
-- Index: whale_transactions_pkey.
UPDATE public.whale_transactions AS t
SET
    succeeded = FALSE,
    whale_score = public.whale_score(t.value_eth, FALSE),
    updated_at = now()
WHERE
    t.hash = any(CAST(:hashes AS TEXT[]))
    AND t.chain_id = :chain_id
    AND t.block_hash = lower(:block_hash)
    AND t.trace_path <> ''
    AND t.succeeded IS DISTINCT FROM FALSE
RETURNING
    t.hash,
    t.trace_path;

-- name: merge_blocks(chain_id, block_hashes, block_numbers, block_timestamps, hashes, trace_paths, from_addresses, to_addresses, values_eth, gas_prices, gas_used, succeeded)
-- @returns MergedTransfer
-- Merges the transfers of several blocks, none of them orphaned, given as arrays of equal
-- length, as merge_batch does those of one. Returns block, hash and trace path of each row that
-- was added (inserted is true) or changed (false), in no particular order; a row that was there
-- unchanged is not returned. Elements of to_addresses, gas_used and succeeded may be NULL. A
-- hash given twice for one block with one trace path counts once, its first element. Rows are
-- locked in the order of their keys, as by merge_batch.
-- Index: whale_transactions_pkey.
INSERT INTO public.whale_transactions AS t (
    hash,
    chain_id,
    block_hash,
    trace_path,
    block_number,
    block_timestamp,
    from_address,
    to_address,
    value_eth,
    gas_price,
    gas_used,
    succeeded,
    whale_score
)
SELECT DISTINCT ON (lower(b.block_hash), lower(b.hash), b.trace_path)
    lower(b.hash) AS hash,
    CAST(:chain_id AS BIGINT) AS chain_id,
    lower(b.block_hash) AS block_hash,
    b.trace_path,
    b.block_number,
    b.block_timestamp,
    lower(b.from_address) AS from_address,
    lower(b.to_address) AS to_address,
    b.value_eth,
    b.gas_price,
    b.gas_used,
    b.succeeded,
    public.whale_score(b.value_eth, b.succeeded) AS whale_score
FROM
    unnest(
        CAST(:block_hashes AS TEXT[]),
        CAST(:block_numbers AS BIGINT[]),
        CAST(:block_timestamps AS TIMESTAMPTZ[]),
        CAST(:hashes AS TEXT[]),
        CAST(:trace_paths AS TEXT[]),
        CAST(:from_addresses AS TEXT[]),
        CAST(:to_addresses AS TEXT[]),
        CAST(:values_eth AS NUMERIC[]),
        CAST(:gas_prices AS BIGINT[]),
        CAST(:gas_used AS BIGINT[]),
        CAST(:succeeded AS BOOLEAN[])
    ) WITH ORDINALITY AS b (
        block_hash,
        block_number,
        block_timestamp,
        hash,
        trace_path,
        from_address,
        to_address,
        value_eth,
        gas_price,
        gas_used,
        succeeded,
        position
    )
ORDER BY lower(b.block_hash) ASC, lower(b.hash) ASC, b.trace_path ASC, b.position ASC
ON CONFLICT (hash, chain_id, block_hash, trace_path) DO UPDATE
    SET
        gas_used = coalesce(excluded.gas_used, t.gas_used),
        succeeded = coalesce(excluded.succeeded, t.succeeded),
        whale_score = CASE
            WHEN excluded.succeeded <> t.succeeded OR t.succeeded IS NULL
                THEN public.whale_score(t.value_eth, excluded.succeeded)
            ELSE t.whale_score
        END,
        updated_at = now()
    WHERE (t.gas_used, t.succeeded) IS DISTINCT FROM (
        coalesce(excluded.gas_used, t.gas_used),
        coalesce(excluded.succeeded, t.succeeded)
    )
RETURNING
    t.block_hash,
    t.hash,
    t.trace_path,
    (t.xmax = 0) AS inserted;

-- name: get_by_hash(chain_id, hash)^
-- @batch
-- The canonical inclusion of a transaction itself, failed or not; no row when it is unknown
-- or only orphaned blocks hold it. The latest block wins should several claim it.
-- Index: idx_whale_transactions_hash.
SELECT
    t.id,
    t.hash,
    t.chain_id,
    t.block_hash,
    t.trace_path,
    t.block_number,
    t.block_timestamp,
    t.from_address,
    t.to_address,
    t.value_eth,
    t.value_usd,
    t.price_source,
    t.priced_at,
    t.gas_price,
    t.gas_used,
    t.succeeded,
    t.whale_score,
    t.orphaned_at,
    t.created_at,
    t.updated_at
FROM public.whale_transactions AS t
WHERE
    t.hash = lower(:hash)
    AND t.chain_id = :chain_id
    AND t.trace_path = ''
    AND t.orphaned_at IS NULL
ORDER BY t.block_number DESC, t.block_hash ASC
LIMIT 1;

-- name: get(hash, chain_id, block_hash, trace_path)^
-- @batch
-- One row by its full key, whether canonical or orphaned, failed or not.
-- Index: whale_transactions_pkey.
SELECT
    t.id,
    t.hash,
    t.chain_id,
    t.block_hash,
    t.trace_path,
    t.block_number,
    t.block_timestamp,
    t.from_address,
    t.to_address,
    t.value_eth,
    t.value_usd,
    t.price_source,
    t.priced_at,
    t.gas_price,
    t.gas_used,
    t.succeeded,
    t.whale_score,
    t.orphaned_at,
    t.created_at,
    t.updated_at
FROM public.whale_transactions AS t
WHERE
    t.hash = lower(:hash)
    AND t.chain_id = :chain_id
    AND t.block_hash = lower(:block_hash)
    AND t.trace_path = :trace_path;

-- name: list_inclusions(chain_id, hash)
-- Everything that is known of a transaction: each inclusion in a block, orphaned or not,
-- failed or not, with its internal transfers. By block number, block and trace path; the
-- first 1000 rows.
-- Index: idx_whale_transactions_hash.
SELECT
    t.id,
    t.hash,
    t.chain_id,
    t.block_hash,
    t.trace_path,
    t.block_number,
    t.block_timestamp,
    t.from_address,
    t.to_address,
    t.value_eth,
    t.value_usd,
    t.price_source,
    t.priced_at,
    t.gas_price,
    t.gas_used,
    t.succeeded,
    t.whale_score,
    t.orphaned_at,
    t.created_at,
    t.updated_at
FROM public.whale_transactions AS t
WHERE
    t.hash = lower(:hash)
    AND t.chain_id = :chain_id
ORDER BY t.block_number ASC, t.block_hash ASC, t.trace_path ASC
LIMIT 1000;

-- name: list_recent(min_value_eth, before_timestamp, before_hash, before_chain_id, before_block_hash, before_trace_path, max_rows)
-- @optional before_timestamp, before_hash, before_chain_id, before_block_hash, before_trace_path
-- Transfers of every chain worth at least min_value_eth, newest first; those that follow the
-- row named by the before parameters, where they are given.
-- Index: idx_whale_transactions_timestamp, backwards, from before_timestamp; value_eth is
-- filtered on the way.
SELECT
    t.id,
    t.hash,
    t.chain_id,
    t.block_hash,
    t.trace_path,
    t.block_number,
    t.block_timestamp,
    t.from_address,
    t.to_address,
    t.value_eth,
    t.value_usd,
    t.price_source,
    t.priced_at,
    t.gas_price,
    t.gas_used,
    t.succeeded,
    t.whale_score,
    t.orphaned_at,
    t.created_at,
    t.updated_at
FROM public.whale_transactions AS t
WHERE
    t.value_eth >= :min_value_eth
    AND (t.block_timestamp, t.hash, t.chain_id, t.block_hash, t.trace_path) < (
        :before_timestamp,
        lower(:before_hash),
        :before_chain_id,
        lower(:before_block_hash),
        :before_trace_path
    )
    AND t.orphaned_at IS NULL
    AND t.succeeded IS DISTINCT FROM FALSE
ORDER BY
    t.block_timestamp DESC,
    t.hash DESC,
    t.chain_id DESC,
    t.block_hash DESC,
    t.trace_path DESC
LIMIT :max_rows;

-- name: list_transfers(chain_id, min_value_eth, since, until, max_rows)
-- @optional min_value_eth
-- @optional since
-- @optional until
-- @order_by newest t.block_timestamp DESC, t.hash DESC, t.block_hash DESC, t.trace_path DESC
-- @order_by largest t.value_eth DESC, t.hash ASC, t.block_hash ASC, t.trace_path ASC
-- Transfers of one chain worth at least min_value_eth in [since, until), newest or largest
-- first. What is not given does not limit. To read on page by page take list_recent; for the
-- transfers of one address list_by_address.
-- Index: idx_whale_transactions_timestamp, backwards, for the newest;
-- idx_whale_transactions_value_eth, backwards, for the largest, but those of a period with
-- both ends may be sorted out of idx_whale_transactions_timestamp where that is narrower.
-- chain_id, and what of the filters the index does not hold, is filtered on the way.
SELECT
    t.id,
    t.hash,
    t.chain_id,
    t.block_hash,
    t.trace_path,
    t.block_number,
    t.block_timestamp,
    t.from_address,
    t.to_address,
    t.value_eth,
    t.value_usd,
    t.price_source,
    t.priced_at,
    t.gas_price,
    t.gas_used,
    t.succeeded,
    t.whale_score,
    t.orphaned_at,
    t.created_at,
    t.updated_at
FROM public.whale_transactions AS t
WHERE
    t.chain_id = :chain_id
    AND t.value_eth >= :min_value_eth
    AND t.block_timestamp >= :since
    AND t.block_timestamp < :until
    AND t.orphaned_at IS NULL
    AND t.succeeded IS DISTINCT FROM FALSE
ORDER BY t.block_timestamp DESC, t.hash DESC, t.block_hash DESC, t.trace_path DESC
LIMIT :max_rows;

-- name: list_highest_scored(chain_id, min_whale_score, since, max_rows)
-- Scored transfers of one chain since a time, highest score first.
-- Index: idx_whale_transactions_whale_score, backwards.
SELECT
    t.id,
    t.hash,
    t.chain_id,
    t.block_hash,
    t.trace_path,
    t.block_number,
    t.block_timestamp,
    t.from_address,
    t.to_address,
    t.value_eth,
    t.value_usd,
    t.price_source,
    t.priced_at,
    t.gas_price,
    t.gas_used,
    t.succeeded,
    t.whale_score,
    t.orphaned_at,
    t.created_at,
    t.updated_at
FROM public.whale_transactions AS t
WHERE
    t.chain_id = :chain_id
    AND t.whale_score >= :min_whale_score
    AND t.block_timestamp >= :since
    AND t.orphaned_at IS NULL
    AND t.succeeded IS DISTINCT FROM FALSE
ORDER BY t.whale_score DESC, t.hash ASC, t.block_hash ASC, t.trace_path ASC
LIMIT :max_rows;

-- name: list_by_block(chain_id, block_number, max_rows)
-- The canonical rows of one block, failed ones included, by hash and trace path.
-- Index: idx_whale_transactions_block_number.
SELECT
    t.id,
    t.hash,
    t.chain_id,
    t.block_hash,
    t.trace_path,
    t.block_number,
    t.block_timestamp,
    t.from_address,
    t.to_address,
    t.value_eth,
    t.value_usd,
    t.price_source,
    t.priced_at,
    t.gas_price,
    t.gas_used,
    t.succeeded,
    t.whale_score,
    t.orphaned_at,
    t.created_at,
    t.updated_at
FROM public.whale_transactions AS t
WHERE
    t.block_number = :block_number
    AND t.chain_id = :chain_id
    AND t.orphaned_at IS NULL
ORDER BY t.hash ASC, t.block_hash ASC, t.trace_path ASC
LIMIT :max_rows;

-- name: list_by_address(address, before_timestamp, before_hash, before_chain_id, before_block_hash, before_trace_path, max_rows)
-- @optional before_timestamp, before_hash, before_chain_id, before_block_hash, before_trace_path
-- @returns AddressTransfer
-- Transfers from or to an address on every chain, newest first; direction is out, in or
-- self. Those that follow the row named by the before parameters, where they are given.
-- Index: idx_whale_transactions_from_address and idx_whale_transactions_to_address, both
-- backwards, from before_timestamp, and merged. Each half has its own order and limit, because
-- without them, or with OR in place of UNION ALL, every row of a busy address is read and
-- sorted.
SELECT
    t.hash,
    t.chain_id,
    t.block_hash,
    t.trace_path,
    t.block_number,
    t.block_timestamp,
    t.from_address,
    t.to_address,
    t.value_eth,
    t.value_usd,
    CASE
        WHEN t.from_address <> lower(:address) THEN 'in'
        WHEN t.to_address = lower(:address) THEN 'self'
        ELSE 'out'
    END AS direction
FROM (
    (
        SELECT
            s.hash,
            s.chain_id,
            s.block_hash,
            s.trace_path,
            s.block_number,
            s.block_timestamp,
            s.from_address,
            s.to_address,
            s.value_eth,
            s.value_usd
        FROM public.whale_transfers AS s
        WHERE
            s.from_address = lower(:address)
            AND (s.block_timestamp, s.hash, s.chain_id, s.block_hash, s.trace_path) < (
                :before_timestamp,
                lower(:before_hash),
                :before_chain_id,
                lower(:before_block_hash),
                :before_trace_path
            )
        ORDER BY
            s.block_timestamp DESC,
            s.hash DESC,
            s.chain_id DESC,
            s.block_hash DESC,
            s.trace_path DESC
        LIMIT :max_rows
    )
    UNION ALL
    (
        SELECT
            r.hash,
            r.chain_id,
            r.block_hash,
            r.trace_path,
            r.block_number,
            r.block_timestamp,
            r.from_address,
            r.to_address,
            r.value_eth,
            r.value_usd
        FROM public.whale_transfers AS r
        WHERE
            r.to_address = lower(:address)
            AND r.from_address <> lower(:address)
            AND (r.block_timestamp, r.hash, r.chain_id, r.block_hash, r.trace_path) < (
                :before_timestamp,
                lower(:before_hash),
                :before_chain_id,
                lower(:before_block_hash),
                :before_trace_path
            )
        ORDER BY
            r.block_timestamp DESC,
            r.hash DESC,
            r.chain_id DESC,
            r.block_hash DESC,
            r.trace_path DESC
        LIMIT :max_rows
    )
) AS t
ORDER BY
    t.block_timestamp DESC,
    t.hash DESC,
    t.chain_id DESC,
    t.block_hash DESC,
    t.trace_path DESC
LIMIT :max_rows;

-- name: count_since(chain_id, min_value_eth, since)$
-- @timeout 10s
-- How many transfers of one chain worth at least min_value_eth there are since a time.
-- Ends after 10 s: it reads everything since then.
-- Index: idx_whale_transactions_timestamp.
SELECT count(*) AS transfer_count
FROM public.whale_transactions AS t
WHERE
    t.chain_id = :chain_id
    AND t.value_eth >= :min_value_eth
    AND t.block_timestamp >= :since
    AND t.orphaned_at IS NULL
    AND t.succeeded IS DISTINCT FROM FALSE;

-- name: count_failed_since(chain_id, min_value_eth, since)$
-- @timeout 10s
-- How many canonical transactions of one chain worth at least min_value_eth failed since a
-- time, and so moved nothing; those without a receipt are not among them.
-- Ends after 10 s: it reads everything since then.
-- Index: idx_whale_transactions_timestamp.
SELECT count(*) AS failed_count
FROM public.whale_transactions AS t
WHERE
    t.chain_id = :chain_id
    AND t.value_eth >= :min_value_eth
    AND t.block_timestamp >= :since
    AND t.orphaned_at IS NULL
    AND NOT t.succeeded;

-- name: list_orphaned_blocks(chain_id, since, until, max_rows)
-- @returns OrphanedBlock
-- @timeout 10s
-- Blocks of a period which left the chain of one network by a reorganisation, highest number
-- first, then by hash, each with how many of its rows are marked, failed ones included. A
-- block of which no row is stored is left out. orphaned_at is when the first was marked.
-- Ends after 10 s: it reads the whole period.
-- Index: idx_whale_transactions_timestamp.
SELECT
    t.block_number,
    t.block_hash,
    t.block_timestamp,
    min(t.orphaned_at) AS orphaned_at,
    count(*) AS row_count
FROM public.whale_transactions AS t
WHERE
    t.chain_id = :chain_id
    AND t.block_timestamp >= :since
    AND t.block_timestamp < :until
    AND t.orphaned_at IS NOT NULL
GROUP BY t.block_number, t.block_hash, t.block_timestamp
ORDER BY t.block_number DESC, t.block_hash ASC
LIMIT :max_rows;

-- name: stream_since(chain_id, since)
-- All transfers of one chain since a time, oldest first.
-- Index: idx_whale_transactions_timestamp.
SELECT
    t.id,
    t.hash,
    t.chain_id,
    t.block_hash,
    t.trace_path,
    t.block_number,
    t.block_timestamp,
    t.from_address,
    t.to_address,
    t.value_eth,
    t.value_usd,
    t.price_source,
    t.priced_at,
    t.gas_price,
    t.gas_used,
    t.succeeded,
    t.whale_score,
    t.orphaned_at,
    t.created_at,
    t.updated_at
FROM public.whale_transactions AS t
WHERE
    t.chain_id = :chain_id
    AND t.block_timestamp >= :since
    AND t.orphaned_at IS NULL
    AND t.succeeded IS DISTINCT FROM FALSE
ORDER BY t.block_timestamp ASC, t.hash ASC, t.block_hash ASC, t.trace_path ASC;

-- name: update_receipt(hash, chain_id, block_hash, trace_path, gas_used, succeeded)!
-- Writes what the receipt says. succeeded is NULL where the receipt has no status;
-- whale_score is computed anew when it changes. Belongs in one transaction with
-- alert_events.settle, as what a failed transaction fired does not stand.
-- Affects 1 row, or 0 when there is no such row or it says so already.
-- Index: whale_transactions_pkey.
UPDATE public.whale_transactions AS t
SET
    gas_used = :gas_used,
    succeeded = :succeeded,
    whale_score = CASE
        WHEN t.succeeded IS DISTINCT FROM :succeeded
            THEN public.whale_score(t.value_eth, :succeeded)
        ELSE t.whale_score
    END,
    updated_at = now()
WHERE
    t.hash = lower(:hash)
    AND t.chain_id = :chain_id
    AND t.block_hash = lower(:block_hash)
    AND t.trace_path = :trace_path
    AND (t.gas_used, t.succeeded) IS DISTINCT FROM (:gas_used, :succeeded);

-- name: update_usd_price(hash, chain_id, block_hash, trace_path, value_usd, price_source, priced_at)!
-- Writes the value in US dollars, rounded to cents, with its source and time; all three NULL
-- take it back.
-- Affects 1 row, or 0 when there is no such row or it says so already.
-- Index: whale_transactions_pkey.
UPDATE public.whale_transactions AS t
SET
    value_usd = :value_usd,
    price_source = :price_source,
    priced_at = :priced_at,
    updated_at = now()
WHERE
    t.hash = lower(:hash)
    AND t.chain_id = :chain_id
    AND t.block_hash = lower(:block_hash)
    AND t.trace_path = :trace_path
    AND (t.value_usd, t.price_source, t.priced_at) IS DISTINCT FROM (
        CAST(:value_usd AS NUMERIC(20, 2)),
        :price_source,
        :priced_at
    );

-- name: update_whale_score(hash, chain_id, block_hash, trace_path, whale_score)!
-- Writes the score, 0 to 1, rounded to four decimals; NULL takes it back.
-- Affects 1 row, or 0 when there is no such row or it says so already.
-- Index: whale_transactions_pkey.
UPDATE public.whale_transactions AS t
SET
    whale_score = :whale_score,
    updated_at = now()
WHERE
    t.hash = lower(:hash)
    AND t.chain_id = :chain_id
    AND t.block_hash = lower(:block_hash)
    AND t.trace_path = :trace_path
    AND t.whale_score IS DISTINCT FROM CAST(:whale_score AS NUMERIC(5, 4));

-- name: orphan_blocks(chain_id, block_numbers, block_hashes)!
-- Marks the rows of blocks that a reorganisation took out of the chain, given as arrays of
-- equal length (hashes in lower case); belongs in one transaction with blocks.orphan_branch.
-- Rows marked before keep their time. Affects as many rows as were canonical.
-- Index: idx_whale_transactions_block_number.
UPDATE public.whale_transactions AS t
SET
    orphaned_at = now(),
    updated_at = now()
FROM
    unnest(
        CAST(:block_numbers AS BIGINT[]),
        CAST(:block_hashes AS TEXT[])
    ) AS b (number, hash)
WHERE
    t.block_number = b.number
    AND t.chain_id = :chain_id
    AND t.block_hash = b.hash
    AND t.orphaned_at IS NULL;

-- name: restore_blocks(chain_id, block_numbers, block_hashes)!
-- Takes back orphan_blocks, for blocks that a second reorganisation returned to the chain
-- (hashes in lower case); belongs in one transaction with blocks.restore_branch. Affects as
-- many rows as were orphaned.
-- Index: idx_whale_transactions_block_number.
UPDATE public.whale_transactions AS t
SET
    orphaned_at = NULL,
    updated_at = now()
FROM
    unnest(
        CAST(:block_numbers AS BIGINT[]),
        CAST(:block_hashes AS TEXT[])
    ) AS b (number, hash)
WHERE
    t.block_number = b.number
    AND t.chain_id = :chain_id
    AND t.block_hash = b.hash
    AND t.orphaned_at IS NOT NULL;

-- name: delete(hash, chain_id, block_hash, trace_path)!
-- Removes one row by its full key. Affects 1 row, or 0 when there is none.
-- A reorganisation never deletes; it marks, with orphan_blocks.
-- Index: whale_transactions_pkey.
DELETE FROM public.whale_transactions AS t
WHERE
    t.hash = lower(:hash)
    AND t.chain_id = :chain_id
    AND t.block_hash = lower(:block_hash)
    AND t.trace_path = :trace_path;

-- name: list_top_addresses(chain_id, since, until, max_rows)
-- @returns AddressVolume
-- @timeout 20s
-- The addresses that gained or lost most ether in a period, both together, largest volume
-- first, then by address. Net within a transaction, hops do not count: of a sum that passes
-- from A over B to C A sent and C received, and B is left out. Of a contract creation the
-- sender alone is known. transaction_count are those in which the address did not end even.
-- Ends after 20 s: it reads the whole period, and may be asked for years.
-- Index: idx_whale_transactions_timestamp.
SELECT
    f.address,
    count(*) AS transaction_count,
    sum(greatest(-f.net_eth, 0)) AS sent_eth,
    sum(greatest(f.net_eth, 0)) AS received_eth,
    sum(abs(f.net_eth)) AS volume_eth
FROM public.whale_net_flows AS f
WHERE
    f.chain_id = :chain_id
    AND f.block_timestamp >= :since
    AND f.block_timestamp < :until
    AND f.address IS NOT NULL
GROUP BY f.address
ORDER BY volume_eth DESC, f.address ASC
LIMIT :max_rows;

-- name: list_top_addresses_by_hops(chain_id, since, until, max_rows)
-- @returns AddressHopVolume
-- @timeout 20s
-- The addresses that most ether went through in a period, sent and received together, largest
-- volume first, then by address. Each hop counts: a contract that passes a sum on has received
-- and sent it. A transfer to oneself counts once in transfer_count and on both sides of the
-- volume; a contract creation counts for its sender alone.
-- Ends after 20 s: it reads the whole period, and may be asked for years.
-- Index: idx_whale_transactions_timestamp.
SELECT
    m.address,
    sum(m.counted) AS transfer_count,
    sum(m.sent_eth) AS hop_sent_eth,
    sum(m.received_eth) AS hop_received_eth,
    sum(m.sent_eth + m.received_eth) AS hop_volume_eth
FROM public.whale_transfers AS t
CROSS JOIN
    LATERAL (
        VALUES
        (t.from_address, t.value_eth, CAST(0 AS NUMERIC), 1),
        (
            t.to_address,
            CAST(0 AS NUMERIC),
            t.value_eth,
            CASE WHEN t.to_address = t.from_address THEN 0 ELSE 1 END
        )
    ) AS m (address, sent_eth, received_eth, counted)
WHERE
    t.chain_id = :chain_id
    AND t.block_timestamp >= :since
    AND t.block_timestamp < :until
    AND m.address IS NOT NULL
GROUP BY m.address
ORDER BY hop_volume_eth DESC, m.address ASC
LIMIT :max_rows;

-- name: list_volume_by_hour(chain_id, since, until)
-- @returns HourlyVolume
-- @timeout 20s
-- Volume of one chain in a period by hour (UTC), oldest hour first; hours without a transfer
-- are left out. volume_eth is net within each transaction: a sum that passes through several
-- addresses counts once. hop_volume_eth and transfer_count count each hop; largest_eth is the
-- largest single transfer. The first 8784 hours, a leap year.
-- Ends after 20 s: it reads the whole period, and may be asked for years.
-- Index: idx_whale_transactions_timestamp.
SELECT
    date_trunc('hour', v.block_timestamp, 'UTC') AS hour,
    count(*) AS transaction_count,
    sum(CAST(v.transfer_count AS INTEGER)) AS transfer_count,
    sum(v.volume_eth) AS volume_eth,
    sum(v.hop_volume_eth) AS hop_volume_eth,
    max(v.largest_eth) AS largest_eth
FROM public.whale_transaction_volumes AS v
WHERE
    v.chain_id = :chain_id
    AND v.block_timestamp >= :since
    AND v.block_timestamp < :until
GROUP BY date_trunc('hour', v.block_timestamp, 'UTC')
ORDER BY hour ASC
LIMIT 8784;

-- name: reprice_from_market(chain_id, exchange, symbol, interval, after_timestamp, after_hash, after_block_hash, after_trace_path, until, again, max_rows)^
-- @returns PricedBatch
-- Prices the next max_rows rows of a chain after the given key and before until, by time,
-- hash, block_hash and trace_path, and returns what became of them. Begin with
-- (since, '', '', '') as the key, go on with the last_ ones, and end at a row_count of 0,
-- where those are NULL.
-- The price is the close of the last candle that had ended at block_timestamp, which must
-- have ended less than one interval before it, and been written when it had ended: nothing
-- from after the transfer, nothing old, nothing half. Without one a row is left as it is
-- (without_price_count), as where value_usd cannot hold the amount or the close is not above
-- 0 (refused_count, refused_hashes). Candles of 1M have no length and price nothing.
-- The symbol must be the price of the chain's native unit in US dollars.
-- Rows with a price are passed over, unless again is true: then a price that differs, in
-- amount or source, is replaced. Orphaned and failed rows are priced too: a block can come
-- back, and a price does not say that value moved.
-- Rows are locked in the order of the key, so that ingestion and a second run wait for each
-- other instead of deadlocking.
-- Index: idx_whale_transactions_timestamp, market_data_pkey, whale_transactions_pkey.
WITH batch AS (
    SELECT
        t.hash,
        t.chain_id,
        t.block_hash,
        t.trace_path,
        t.block_timestamp,
        t.value_eth
    FROM public.whale_transactions AS t
    WHERE
        t.chain_id = :chain_id
        AND (t.block_timestamp, t.hash, t.block_hash, t.trace_path) > (
            :after_timestamp,
            lower(:after_hash),
            lower(:after_block_hash),
            :after_trace_path
        )
        AND t.block_timestamp < :until
        AND (t.value_usd IS NULL OR :again)
    ORDER BY t.block_timestamp ASC, t.hash ASC, t.block_hash ASC, t.trace_path ASC
    LIMIT :max_rows
    FOR NO KEY UPDATE
),

quoted AS (
    SELECT
        b.hash,
        b.chain_id,
        b.block_hash,
        b.trace_path,
        c.close,
        round(b.value_eth * c.close, 2) AS value_usd,
        c.close > 0 AND round(b.value_eth * c.close, 2) < 1e18 AS storable,
        'market_data:' || :exchange || ':' || :symbol || ':' || :interval AS price_source
    FROM batch AS b
    LEFT JOIN
        LATERAL (
            SELECT m.close
            FROM public.market_data AS m
            WHERE
                m.symbol = :symbol
                AND m.exchange = :exchange
                AND m.interval = :interval
                AND m.open_time <= b.block_timestamp - public.candle_length(:interval)
                AND m.open_time > b.block_timestamp - 2 * public.candle_length(:interval)
                AND m.updated_at >= m.open_time + public.candle_length(:interval)
            ORDER BY m.open_time DESC
            LIMIT 1
        ) AS c
        ON TRUE
),

changed AS (
    UPDATE public.whale_transactions AS t
    SET
        value_usd = q.value_usd,
        price_source = q.price_source,
        priced_at = now(),
        updated_at = now()
    FROM quoted AS q
    WHERE
        t.hash = q.hash
        AND t.chain_id = q.chain_id
        AND t.block_hash = q.block_hash
        AND t.trace_path = q.trace_path
        AND q.storable
        AND (t.value_usd, t.price_source) IS DISTINCT FROM (q.value_usd, q.price_source)
    RETURNING t.hash
),

summed AS (
    SELECT
        count(*) AS row_count,
        count(*) FILTER (WHERE q.close IS NULL) AS without_price_count,
        count(*) FILTER (WHERE NOT q.storable) AS refused_count,
        coalesce(
            array_agg(q.hash ORDER BY q.hash) FILTER (WHERE NOT q.storable), CAST('{}' AS TEXT[])
        ) AS refused_hashes
    FROM quoted AS q
),

written AS (
    SELECT count(c.hash) AS priced_count
    FROM changed AS c
),

last_row AS (
    SELECT
        b.block_timestamp,
        b.hash,
        b.block_hash,
        b.trace_path
    FROM batch AS b
    ORDER BY b.block_timestamp DESC, b.hash DESC, b.block_hash DESC, b.trace_path DESC
    LIMIT 1
)

SELECT
    s.row_count,
    w.priced_count,
    s.without_price_count,
    s.refused_count,
    s.refused_hashes,
    l.block_timestamp AS last_timestamp,
    l.hash AS last_hash,
    l.block_hash AS last_block_hash,
    l.trace_path AS last_trace_path
FROM summed AS s
CROSS JOIN written AS w
LEFT JOIN last_row AS l ON TRUE;

-- name: reprice_at(chain_id, price_usd, price_source, after_timestamp, after_hash, after_block_hash, after_trace_path, until, again, max_rows)^
-- @returns PricedBatch
-- Prices the next max_rows rows of a chain at a price that somebody gives, in US dollars for
-- one of the chain's native units, and returns what became of them; without_price_count is 0.
-- Keys, order, locks, again and refused rows are those of reprice_from_market. A price holds
-- for the period it is given for and no longer: since, in the first key, and until bound it.
-- Index: idx_whale_transactions_timestamp, whale_transactions_pkey.
WITH batch AS (
    SELECT
        t.hash,
        t.chain_id,
        t.block_hash,
        t.trace_path,
        t.block_timestamp,
        t.value_eth
    FROM public.whale_transactions AS t
    WHERE
        t.chain_id = :chain_id
        AND (t.block_timestamp, t.hash, t.block_hash, t.trace_path) > (
            :after_timestamp,
            lower(:after_hash),
            lower(:after_block_hash),
            :after_trace_path
        )
        AND t.block_timestamp < :until
        AND (t.value_usd IS NULL OR :again)
    ORDER BY t.block_timestamp ASC, t.hash ASC, t.block_hash ASC, t.trace_path ASC
    LIMIT :max_rows
    FOR NO KEY UPDATE
),

quoted AS (
    SELECT
        b.hash,
        b.chain_id,
        b.block_hash,
        b.trace_path,
        round(b.value_eth * CAST(:price_usd AS NUMERIC), 2) AS value_usd,
        CAST(:price_usd AS NUMERIC) > 0
        AND round(b.value_eth * CAST(:price_usd AS NUMERIC), 2) < 1e18 AS storable
    FROM batch AS b
),

changed AS (
    UPDATE public.whale_transactions AS t
    SET
        value_usd = q.value_usd,
        price_source = :price_source,
        priced_at = now(),
        updated_at = now()
    FROM quoted AS q
    WHERE
        t.hash = q.hash
        AND t.chain_id = q.chain_id
        AND t.block_hash = q.block_hash
        AND t.trace_path = q.trace_path
        AND q.storable
        AND (t.value_usd, t.price_source) IS DISTINCT FROM (q.value_usd, :price_source)
    RETURNING t.hash
),

summed AS (
    SELECT
        count(*) AS row_count,
        count(*) FILTER (WHERE NOT q.storable) AS refused_count,
        coalesce(
            array_agg(q.hash ORDER BY q.hash) FILTER (WHERE NOT q.storable), CAST('{}' AS TEXT[])
        ) AS refused_hashes
    FROM quoted AS q
),

written AS (
    SELECT count(c.hash) AS priced_count
    FROM changed AS c
),

last_row AS (
    SELECT
        b.block_timestamp,
        b.hash,
        b.block_hash,
        b.trace_path
    FROM batch AS b
    ORDER BY b.block_timestamp DESC, b.hash DESC, b.block_hash DESC, b.trace_path DESC
    LIMIT 1
)

SELECT
    s.row_count,
    w.priced_count,
    CAST(0 AS BIGINT) AS without_price_count,
    s.refused_count,
    s.refused_hashes,
    l.block_timestamp AS last_timestamp,
    l.hash AS last_hash,
    l.block_hash AS last_block_hash,
    l.trace_path AS last_trace_path
FROM summed AS s
CROSS JOIN written AS w
LEFT JOIN last_row AS l ON TRUE;

-- name: score_missing(max_rows)!
-- Scores up to max_rows rows that were stored before scores were, by public.whale_score.
-- Affects as many rows as it scored: call it until that is 0. Rows that another transaction
-- holds are passed over, and scored by a later call.
-- Index: idx_whale_transactions_whale_score, whose NULLs stand together, whale_transactions_pkey.
-- The batch is materialised: as a subquery it is run again for each row, and skips on.
WITH batch AS MATERIALIZED (
    SELECT
        s.hash,
        s.chain_id,
        s.block_hash,
        s.trace_path
    FROM public.whale_transactions AS s
    WHERE s.whale_score IS NULL
    ORDER BY s.whale_score ASC
    LIMIT :max_rows
    FOR NO KEY UPDATE SKIP LOCKED
)

UPDATE public.whale_transactions AS t
SET
    whale_score = public.whale_score(t.value_eth, t.succeeded),
    updated_at = now()
FROM batch AS b
WHERE
    t.hash = b.hash
    AND t.chain_id = b.chain_id
    AND t.block_hash = b.block_hash
    AND t.trace_path = b.trace_path
    AND t.whale_score IS NULL;
