-- What users want to be told about. Owner: accounts.
-- conditions: a JSON object whose members depend on alert_type; the comment of the column names
-- them, a CHECK of each type holds them. enabled: false pauses an alert.
-- Under row level security an API role sees and writes its own alerts only; the statements
-- without mine in their name are for a server that decides itself whose they are.

-- name: insert(user_id, alert_type, conditions, enabled)<!
-- Adds an alert for a user and returns it whole.
-- Index: alerts_pkey.
INSERT INTO public.alerts AS t (
    user_id,
    alert_type,
    conditions,
    enabled
)
VALUES (
    :user_id,
    :alert_type,
    :conditions,
    :enabled
)
RETURNING
    t.id,
    t.user_id,
    t.alert_type,
    t.conditions,
    t.enabled,
    t.created_at,
    t.updated_at;

-- name: insert_mine(alert_type, conditions, enabled)<!
-- Adds an alert for the user of the session (auth.uid(), the default of user_id) and returns
-- it whole. Without a user in the session it is refused: by row level security where that
-- applies, else as a not-null violation.
-- Index: alerts_pkey.
INSERT INTO public.alerts AS t (
    alert_type,
    conditions,
    enabled
)
VALUES (
    :alert_type,
    :conditions,
    :enabled
)
RETURNING
    t.id,
    t.user_id,
    t.alert_type,
    t.conditions,
    t.enabled,
    t.created_at,
    t.updated_at;

-- name: merge(id, user_id, alert_type, conditions, enabled)<!
-- Adds an alert under an id that the caller chose, or writes it anew.
-- Returns true when added, false when changed, and no row when there was nothing to change
-- or the alert is the one of another user; an alert never changes hands.
-- For the tables' owner, not in a user's name: refused (42501) to authenticated, which may not
-- choose an id, and to workers, which only read alerts.
-- Index: alerts_pkey.
INSERT INTO public.alerts AS t (
    id,
    user_id,
    alert_type,
    conditions,
    enabled
)
VALUES (
    :id,
    :user_id,
    :alert_type,
    :conditions,
    :enabled
)
ON CONFLICT (id) DO UPDATE
    SET
        alert_type = excluded.alert_type,
        conditions = excluded.conditions,
        enabled = excluded.enabled,
        updated_at = now()
    WHERE (
        t.user_id = excluded.user_id
        AND (t.alert_type, t.conditions, t.enabled) IS DISTINCT FROM (
            excluded.alert_type,
            excluded.conditions,
            excluded.enabled
        )
    )
RETURNING (t.xmax = 0) AS inserted;

-- name: get(id)^
-- @batch
-- One alert.
-- Index: alerts_pkey.
SELECT
    t.id,
    t.user_id,
    t.alert_type,
    t.conditions,
    t.enabled,
    t.created_at,
    t.updated_at
FROM public.alerts AS t
WHERE t.id = :id;

-- name: list_by_user(user_id, before_created_at, before_id, max_rows)
-- @optional before_created_at, before_id
-- The alerts of a user, newest first; those that follow the alert named by the before
-- parameters, where they are given.
-- Index: idx_alerts_user_id, backwards, from before_created_at.
SELECT
    t.id,
    t.user_id,
    t.alert_type,
    t.conditions,
    t.enabled,
    t.created_at,
    t.updated_at
FROM public.alerts AS t
WHERE
    t.user_id = :user_id
    AND (t.created_at, t.id) < (:before_created_at, :before_id)
ORDER BY t.created_at DESC, t.id DESC
LIMIT :max_rows;

-- name: list_mine(before_created_at, before_id, max_rows)
-- @optional before_created_at, before_id
-- The alerts of the user of the session (auth.uid()), newest first; none where the session has no
-- user; refused (42501) to roles without a grant. Those that follow the alert named by the before
-- parameters, where they are given.
-- Index: idx_alerts_user_id, backwards, from before_created_at.
SELECT
    t.id,
    t.user_id,
    t.alert_type,
    t.conditions,
    t.enabled,
    t.created_at,
    t.updated_at
FROM public.alerts AS t
WHERE
    t.user_id = (SELECT auth.uid())
    AND (t.created_at, t.id) < (:before_created_at, :before_id)
ORDER BY t.created_at DESC, t.id DESC
LIMIT :max_rows;

-- name: list_enabled(after_id, max_rows)
-- @optional after_id
-- The enabled alerts of every user by id; those after the given one, where it is given. To find
-- those that new rows fire there are list_matching and its siblings.
-- Index: alerts_pkey; enabled is filtered on the way.
SELECT
    t.id,
    t.user_id,
    t.alert_type,
    t.conditions,
    t.enabled,
    t.created_at,
    t.updated_at
FROM public.alerts AS t
WHERE
    t.id > :after_id
    AND t.enabled
ORDER BY t.id ASC
LIMIT :max_rows;

-- name: list_enabled_with_owner(after_id, max_rows)
-- @optional after_id
-- @returns AlertWithOwner
-- The enabled alerts of every user by id, each with the profile of its owner, as who sends a
-- notification needs them; those after the given one, where it is given.
-- owner is None for an account that never made a profile.
-- Index: alerts_pkey; enabled is filtered on the way. users_pkey for the profiles.
SELECT
    t.id AS "alert.id",
    t.user_id AS "alert.user_id",
    t.alert_type AS "alert.alert_type",
    t.conditions AS "alert.conditions",
    t.enabled AS "alert.enabled",
    t.created_at AS "alert.created_at",
    t.updated_at AS "alert.updated_at",
    u.id AS "owner.id",
    u.display_name AS "owner.display_name",
    u.preferences AS "owner.preferences",
    u.created_at AS "owner.created_at",
    u.updated_at AS "owner.updated_at"
FROM public.alerts AS t
LEFT JOIN public.users AS u ON t.user_id = u.id
WHERE
    t.id > :after_id
    AND t.enabled
ORDER BY t.id ASC
LIMIT :max_rows;

-- name: list_matching(chain_id, block_hash, block_number, hashes, trace_paths, after_hash, after_trace_path, after_alert_id, max_rows)
-- @returns MatchedTransfer
-- @optional after_hash, after_trace_path, after_alert_id
-- Which enabled alerts the given transfers of one block fire: by hash, trace path and alert, each
-- pair once; those that follow the one named by the after parameters, where they are given.
-- The transfers are given as arrays of equal length and read from whale_transactions; one that is
-- orphaned, failed or not there fires nothing.
-- A large_transfer alert fires from min_value_eth on, an address_activity alert where the address
-- is on the side that direction names and the value is at least min_value_eth, once also where
-- it is on both sides; either on every chain unless chain_id names one.
-- Index: whale_transactions_pkey, or idx_whale_transactions_block_number where blocks have few
-- rows; idx_alerts_large_transfer (0 in it is every chain), idx_alerts_address_activity. Written
-- IN instead of ANY, the range of the threshold would be left out of the index condition.
WITH given AS (
    SELECT DISTINCT
        b.trace_path,
        lower(b.hash) AS hash
    FROM
        unnest(
            CAST(:hashes AS TEXT[]),
            CAST(:trace_paths AS TEXT[])
        ) AS b (hash, trace_path)
),

transfers AS (
    SELECT
        t.hash,
        t.trace_path,
        t.chain_id,
        t.from_address,
        t.to_address,
        t.value_eth
    FROM given AS g
    INNER JOIN public.whale_transactions AS t
        ON
            g.hash = t.hash
            AND g.trace_path = t.trace_path
            AND t.chain_id = :chain_id
            AND t.block_hash = lower(:block_hash)
            AND t.block_number = :block_number
    WHERE
        t.orphaned_at IS NULL
        AND t.succeeded IS DISTINCT FROM FALSE
),

matched AS (
    SELECT
        t.hash,
        t.trace_path,
        a.id AS alert_id
    FROM transfers AS t
    INNER JOIN public.alerts AS a
        ON
            a.enabled
            AND a.alert_type = 'large_transfer'
            AND coalesce(CAST(a.conditions -> 'chain_id' AS BIGINT), 0) = any(ARRAY[0, t.chain_id])
            AND t.value_eth >= CAST(a.conditions -> 'min_value_eth' AS NUMERIC)
    UNION ALL
    SELECT
        t.hash,
        t.trace_path,
        a.id AS alert_id
    FROM transfers AS t
    INNER JOIN public.alerts AS a
        ON
            a.enabled
            AND a.alert_type = 'address_activity'
            AND lower(a.conditions ->> 'address') = any(ARRAY[t.from_address, t.to_address])
            AND CASE coalesce(a.conditions ->> 'direction', 'any')
                WHEN 'from' THEN lower(a.conditions ->> 'address') = t.from_address
                WHEN 'to' THEN lower(a.conditions ->> 'address') = t.to_address
                ELSE TRUE
            END
            AND t.value_eth >= coalesce(CAST(a.conditions -> 'min_value_eth' AS NUMERIC), 0)
            AND t.chain_id = coalesce(CAST(a.conditions -> 'chain_id' AS BIGINT), t.chain_id)
)

SELECT
    m.hash,
    m.trace_path,
    m.alert_id
FROM matched AS m
WHERE
    (m.hash, m.trace_path, m.alert_id) > (
        lower(:after_hash),
        :after_trace_path,
        :after_alert_id
    )
ORDER BY m.hash ASC, m.trace_path ASC, m.alert_id ASC
LIMIT :max_rows;

-- name: list_matching_candles(exchange, symbol, interval, open_times, after_open_time, after_alert_id, max_rows)
-- @returns MatchedCandle
-- @optional after_open_time, after_alert_id
-- Which enabled price_level alerts the given candles of one chart fire, by open time and alert;
-- those that follow the one named by the after parameters, where they are given.
-- An alert fires at the candle in which the price crosses its level: what stood before, the close
-- of the chart's candle before or without one its own open, is on the other side, and the candle
-- reaches the level. A price that stands on the level already does not cross it.
-- Index: market_data_pkey, for the candle before backwards and newest month first;
-- idx_alerts_price_level.
WITH given AS (
    SELECT DISTINCT b.open_time
    FROM unnest(CAST(:open_times AS TIMESTAMPTZ[])) AS b (open_time)
),

candles AS (
    SELECT
        t.symbol,
        t.exchange,
        t.interval,
        t.open_time,
        t.high,
        t.low,
        coalesce(
            (
                SELECT p.close
                FROM public.market_data AS p
                WHERE
                    p.symbol = t.symbol
                    AND p.exchange = t.exchange
                    AND p.interval = t.interval
                    AND p.open_time < t.open_time
                ORDER BY p.open_time DESC
                LIMIT 1
            ),
            t.open
        ) AS price_before
    FROM given AS g
    INNER JOIN public.market_data AS t
        ON
            t.symbol = :symbol
            AND t.exchange = :exchange
            AND t.interval = :interval
            AND g.open_time = t.open_time
),

matched AS (
    SELECT
        c.open_time,
        a.id AS alert_id
    FROM candles AS c
    INNER JOIN public.alerts AS a
        ON
            a.enabled
            AND a.alert_type = 'price_level'
            AND c.symbol = a.conditions ->> 'symbol'
            AND c.exchange = a.conditions ->> 'exchange'
            AND c.interval = a.conditions ->> 'interval'
            AND a.conditions ->> 'direction' = 'above'
            AND c.price_before < CAST(a.conditions -> 'price' AS NUMERIC)
            AND c.high >= CAST(a.conditions -> 'price' AS NUMERIC)
    UNION ALL
    SELECT
        c.open_time,
        a.id AS alert_id
    FROM candles AS c
    INNER JOIN public.alerts AS a
        ON
            a.enabled
            AND a.alert_type = 'price_level'
            AND c.symbol = a.conditions ->> 'symbol'
            AND c.exchange = a.conditions ->> 'exchange'
            AND c.interval = a.conditions ->> 'interval'
            AND a.conditions ->> 'direction' = 'below'
            AND c.price_before > CAST(a.conditions -> 'price' AS NUMERIC)
            AND c.low <= CAST(a.conditions -> 'price' AS NUMERIC)
)

SELECT
    m.open_time,
    m.alert_id
FROM matched AS m
WHERE (m.open_time, m.alert_id) > (:after_open_time, :after_alert_id)
ORDER BY m.open_time ASC, m.alert_id ASC
LIMIT :max_rows;

-- name: list_matching_patterns(pattern_ids, after_pattern_id, after_alert_id, max_rows)
-- @returns MatchedPattern
-- @optional after_pattern_id, after_alert_id
-- Which enabled pattern alerts the given patterns fire, by pattern and alert; those that follow
-- the one named by the after parameters, where they are given. A pattern that is not active, or
-- not there, fires nothing; one without a confidence_score none that asks for a min_confidence.
-- Index: smc_patterns_pkey, idx_alerts_pattern.
WITH given AS (
    SELECT DISTINCT b.pattern_id
    FROM unnest(CAST(:pattern_ids AS UUID[])) AS b (pattern_id)
)

SELECT
    t.id AS pattern_id,
    a.id AS alert_id
FROM given AS g
INNER JOIN public.smc_patterns AS t ON g.pattern_id = t.id
INNER JOIN public.alerts AS a
    ON
        a.enabled
        AND a.alert_type = 'pattern'
        AND t.symbol = a.conditions ->> 'symbol'
        AND t.exchange = coalesce(a.conditions ->> 'exchange', t.exchange)
        AND t.pattern_type = coalesce(a.conditions ->> 'pattern_type', t.pattern_type)
        AND t.time_frame = coalesce(a.conditions ->> 'time_frame', t.time_frame)
        AND (
            a.conditions -> 'min_confidence' IS NULL
            OR t.confidence_score >= CAST(a.conditions -> 'min_confidence' AS NUMERIC)
        )
WHERE
    t.status = 'active'
    AND (t.id, a.id) > (:after_pattern_id, :after_alert_id)
ORDER BY t.id ASC, a.id ASC
LIMIT :max_rows;

-- name: count_by_user(user_id)$
-- How many alerts a user has, paused ones included.
-- Index: idx_alerts_user_id.
SELECT count(*) AS alert_count
FROM public.alerts AS t
WHERE t.user_id = :user_id;

-- name: stream_enabled()
-- The enabled alerts of every user by id.
-- Index: alerts_pkey; enabled is filtered on the way.
SELECT
    t.id,
    t.user_id,
    t.alert_type,
    t.conditions,
    t.enabled,
    t.created_at,
    t.updated_at
FROM public.alerts AS t
WHERE t.enabled
ORDER BY t.id ASC;

-- name: update(id, alert_type, conditions, enabled)!
-- Writes an alert anew. Affects 1 row, or 0 when there is no such alert or it says so
-- already.
-- Index: alerts_pkey.
UPDATE public.alerts AS t
SET
    alert_type = :alert_type,
    conditions = :conditions,
    enabled = :enabled,
    updated_at = now()
WHERE
    t.id = :id
    AND (t.alert_type, t.conditions, t.enabled) IS DISTINCT FROM (
        :alert_type,
        :conditions,
        :enabled
    );

-- name: update_enabled(id, enabled)!
-- Resumes (true) or pauses (false) an alert. Affects 1 row, or 0 when there is no such alert
-- or it says so already.
-- Index: alerts_pkey.
UPDATE public.alerts AS t
SET
    enabled = :enabled,
    updated_at = now()
WHERE
    t.id = :id
    AND t.enabled <> :enabled;

-- name: delete(id)!
-- Removes an alert. Affects 1 row, or 0 when there is none.
-- Index: alerts_pkey.
DELETE FROM public.alerts AS t
WHERE t.id = :id;
