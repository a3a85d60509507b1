-- Smart-money patterns found in candles. Owner: analysis.
-- detected_at: open time of the bar; price_level: quote currency of the symbol;
-- confidence_score: 0 to 1, NULL when the detector gives none; metadata: what the detector
-- says beyond that, a JSON object or NULL. status is active, mitigated, invalidated or
-- expired. Time ranges are half open, [since, until).
-- The natural key is (symbol, exchange, time_frame, pattern_type, detected_at, price_level).

-- name: insert(exchange, symbol, pattern_type, time_frame, detected_at, price_level, confidence_score, status, metadata)<!
-- Adds a pattern and returns it whole. One that is there already is a unique violation; use
-- merge where it may be.
-- Index: smc_patterns_natural_key.
INSERT INTO public.smc_patterns AS t (
    exchange,
    symbol,
    pattern_type,
    time_frame,
    detected_at,
    price_level,
    confidence_score,
    status,
    metadata
)
VALUES (
    :exchange,
    :symbol,
    :pattern_type,
    :time_frame,
    :detected_at,
    :price_level,
    :confidence_score,
    :status,
    :metadata
)
RETURNING
    t.id,
    t.exchange,
    t.symbol,
    t.pattern_type,
    t.time_frame,
    t.detected_at,
    t.price_level,
    t.confidence_score,
    t.status,
    t.metadata,
    t.created_at,
    t.updated_at;

-- name: merge(exchange, symbol, pattern_type, time_frame, detected_at, price_level, confidence_score, status, metadata)<!
-- Adds a pattern, or writes what a newer analysis says of it. A NULL confidence_score or
-- metadata leaves the stored one.
-- Returns true when added, false when changed, and no row when there was nothing to change.
-- Index: smc_patterns_natural_key.
INSERT INTO public.smc_patterns AS t (
    exchange,
    symbol,
    pattern_type,
    time_frame,
    detected_at,
    price_level,
    confidence_score,
    status,
    metadata
)
VALUES (
    :exchange,
    :symbol,
    :pattern_type,
    :time_frame,
    :detected_at,
    :price_level,
    :confidence_score,
    :status,
    :metadata
)
ON CONFLICT (symbol, exchange, time_frame, pattern_type, detected_at, price_level) DO UPDATE
    SET
        confidence_score = coalesce(excluded.confidence_score, t.confidence_score),
        status = excluded.status,
        metadata = coalesce(excluded.metadata, t.metadata),
        updated_at = now()
    WHERE (t.confidence_score, t.status, t.metadata) IS DISTINCT FROM (
        coalesce(excluded.confidence_score, t.confidence_score),
        excluded.status,
        coalesce(excluded.metadata, t.metadata)
    )
RETURNING (t.xmax = 0) AS inserted;

-- name: merge_batch(exchange, symbol, time_frame, pattern_types, detected_ats, price_levels, confidence_scores, statuses, metadatas)
-- @returns MergedPattern
-- Merges the patterns of one chart, given as arrays of equal length, as merge does one.
-- Returns each pattern that was added (inserted is true) or changed (false), in no
-- particular order; a pattern that was there unchanged is not returned.
-- Elements of confidence_scores and metadatas may be NULL. Of a pattern given twice the last
-- element counts. Rows are locked in the order of their keys, so that two batches do not
-- deadlock.
-- Index: smc_patterns_natural_key.
INSERT INTO public.smc_patterns AS t (
    exchange,
    symbol,
    pattern_type,
    time_frame,
    detected_at,
    price_level,
    confidence_score,
    status,
    metadata
)
SELECT DISTINCT ON (b.pattern_type, b.detected_at, b.price_level)
    CAST(:exchange AS TEXT) AS exchange,
    CAST(:symbol AS TEXT) AS symbol,
    b.pattern_type,
    CAST(:time_frame AS TEXT) AS time_frame,
    b.detected_at,
    b.price_level,
    b.confidence_score,
    b.status,
    b.metadata
FROM
    unnest(
        CAST(:pattern_types AS TEXT[]),
        CAST(:detected_ats AS TIMESTAMPTZ[]),
        CAST(:price_levels AS NUMERIC[]),
        CAST(:confidence_scores AS NUMERIC[]),
        CAST(:statuses AS TEXT[]),
        CAST(:metadatas AS JSONB[])
    ) WITH ORDINALITY AS b (
        pattern_type,
        detected_at,
        price_level,
        confidence_score,
        status,
        metadata,
        position
    )
ORDER BY
    b.pattern_type ASC,
    b.detected_at ASC,
    b.price_level ASC,
    b.position DESC
ON CONFLICT (symbol, exchange, time_frame, pattern_type, detected_at, price_level) DO UPDATE
    SET
        confidence_score = coalesce(excluded.confidence_score, t.confidence_score),
        status = excluded.status,
        metadata = coalesce(excluded.metadata, t.metadata),
        updated_at = now()
    WHERE (t.confidence_score, t.status, t.metadata) IS DISTINCT FROM (
        coalesce(excluded.confidence_score, t.confidence_score),
        excluded.status,
        coalesce(excluded.metadata, t.metadata)
    )
RETURNING
    t.id,
    t.pattern_type,
    t.detected_at,
    t.price_level,
    (t.xmax = 0) AS inserted;

-- name: get(id)^
-- One pattern.
-- Index: smc_patterns_pkey.
SELECT
    t.id,
    t.exchange,
    t.symbol,
    t.pattern_type,
    t.time_frame,
    t.detected_at,
    t.price_level,
    t.confidence_score,
    t.status,
    t.metadata,
    t.created_at,
    t.updated_at
FROM public.smc_patterns AS t
WHERE t.id = :id;

-- name: list_active_near_price(symbol, price_level, within, max_rows)
-- The active patterns of one symbol at most within away from a price, nearest first, then
-- newest.
-- Index: idx_smc_patterns_status.
SELECT
    t.id,
    t.exchange,
    t.symbol,
    t.pattern_type,
    t.time_frame,
    t.detected_at,
    t.price_level,
    t.confidence_score,
    t.status,
    t.metadata,
    t.created_at,
    t.updated_at
FROM public.smc_patterns AS t
WHERE
    t.status = 'active'
    AND t.symbol = :symbol
    AND t.price_level >= CAST(:price_level AS NUMERIC) - CAST(:within AS NUMERIC)
    AND t.price_level <= CAST(:price_level AS NUMERIC) + CAST(:within AS NUMERIC)
ORDER BY
    abs(t.price_level - CAST(:price_level AS NUMERIC)) ASC,
    t.detected_at DESC,
    t.id ASC
LIMIT :max_rows;

-- name: list_by_chart(exchange, symbol, time_frame, after_pattern_type, after_detected_at, after_price_level, max_rows)
-- @optional after_pattern_type, after_detected_at, after_price_level
-- The patterns of one chart by type, time and price; those that follow the pattern named by
-- the after parameters, where they are given.
-- Index: smc_patterns_natural_key.
SELECT
    t.id,
    t.exchange,
    t.symbol,
    t.pattern_type,
    t.time_frame,
    t.detected_at,
    t.price_level,
    t.confidence_score,
    t.status,
    t.metadata,
    t.created_at,
    t.updated_at
FROM public.smc_patterns AS t
WHERE
    t.symbol = :symbol
    AND t.exchange = :exchange
    AND t.time_frame = :time_frame
    AND (t.pattern_type, t.detected_at, t.price_level) > (
        :after_pattern_type,
        :after_detected_at,
        :after_price_level
    )
ORDER BY t.pattern_type ASC, t.detected_at ASC, t.price_level ASC
LIMIT :max_rows;

-- name: list_by_type(pattern_type, before_detected_at, before_id, max_rows)
-- @optional before_detected_at, before_id
-- The patterns of one type on every chart, newest first; those that follow the pattern named
-- by the before parameters, where they are given.
-- Index: idx_smc_patterns_pattern_type, backwards, from before_detected_at.
SELECT
    t.id,
    t.exchange,
    t.symbol,
    t.pattern_type,
    t.time_frame,
    t.detected_at,
    t.price_level,
    t.confidence_score,
    t.status,
    t.metadata,
    t.created_at,
    t.updated_at
FROM public.smc_patterns AS t
WHERE
    t.pattern_type = :pattern_type
    AND (t.detected_at, t.id) < (:before_detected_at, :before_id)
ORDER BY t.detected_at DESC, t.id DESC
LIMIT :max_rows;

-- name: list_all(after_id, max_rows)
-- @optional after_id
-- Every pattern by id; those after the given one, where it is given.
-- Index: smc_patterns_pkey.
SELECT
    t.id,
    t.exchange,
    t.symbol,
    t.pattern_type,
    t.time_frame,
    t.detected_at,
    t.price_level,
    t.confidence_score,
    t.status,
    t.metadata,
    t.created_at,
    t.updated_at
FROM public.smc_patterns AS t
WHERE t.id > :after_id
ORDER BY t.id ASC
LIMIT :max_rows;

-- name: count(symbol)$
-- How many patterns of one symbol there are, of any status.
-- Index: smc_patterns_natural_key; from PostgreSQL 18 on also idx_smc_patterns_status, whose
-- few statuses it skips through.
SELECT count(*) AS pattern_count
FROM public.smc_patterns AS t
WHERE t.symbol = :symbol;

-- name: count_by_status(symbol)
-- @returns PatternStatusCount
-- How many patterns of one symbol each status has, by status; a status without any is left
-- out.
-- Index: smc_patterns_natural_key; from PostgreSQL 18 on also idx_smc_patterns_status, whose
-- few statuses it skips through.
SELECT
    t.status,
    count(*) AS pattern_count
FROM public.smc_patterns AS t
WHERE t.symbol = :symbol
GROUP BY t.status
ORDER BY t.status ASC;

-- name: stream_by_symbol(symbol)
-- All patterns of one symbol by exchange, time frame, type, time and price.
-- Index: smc_patterns_natural_key; from PostgreSQL 18 on also idx_smc_patterns_status, whose
-- few statuses it skips through.
SELECT
    t.id,
    t.exchange,
    t.symbol,
    t.pattern_type,
    t.time_frame,
    t.detected_at,
    t.price_level,
    t.confidence_score,
    t.status,
    t.metadata,
    t.created_at,
    t.updated_at
FROM public.smc_patterns AS t
WHERE t.symbol = :symbol
ORDER BY
    t.exchange ASC,
    t.time_frame ASC,
    t.pattern_type ASC,
    t.detected_at ASC,
    t.price_level ASC;

-- name: update_status(id, status)!
-- Writes the status. Affects 1 row, or 0 when there is no such pattern or it says so
-- already.
-- Index: smc_patterns_pkey.
UPDATE public.smc_patterns AS t
SET
    status = :status,
    updated_at = now()
WHERE
    t.id = :id
    AND t.status <> :status;

-- name: delete(id)!
-- Removes one pattern. Affects 1 row, or 0 when there is none.
-- Index: smc_patterns_pkey.
DELETE FROM public.smc_patterns AS t
WHERE t.id = :id;
