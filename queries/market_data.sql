-- Candles, partitioned by the UTC month of open_time. Owner: market data.
-- open, high, low, close: quote currency, negative for some spreads; volume: base currency;
-- trade_count: NULL where the exchange does not say. interval is one of the closed list that
-- the table names. Time ranges are half open, [since, until).
-- The key is (symbol, exchange, interval, open_time). A candle outside the months that were
-- made is refused (23514): call ensure_months before writing.

-- name: ensure_months(first, last)$
-- Makes the partitions of the months from first to last, both included, where they are
-- missing, and returns how many were made. At most 240 months a call.
-- Takes a lock until the transaction ends; concurrent calls wait, readers and writers of
-- other months do not.
SELECT public.ensure_market_data_months(:first, :last) AS "months_made!";

-- name: insert(exchange, symbol, interval, open_time, open, high, low, close, volume, trade_count)<!
-- Adds a candle and returns it whole. One that is there already is a unique violation; use
-- merge where it may be.
-- Index: market_data_pkey.
INSERT INTO public.market_data AS t (
    exchange,
    symbol,
    interval,
    open_time,
    open,
    high,
    low,
    close,
    volume,
    trade_count
)
VALUES (
    :exchange,
    :symbol,
    :interval,
    :open_time,
    :open,
    :high,
    :low,
    :close,
    :volume,
    :trade_count
)
RETURNING
    t.exchange,
    t.symbol,
    t.interval,
    t.open_time,
    t.open,
    t.high,
    t.low,
    t.close,
    t.volume,
    t.trade_count,
    t.created_at,
    t.updated_at;

-- name: merge(exchange, symbol, interval, open_time, open, high, low, close, volume, trade_count)<!
-- @batch merge_many by symbol, exchange, interval, open_time
-- Adds a candle, or writes the newer state of one that was still open. A NULL trade_count
-- leaves the stored one.
-- Returns true when this transaction added it (xmax, which other tables ask, is not to be had
-- of a partitioned one), false when changed, and no row when there was nothing to change.
-- Index: market_data_pkey.
INSERT INTO public.market_data AS t (
    exchange,
    symbol,
    interval,
    open_time,
    open,
    high,
    low,
    close,
    volume,
    trade_count
)
VALUES (
    :exchange,
    :symbol,
    :interval,
    :open_time,
    :open,
    :high,
    :low,
    :close,
    :volume,
    :trade_count
)
ON CONFLICT (symbol, exchange, interval, open_time) DO UPDATE
    SET
        open = excluded.open,
        high = excluded.high,
        low = excluded.low,
        close = excluded.close,
        volume = excluded.volume,
        trade_count = coalesce(excluded.trade_count, t.trade_count),
        updated_at = now()
    WHERE (t.open, t.high, t.low, t.close, t.volume, t.trade_count) IS DISTINCT FROM (
        excluded.open,
        excluded.high,
        excluded.low,
        excluded.close,
        excluded.volume,
        coalesce(excluded.trade_count, t.trade_count)
    )
RETURNING (t.created_at = t.updated_at) AS inserted;

-- name: merge_many(exchange, symbol, interval, open_time, open, high, low, close, volume, trade_count)
-- @returns MergedOrdinal
-- Merges candles as merge does one, given as arrays of equal length; what calls of merge become
-- that are made at the same time. Returns the position among the given, from 1, of each that
-- was added (inserted is true) or changed (false); one that was there unchanged is not
-- returned.
-- A candle given twice is an error (21000), and nothing is written.
-- Rows are locked in the order of their keys, so that two such statements do not deadlock.
-- Index: market_data_pkey.
WITH given AS MATERIALIZED (
    SELECT
        g.ordinal,
        g.exchange,
        g.symbol,
        g.interval,
        g.open_time,
        g.open,
        g.high,
        g.low,
        g.close,
        g.volume,
        g.trade_count
    FROM
        unnest(
            CAST(:exchange AS TEXT[]),
            CAST(:symbol AS TEXT[]),
            CAST(:interval AS TEXT[]),
            CAST(:open_time AS TIMESTAMPTZ[]),
            CAST(:open AS NUMERIC[]),
            CAST(:high AS NUMERIC[]),
            CAST(:low AS NUMERIC[]),
            CAST(:close AS NUMERIC[]),
            CAST(:volume AS NUMERIC[]),
            CAST(:trade_count AS BIGINT[])
        ) WITH ORDINALITY AS g (
            exchange,
            symbol,
            interval,
            open_time,
            open,
            high,
            low,
            close,
            volume,
            trade_count,
            ordinal
        )
),

written AS (
    INSERT INTO public.market_data AS t (
        exchange,
        symbol,
        interval,
        open_time,
        open,
        high,
        low,
        close,
        volume,
        trade_count
    )
    SELECT
        g.exchange,
        g.symbol,
        g.interval,
        g.open_time,
        g.open,
        g.high,
        g.low,
        g.close,
        g.volume,
        g.trade_count
    FROM given AS g
    ORDER BY g.symbol ASC, g.exchange ASC, g.interval ASC, g.open_time ASC
    ON CONFLICT (symbol, exchange, interval, open_time) DO UPDATE
        SET
            open = excluded.open,
            high = excluded.high,
            low = excluded.low,
            close = excluded.close,
            volume = excluded.volume,
            trade_count = coalesce(excluded.trade_count, t.trade_count),
            updated_at = now()
        WHERE (t.open, t.high, t.low, t.close, t.volume, t.trade_count) IS DISTINCT FROM (
            excluded.open,
            excluded.high,
            excluded.low,
            excluded.close,
            excluded.volume,
            coalesce(excluded.trade_count, t.trade_count)
        )
    RETURNING
        t.symbol,
        t.exchange,
        t.interval,
        t.open_time,
        (t.created_at = t.updated_at) AS inserted
)

SELECT
    g.ordinal,
    w.inserted
FROM written AS w
INNER JOIN given AS g
    ON
        w.symbol = g.symbol
        AND w.exchange = g.exchange
        AND w.interval = g.interval
        AND w.open_time = g.open_time;

-- name: merge_batch(exchange, symbol, interval, open_times, opens, highs, lows, closes, volumes, trade_counts)
-- @returns MergedCandle
-- Merges candles of one chart, given as arrays of equal length, as merge does one.
-- Returns the open_time of each candle that this transaction added (inserted is true) or that
-- was changed (false), in no particular order; one that was there unchanged is not returned.
-- Elements of trade_counts may be NULL. Of a candle given twice the last element counts.
-- Rows are locked in the order of their keys, so that two batches do not deadlock.
-- Index: market_data_pkey.
INSERT INTO public.market_data AS t (
    exchange,
    symbol,
    interval,
    open_time,
    open,
    high,
    low,
    close,
    volume,
    trade_count
)
SELECT DISTINCT ON (b.open_time)
    CAST(:exchange AS TEXT) AS exchange,
    CAST(:symbol AS TEXT) AS symbol,
    CAST(:interval AS TEXT) AS interval,
    b.open_time,
    b.open,
    b.high,
    b.low,
    b.close,
    b.volume,
    b.trade_count
FROM
    unnest(
        CAST(:open_times AS TIMESTAMPTZ[]),
        CAST(:opens AS NUMERIC[]),
        CAST(:highs AS NUMERIC[]),
        CAST(:lows AS NUMERIC[]),
        CAST(:closes AS NUMERIC[]),
        CAST(:volumes AS NUMERIC[]),
        CAST(:trade_counts AS BIGINT[])
    ) WITH ORDINALITY AS b (
        open_time,
        open,
        high,
        low,
        close,
        volume,
        trade_count,
        position
    )
ORDER BY b.open_time ASC, b.position DESC
ON CONFLICT (symbol, exchange, interval, open_time) DO UPDATE
    SET
        open = excluded.open,
        high = excluded.high,
        low = excluded.low,
        close = excluded.close,
        volume = excluded.volume,
        trade_count = coalesce(excluded.trade_count, t.trade_count),
        updated_at = now()
    WHERE (t.open, t.high, t.low, t.close, t.volume, t.trade_count) IS DISTINCT FROM (
        excluded.open,
        excluded.high,
        excluded.low,
        excluded.close,
        excluded.volume,
        coalesce(excluded.trade_count, t.trade_count)
    )
RETURNING
    t.open_time,
    (t.created_at = t.updated_at) AS inserted;

-- name: merge_rows()^
-- @staging market_data
-- Adds candles of any charts, or writes the newer state of ones that were still open, as
-- merge does each of them, in their order. A month that ensure_months has not made before
-- is refused with its rows.
-- Rows come sorted by their keys, and ctid keeps that order: two merges do not deadlock.
-- Index: market_data_pkey.
WITH merged AS (
    INSERT INTO public.market_data AS t (
        exchange,
        symbol,
        interval,
        open_time,
        open,
        high,
        low,
        close,
        volume,
        trade_count
    )
    SELECT
        s.exchange,
        s.symbol,
        s.interval,
        s.open_time,
        s.open,
        s.high,
        s.low,
        s.close,
        s.volume,
        s.trade_count
    FROM pg_temp.market_data_staging AS s
    ORDER BY s.ctid ASC
    ON CONFLICT (symbol, exchange, interval, open_time) DO UPDATE
        SET
            open = excluded.open,
            high = excluded.high,
            low = excluded.low,
            close = excluded.close,
            volume = excluded.volume,
            trade_count = coalesce(excluded.trade_count, t.trade_count),
            updated_at = now()
        WHERE (t.open, t.high, t.low, t.close, t.volume, t.trade_count) IS DISTINCT FROM (
            excluded.open,
            excluded.high,
            excluded.low,
            excluded.close,
            excluded.volume,
            coalesce(excluded.trade_count, t.trade_count)
        )
    RETURNING (t.created_at = t.updated_at) AS inserted
)

SELECT
    count(*) FILTER (WHERE m.inserted) AS inserted,
    count(*) FILTER (WHERE NOT m.inserted) AS updated
FROM merged AS m;

-- name: get(exchange, symbol, interval, open_time)^
-- @batch
-- One candle.
-- Index: market_data_pkey.
SELECT
    t.exchange,
    t.symbol,
    t.interval,
    t.open_time,
    t.open,
    t.high,
    t.low,
    t.close,
    t.volume,
    t.trade_count,
    t.created_at,
    t.updated_at
FROM public.market_data AS t
WHERE
    t.symbol = :symbol
    AND t.exchange = :exchange
    AND t.interval = :interval
    AND t.open_time = :open_time;

-- name: get_latest(exchange, symbol, interval)^
-- The newest candle of a chart.
-- Index: market_data_pkey, backwards, newest month first.
SELECT
    t.exchange,
    t.symbol,
    t.interval,
    t.open_time,
    t.open,
    t.high,
    t.low,
    t.close,
    t.volume,
    t.trade_count,
    t.created_at,
    t.updated_at
FROM public.market_data AS t
WHERE
    t.symbol = :symbol
    AND t.exchange = :exchange
    AND t.interval = :interval
ORDER BY t.open_time DESC
LIMIT 1;

-- name: list_candles(exchange, symbol, interval, since, after_open_time, until, max_rows)
-- @optional after_open_time
-- The candles of a chart in a period, oldest first; those after the candle of
-- after_open_time, where it is given.
-- Index: market_data_pkey; only the months of the period are read.
SELECT
    t.exchange,
    t.symbol,
    t.interval,
    t.open_time,
    t.open,
    t.high,
    t.low,
    t.close,
    t.volume,
    t.trade_count,
    t.created_at,
    t.updated_at
FROM public.market_data AS t
WHERE
    t.symbol = :symbol
    AND t.exchange = :exchange
    AND t.interval = :interval
    AND t.open_time >= :since
    AND t.open_time > :after_open_time
    AND t.open_time < :until
ORDER BY t.open_time ASC
LIMIT :max_rows;

-- name: list_recent(exchange, symbol, interval, before_open_time, max_rows)
-- @optional before_open_time
-- The newest candles of a chart, newest first; those before the candle of before_open_time,
-- where it is given.
-- Index: market_data_pkey, backwards, newest month first, from before_open_time.
SELECT
    t.exchange,
    t.symbol,
    t.interval,
    t.open_time,
    t.open,
    t.high,
    t.low,
    t.close,
    t.volume,
    t.trade_count,
    t.created_at,
    t.updated_at
FROM public.market_data AS t
WHERE
    t.symbol = :symbol
    AND t.exchange = :exchange
    AND t.interval = :interval
    AND t.open_time < :before_open_time
ORDER BY t.open_time DESC
LIMIT :max_rows;

-- name: count(exchange, symbol, interval, since, until)$
-- How many candles of a chart there are in a period.
-- Index: market_data_pkey; only the months of the period are read.
SELECT count(*) AS candle_count
FROM public.market_data AS t
WHERE
    t.symbol = :symbol
    AND t.exchange = :exchange
    AND t.interval = :interval
    AND t.open_time >= :since
    AND t.open_time < :until;

-- name: stream_candles(exchange, symbol, interval, since, until)
-- All candles of a chart in a period, oldest first.
-- Index: market_data_pkey; only the months of the period are read.
SELECT
    t.exchange,
    t.symbol,
    t.interval,
    t.open_time,
    t.open,
    t.high,
    t.low,
    t.close,
    t.volume,
    t.trade_count,
    t.created_at,
    t.updated_at
FROM public.market_data AS t
WHERE
    t.symbol = :symbol
    AND t.exchange = :exchange
    AND t.interval = :interval
    AND t.open_time >= :since
    AND t.open_time < :until
ORDER BY t.open_time ASC;

-- name: delete_range(exchange, symbol, interval, since, until)!
-- Removes the candles of a chart in a period. Affects as many rows as there were.
-- Index: market_data_pkey; only the months of the period are read.
DELETE FROM public.market_data AS t
WHERE
    t.symbol = :symbol
    AND t.exchange = :exchange
    AND t.interval = :interval
    AND t.open_time >= :since
    AND t.open_time < :until;

-- name: list_gaps(exchange, symbol, since, until, max_rows)
-- @optional exchange
-- @optional symbol
-- @returns CandleGap
-- @timeout 60s
-- Candles that are missing between the first and the last one of each chart in a period, as
-- ranges: by symbol, exchange and interval, oldest first. Of one exchange or symbol, where it
-- is given. missing_count candles begin at first_open_time, at last_open_time and between.
-- Candles follow each other by public.candle_length, those of 1M by the months of UTC. Hours
-- in which nothing is traded are gaps too: no table knows them.
-- For workers, readers and the tables' owner: refused (42501) to authenticated, which reads candles
-- but may not call candle_length.
-- Ends after 60 s: it reads every candle of the period.
-- Index: market_data_pkey; only the months of the period are read. The charts are found by
-- stepping from one to the next, so that the candles of one are read in order.
WITH RECURSIVE charts AS (
    (
        SELECT
            f.symbol,
            f.exchange,
            f.interval
        FROM public.market_data AS f
        WHERE
            f.symbol = :symbol
            AND f.exchange = :exchange
            AND f.open_time >= :since
            AND f.open_time < :until
        ORDER BY f.symbol ASC, f.exchange ASC, f.interval ASC
        LIMIT 1
    )
    UNION ALL
    SELECT
        n.symbol,
        n.exchange,
        n.interval
    FROM charts AS c
    CROSS JOIN
        LATERAL (
            SELECT
                m.symbol,
                m.exchange,
                m.interval
            FROM public.market_data AS m
            WHERE
                (m.symbol, m.exchange, m.interval) > (c.symbol, c.exchange, c.interval)
                AND m.symbol = :symbol
                AND m.exchange = :exchange
                AND m.open_time >= :since
                AND m.open_time < :until
            ORDER BY m.symbol ASC, m.exchange ASC, m.interval ASC
            LIMIT 1
        ) AS n
)

SELECT
    c.exchange,
    c.symbol,
    c.interval,
    CAST(g.missing_count AS BIGINT) AS missing_count,
    (g.open_time + g.step) AT TIME ZONE 'UTC' AS first_open_time,
    (g.open_time + g.missing_count * g.step) AT TIME ZONE 'UTC' AS last_open_time
FROM charts AS c
CROSS JOIN
    LATERAL (
        SELECT
            s.open_time,
            s.step,
            CASE c.interval
                WHEN '1M'
                    THEN
                        12 * extract(YEAR FROM s.next_open_time)
                        + extract(MONTH FROM s.next_open_time)
                        - 12 * extract(YEAR FROM s.open_time)
                        - extract(MONTH FROM s.open_time)
                ELSE
                    floor(
                        extract(EPOCH FROM s.next_open_time - s.open_time)
                        / extract(EPOCH FROM s.step)
                    )
            END - 1 AS missing_count
        FROM (
            SELECT
                t.open_time AT TIME ZONE 'UTC' AS open_time,
                lead(t.open_time) OVER (ORDER BY t.open_time) AT TIME ZONE 'UTC'
                    AS next_open_time,
                coalesce(public.candle_length(c.interval), INTERVAL '1 month') AS step
            FROM public.market_data AS t
            WHERE
                t.symbol = c.symbol
                AND t.exchange = c.exchange
                AND t.interval = c.interval
                AND t.open_time >= :since
                AND t.open_time < :until
        ) AS s
    ) AS g
WHERE g.missing_count > 0
ORDER BY c.symbol ASC, c.exchange ASC, c.interval ASC, g.open_time ASC
LIMIT :max_rows;
