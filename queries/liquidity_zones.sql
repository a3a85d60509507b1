-- Price levels with resting orders in the books of exchanges. Owner: market data.
-- price_level: quote currency of the symbol; size: base currency; strength: 0 to 1, NULL
-- until it was judged. side is bid or ask. A level whose size became 0 is deleted.
-- The natural key is (symbol, exchange, side, price_level).

-- name: insert(price_level, size, side, strength, exchange, symbol)<!
-- Adds a level and returns it whole. One that is there already is a unique violation; use
-- merge where it may be.
-- Index: idx_liquidity_zones_symbol.
INSERT INTO public.liquidity_zones AS t (
    price_level,
    size,
    side,
    strength,
    exchange,
    symbol
)
VALUES (
    :price_level,
    :size,
    :side,
    :strength,
    :exchange,
    :symbol
)
RETURNING
    t.id,
    t.price_level,
    t.size,
    t.side,
    t.strength,
    t.exchange,
    t.symbol,
    t.created_at,
    t.updated_at;

-- name: merge(price_level, size, side, strength, exchange, symbol)<!
-- @batch merge_many by symbol, exchange, side, price_level
-- Adds a level, or writes its new size. A NULL strength leaves the stored one.
-- Returns true when added, false when changed, and no row when there was nothing to change.
-- Index: idx_liquidity_zones_symbol.
INSERT INTO public.liquidity_zones AS t (
    price_level,
    size,
    side,
    strength,
    exchange,
    symbol
)
VALUES (
    :price_level,
    :size,
    :side,
    :strength,
    :exchange,
    :symbol
)
ON CONFLICT (symbol, exchange, side, price_level) DO UPDATE
    SET
        size = excluded.size,
        strength = coalesce(excluded.strength, t.strength),
        updated_at = now()
    WHERE (t.size, t.strength) IS DISTINCT FROM (
        excluded.size,
        coalesce(excluded.strength, t.strength)
    )
RETURNING (t.xmax = 0) AS inserted;

-- name: merge_many(price_level, size, side, strength, exchange, symbol)
-- @returns MergedOrdinal
-- Merges levels as merge does one, given as arrays of equal length; what calls of merge become
-- that are made at the same time. Returns the position among the given, from 1, of each that
-- was added (inserted is true) or changed (false); one that was there unchanged is not
-- returned.
-- A level given twice is an error (21000), and nothing is written.
-- Rows are locked in the order of their keys, so that two such statements do not deadlock.
-- Index: idx_liquidity_zones_symbol.
WITH given AS MATERIALIZED (
    SELECT
        g.ordinal,
        g.price_level,
        g.size,
        g.side,
        g.strength,
        g.exchange,
        g.symbol
    FROM
        unnest(
            CAST(:price_level AS NUMERIC[]),
            CAST(:size AS NUMERIC[]),
            CAST(:side AS TEXT[]),
            CAST(:strength AS NUMERIC[]),
            CAST(:exchange AS TEXT[]),
            CAST(:symbol AS TEXT[])
        ) WITH ORDINALITY AS g (
            price_level,
            size,
            side,
            strength,
            exchange,
            symbol,
            ordinal
        )
),

written AS (
    INSERT INTO public.liquidity_zones AS t (
        price_level,
        size,
        side,
        strength,
        exchange,
        symbol
    )
    SELECT
        g.price_level,
        g.size,
        g.side,
        g.strength,
        g.exchange,
        g.symbol
    FROM given AS g
    ORDER BY g.symbol ASC, g.exchange ASC, g.side ASC, g.price_level ASC
    ON CONFLICT (symbol, exchange, side, price_level) DO UPDATE
        SET
            size = excluded.size,
            strength = coalesce(excluded.strength, t.strength),
            updated_at = now()
        WHERE (t.size, t.strength) IS DISTINCT FROM (
            excluded.size,
            coalesce(excluded.strength, t.strength)
        )
    RETURNING
        t.symbol,
        t.exchange,
        t.side,
        t.price_level,
        (t.xmax = 0) AS inserted
)

SELECT
    g.ordinal,
    w.inserted
FROM written AS w
INNER JOIN given AS g
    ON
        w.symbol = g.symbol
        AND w.exchange = g.exchange
        AND w.side = g.side
        AND w.price_level = g.price_level;

-- name: merge_batch(exchange, symbol, sides, price_levels, sizes, strengths)
-- @returns MergedLevel
-- Merges levels of one book, given as arrays of equal length, as merge does one.
-- Returns each level that was added (inserted is true) or changed (false), in no particular
-- order; a level that was there unchanged is not returned.
-- Elements of strengths may be NULL. Of a level given twice the last element counts, as in
-- a feed. A size of 0 is a check violation; those levels go to delete_levels.
-- Rows are locked in the order of their keys, so that two batches do not deadlock.
-- Index: idx_liquidity_zones_symbol.
INSERT INTO public.liquidity_zones AS t (
    exchange,
    symbol,
    side,
    price_level,
    size,
    strength
)
SELECT DISTINCT ON (b.side, b.price_level)
    CAST(:exchange AS TEXT) AS exchange,
    CAST(:symbol AS TEXT) AS symbol,
    b.side,
    b.price_level,
    b.size,
    b.strength
FROM
    unnest(
        CAST(:sides AS TEXT[]),
        CAST(:price_levels AS NUMERIC[]),
        CAST(:sizes AS NUMERIC[]),
        CAST(:strengths AS NUMERIC[])
    ) WITH ORDINALITY AS b (side, price_level, size, strength, position)
ORDER BY b.side ASC, b.price_level ASC, b.position DESC
ON CONFLICT (symbol, exchange, side, price_level) DO UPDATE
    SET
        size = excluded.size,
        strength = coalesce(excluded.strength, t.strength),
        updated_at = now()
    WHERE (t.size, t.strength) IS DISTINCT FROM (
        excluded.size,
        coalesce(excluded.strength, t.strength)
    )
RETURNING
    t.side,
    t.price_level,
    (t.xmax = 0) AS inserted;

-- name: merge_rows()^
-- @staging liquidity_zones
-- Adds levels of any books, or writes their new sizes, as merge does each of them, in their
-- order. A size of 0 is a check violation; those levels go to delete_levels.
-- Rows come sorted by their keys, and ctid keeps that order: two merges do not deadlock.
-- Index: idx_liquidity_zones_symbol.
WITH merged AS (
    INSERT INTO public.liquidity_zones AS t (
        exchange,
        symbol,
        side,
        price_level,
        size,
        strength
    )
    SELECT
        s.exchange,
        s.symbol,
        s.side,
        s.price_level,
        s.size,
        s.strength
    FROM pg_temp.liquidity_zones_staging AS s
    ORDER BY s.ctid ASC
    ON CONFLICT (symbol, exchange, side, price_level) DO UPDATE
        SET
            size = excluded.size,
            strength = coalesce(excluded.strength, t.strength),
            updated_at = now()
        WHERE (t.size, t.strength) IS DISTINCT FROM (
            excluded.size,
            coalesce(excluded.strength, t.strength)
        )
    RETURNING (t.xmax = 0) AS inserted
)

SELECT
    count(*) FILTER (WHERE m.inserted) AS inserted,
    count(*) FILTER (WHERE NOT m.inserted) AS updated
FROM merged AS m;

-- name: get(id)^
-- One level.
-- Index: liquidity_zones_pkey.
SELECT
    t.id,
    t.price_level,
    t.size,
    t.side,
    t.strength,
    t.exchange,
    t.symbol,
    t.created_at,
    t.updated_at
FROM public.liquidity_zones AS t
WHERE t.id = :id;

-- name: get_level(exchange, symbol, side, price_level)^
-- One level by its natural key.
-- Index: idx_liquidity_zones_symbol.
SELECT
    t.id,
    t.price_level,
    t.size,
    t.side,
    t.strength,
    t.exchange,
    t.symbol,
    t.created_at,
    t.updated_at
FROM public.liquidity_zones AS t
WHERE
    t.symbol = :symbol
    AND t.exchange = :exchange
    AND t.side = :side
    AND t.price_level = :price_level;

-- name: list_in_price_range(min_price, max_price, side)
-- The levels of one side from min_price to max_price, both included, of every exchange and
-- symbol, by price, then symbol and exchange. The first 1000 levels.
-- Index: idx_liquidity_zones_side, or idx_liquidity_zones_price_level where that is narrower.
SELECT
    t.id,
    t.price_level,
    t.size,
    t.side,
    t.strength,
    t.exchange,
    t.symbol,
    t.created_at,
    t.updated_at
FROM public.liquidity_zones AS t
WHERE
    t.side = :side
    AND t.price_level BETWEEN :min_price AND :max_price
ORDER BY t.price_level ASC, t.symbol ASC, t.exchange ASC
LIMIT 1000;

-- name: list_by_symbol(symbol, after_exchange, after_side, after_price_level, max_rows)
-- @optional after_exchange, after_side, after_price_level
-- The levels of one symbol by exchange, side and price; those that follow the level named by
-- the after parameters, where they are given.
-- Index: idx_liquidity_zones_symbol.
SELECT
    t.id,
    t.price_level,
    t.size,
    t.side,
    t.strength,
    t.exchange,
    t.symbol,
    t.created_at,
    t.updated_at
FROM public.liquidity_zones AS t
WHERE
    t.symbol = :symbol
    AND (t.exchange, t.side, t.price_level) > (
        :after_exchange,
        :after_side,
        :after_price_level
    )
ORDER BY t.exchange ASC, t.side ASC, t.price_level ASC
LIMIT :max_rows;

-- name: list_all(after_symbol, after_exchange, after_side, after_price_level, max_rows)
-- @optional after_symbol, after_exchange, after_side, after_price_level
-- Every level by symbol, exchange, side and price; those after the given key, where it is
-- given.
-- Index: idx_liquidity_zones_symbol.
SELECT
    t.id,
    t.price_level,
    t.size,
    t.side,
    t.strength,
    t.exchange,
    t.symbol,
    t.created_at,
    t.updated_at
FROM public.liquidity_zones AS t
WHERE
    (t.symbol, t.exchange, t.side, t.price_level) > (
        :after_symbol,
        :after_exchange,
        :after_side,
        :after_price_level
    )
ORDER BY t.symbol ASC, t.exchange ASC, t.side ASC, t.price_level ASC
LIMIT :max_rows;

-- name: list_depth_around(symbol, price, within, max_rows)
-- @returns DepthAround
-- What rests at most within away from a price, in the quote currency: levels, total size and
-- the lowest and highest price of each exchange and side, by exchange, then side.
-- Index: idx_liquidity_zones_symbol, or idx_liquidity_zones_price_level where that is
-- narrower.
SELECT
    t.exchange,
    t.side,
    count(*) AS level_count,
    sum(t.size) AS total_size,
    min(t.price_level) AS lowest_price,
    max(t.price_level) AS highest_price
FROM public.liquidity_zones AS t
WHERE
    t.symbol = :symbol
    AND t.price_level >= CAST(:price AS NUMERIC) - CAST(:within AS NUMERIC)
    AND t.price_level <= CAST(:price AS NUMERIC) + CAST(:within AS NUMERIC)
GROUP BY t.exchange, t.side
ORDER BY t.exchange ASC, t.side ASC
LIMIT :max_rows;

-- name: count(exchange, symbol)$
-- How many levels the book of one exchange and symbol has.
-- Index: idx_liquidity_zones_symbol.
SELECT count(*) AS level_count
FROM public.liquidity_zones AS t
WHERE
    t.symbol = :symbol
    AND t.exchange = :exchange;

-- name: stream_by_symbol(symbol)
-- All levels of one symbol by exchange, side and price.
-- Index: idx_liquidity_zones_symbol.
SELECT
    t.id,
    t.price_level,
    t.size,
    t.side,
    t.strength,
    t.exchange,
    t.symbol,
    t.created_at,
    t.updated_at
FROM public.liquidity_zones AS t
WHERE t.symbol = :symbol
ORDER BY t.exchange ASC, t.side ASC, t.price_level ASC;

-- name: update_strength(id, strength)!
-- Writes the strength, 0 to 1, rounded to four decimals; NULL takes it back.
-- Affects 1 row, or 0 when there is no such level or it says so already.
-- Index: liquidity_zones_pkey.
UPDATE public.liquidity_zones AS t
SET
    strength = :strength,
    updated_at = now()
WHERE
    t.id = :id
    AND t.strength IS DISTINCT FROM CAST(:strength AS NUMERIC(5, 4));

-- name: delete(id)!
-- Removes one level. Affects 1 row, or 0 when there is none.
-- Index: liquidity_zones_pkey.
DELETE FROM public.liquidity_zones AS t
WHERE t.id = :id;

-- name: delete_level(exchange, symbol, side, price_level)!
-- Removes one level by its natural key, as a size of 0 in a feed says. Affects 1 row, or 0
-- when there is none.
-- Index: idx_liquidity_zones_symbol.
DELETE FROM public.liquidity_zones AS t
WHERE
    t.symbol = :symbol
    AND t.exchange = :exchange
    AND t.side = :side
    AND t.price_level = :price_level;

-- name: delete_levels(exchange, symbol, sides, price_levels)!
-- Removes levels of one book, given as arrays of equal length. Affects as many rows as there
-- were.
-- Rows are locked in the order of their keys, as merge_batch does, so that the two do not
-- deadlock.
-- Index: idx_liquidity_zones_symbol; liquidity_zones_pkey to remove where that is narrower.
WITH locked AS MATERIALIZED (
    SELECT s.id
    FROM public.liquidity_zones AS s
    INNER JOIN
        unnest(
            CAST(:sides AS TEXT[]),
            CAST(:price_levels AS NUMERIC[])
        ) AS b (side, price_level)
        ON s.side = b.side AND s.price_level = b.price_level
    WHERE
        s.symbol = :symbol
        AND s.exchange = :exchange
    ORDER BY s.side ASC, s.price_level ASC
    FOR UPDATE OF s
)

DELETE FROM public.liquidity_zones AS t
WHERE
    t.symbol = :symbol
    AND t.exchange = :exchange
    AND t.id IN (SELECT k.id FROM locked AS k);

-- name: delete_book(exchange, symbol)!
-- Removes every level of one exchange and symbol, before a new snapshot is merged in the
-- same transaction. Affects as many rows as there were.
-- Rows are locked in the order of their keys, as merge_batch does, so that the two do not
-- deadlock.
-- Index: idx_liquidity_zones_symbol; liquidity_zones_pkey to remove where that is narrower.
WITH locked AS MATERIALIZED (
    SELECT s.id
    FROM public.liquidity_zones AS s
    WHERE
        s.symbol = :symbol
        AND s.exchange = :exchange
    ORDER BY s.side ASC, s.price_level ASC
    FOR UPDATE OF s
)

DELETE FROM public.liquidity_zones AS t
WHERE
    t.symbol = :symbol
    AND t.exchange = :exchange
    AND t.id IN (SELECT k.id FROM locked AS k);
