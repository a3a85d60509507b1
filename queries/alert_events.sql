-- What alerts fired on: transfers, candles and patterns. Owner: accounts.
-- An event belongs to one alert and one row, and is there at most once for both. It stands while
-- retracted_at is NULL. One of a transfer is bound to the transaction's inclusion in a block:
-- retracted when that block leaves the chain or the transaction turns out to have failed,
-- standing again when that is taken back. One of a candle or pattern is never retracted.
-- user_id is the owner of the alert. Under row level security an API role sees its own events
-- only; the statements without mine in their name are for a server that decides itself whose
-- they are. Hashes are taken in any case and stored in lower case.

-- name: merge_transfers(chain_id, block_number, block_hash, alert_ids, transaction_hashes, trace_paths)
-- @returns FiredAlert
-- Stores that alerts fired on transfers of one block, given as arrays of equal length, as
-- alerts.list_matching found them. Returns what is new, in no particular order: an event that is
-- there, retracted or not, is left alone. Alerts that were deleted or paused since are left out;
-- one that is deleted in the same moment is a foreign key violation.
-- Rows are added in the order of their keys, so that two writers of one block wait for each other
-- instead of deadlocking.
-- Index: idx_alert_events_transfer, alerts_pkey.
INSERT INTO public.alert_events AS t (
    alert_id,
    user_id,
    chain_id,
    block_number,
    block_hash,
    transaction_hash,
    trace_path
)
SELECT
    a.id AS alert_id,
    a.user_id,
    CAST(:chain_id AS BIGINT) AS chain_id,
    CAST(:block_number AS BIGINT) AS block_number,
    lower(:block_hash) AS block_hash,
    lower(b.transaction_hash) AS transaction_hash,
    b.trace_path
FROM
    unnest(
        CAST(:alert_ids AS UUID[]),
        CAST(:transaction_hashes AS TEXT[]),
        CAST(:trace_paths AS TEXT[])
    ) AS b (alert_id, transaction_hash, trace_path)
INNER JOIN public.alerts AS a ON b.alert_id = a.id
WHERE a.enabled
ORDER BY lower(b.transaction_hash) ASC, b.trace_path ASC, a.id ASC
ON CONFLICT (block_hash, chain_id, transaction_hash, trace_path, alert_id)
WHERE block_hash IS NOT NULL
DO NOTHING
RETURNING
    t.id,
    t.alert_id,
    t.user_id;

-- name: merge_candles(exchange, symbol, interval, alert_ids, open_times)
-- @returns FiredAlert
-- Stores that alerts fired on candles of one chart, given as arrays of equal length, as
-- alerts.list_matching_candles found them; else as merge_transfers.
-- Index: idx_alert_events_candle, alerts_pkey.
INSERT INTO public.alert_events AS t (
    alert_id,
    user_id,
    exchange,
    symbol,
    interval,
    open_time
)
SELECT
    a.id AS alert_id,
    a.user_id,
    CAST(:exchange AS TEXT) AS exchange,
    CAST(:symbol AS TEXT) AS symbol,
    CAST(:interval AS TEXT) AS interval,
    b.open_time
FROM
    unnest(
        CAST(:alert_ids AS UUID[]),
        CAST(:open_times AS TIMESTAMPTZ[])
    ) AS b (alert_id, open_time)
INNER JOIN public.alerts AS a ON b.alert_id = a.id
WHERE a.enabled
ORDER BY b.open_time ASC, a.id ASC
ON CONFLICT (symbol, exchange, interval, open_time, alert_id)
WHERE open_time IS NOT NULL
DO NOTHING
RETURNING
    t.id,
    t.alert_id,
    t.user_id;

-- name: merge_patterns(alert_ids, pattern_ids)
-- @returns FiredAlert
-- Stores that alerts fired on patterns, given as arrays of equal length, as
-- alerts.list_matching_patterns found them; else as merge_transfers.
-- Index: idx_alert_events_pattern, alerts_pkey.
INSERT INTO public.alert_events AS t (
    alert_id,
    user_id,
    pattern_id
)
SELECT
    a.id AS alert_id,
    a.user_id,
    b.pattern_id
FROM
    unnest(
        CAST(:alert_ids AS UUID[]),
        CAST(:pattern_ids AS UUID[])
    ) AS b (alert_id, pattern_id)
INNER JOIN public.alerts AS a ON b.alert_id = a.id
WHERE a.enabled
ORDER BY b.pattern_id ASC, a.id ASC
ON CONFLICT (pattern_id, alert_id)
WHERE pattern_id IS NOT NULL
DO NOTHING
RETURNING
    t.id,
    t.alert_id,
    t.user_id;

-- name: settle(chain_id, block_numbers, block_hashes)!
-- Retracts what fired from rows of these blocks that are orphaned or failed, and lets stand again
-- what fired from rows that are neither; belongs in one transaction with what changed the rows,
-- and after it. The blocks are given as arrays of equal length.
-- Affects as many events as changed; one whose row is gone, as after its month was archived,
-- stays as it is.
-- Events are locked in the order in which deleting their alert finds them, so that it and this
-- wait for each other instead of deadlocking.
-- Index: idx_alert_events_transfer, whale_transactions_pkey or idx_whale_transactions_hash,
-- alert_events_pkey.
WITH blocks AS (
    SELECT DISTINCT
        b.block_number,
        lower(b.block_hash) AS block_hash
    FROM
        unnest(
            CAST(:block_numbers AS BIGINT[]),
            CAST(:block_hashes AS TEXT[])
        ) AS b (block_number, block_hash)
),

unsettled AS (
    SELECT e.id
    FROM blocks AS k
    INNER JOIN public.alert_events AS e
        ON
            e.chain_id = :chain_id
            AND k.block_hash = e.block_hash
            AND k.block_number = e.block_number
    INNER JOIN public.whale_transactions AS w
        ON
            e.transaction_hash = w.hash
            AND e.chain_id = w.chain_id
            AND e.block_hash = w.block_hash
            AND e.trace_path = w.trace_path
    WHERE
        (e.retracted_at IS NULL) <> (
            w.orphaned_at IS NULL AND w.succeeded IS DISTINCT FROM FALSE
        )
    ORDER BY e.alert_id ASC, e.fired_at ASC, e.id ASC
    FOR NO KEY UPDATE OF e
)

UPDATE public.alert_events AS t
SET
    retracted_at = CASE WHEN t.retracted_at IS NULL THEN now() END,
    updated_at = now()
FROM unsettled AS u
WHERE t.id = u.id;

-- name: get(id)^
-- One event, retracted or not.
-- Index: alert_events_pkey.
SELECT
    t.id,
    t.alert_id,
    t.user_id,
    t.chain_id,
    t.block_number,
    t.block_hash,
    t.transaction_hash,
    t.trace_path,
    t.exchange,
    t.symbol,
    t.interval,
    t.open_time,
    t.pattern_id,
    t.fired_at,
    t.retracted_at,
    t.created_at,
    t.updated_at
FROM public.alert_events AS t
WHERE t.id = :id;

-- name: list_mine(standing, before_fired_at, before_id, max_rows)
-- @optional standing
-- @optional before_fired_at, before_id
-- What fired for the user of the session (auth.uid()), newest first; none where the session has no
-- user; refused (42501) to roles without a grant. Those that stand (true) or were retracted
-- (false), and those that follow the event named by the before parameters, where these are given.
-- Index: idx_alert_events_user_id, backwards, from before_fired_at; standing is filtered on the
-- way.
SELECT
    t.id,
    t.alert_id,
    t.user_id,
    t.chain_id,
    t.block_number,
    t.block_hash,
    t.transaction_hash,
    t.trace_path,
    t.exchange,
    t.symbol,
    t.interval,
    t.open_time,
    t.pattern_id,
    t.fired_at,
    t.retracted_at,
    t.created_at,
    t.updated_at
FROM public.alert_events AS t
WHERE
    t.user_id = (SELECT auth.uid())
    AND (t.retracted_at IS NULL) = :standing
    AND (t.fired_at, t.id) < (:before_fired_at, :before_id)
ORDER BY t.fired_at DESC, t.id DESC
LIMIT :max_rows;

-- name: list_by_user(user_id, standing, before_fired_at, before_id, max_rows)
-- @optional standing
-- @optional before_fired_at, before_id
-- What fired for a user, newest first. Those that stand (true) or were retracted (false), and
-- those that follow the event named by the before parameters, where these are given.
-- Index: idx_alert_events_user_id, backwards, from before_fired_at; standing is filtered on the
-- way.
SELECT
    t.id,
    t.alert_id,
    t.user_id,
    t.chain_id,
    t.block_number,
    t.block_hash,
    t.transaction_hash,
    t.trace_path,
    t.exchange,
    t.symbol,
    t.interval,
    t.open_time,
    t.pattern_id,
    t.fired_at,
    t.retracted_at,
    t.created_at,
    t.updated_at
FROM public.alert_events AS t
WHERE
    t.user_id = :user_id
    AND (t.retracted_at IS NULL) = :standing
    AND (t.fired_at, t.id) < (:before_fired_at, :before_id)
ORDER BY t.fired_at DESC, t.id DESC
LIMIT :max_rows;

-- name: list_by_alert(alert_id, standing, before_fired_at, before_id, max_rows)
-- @optional standing
-- @optional before_fired_at, before_id
-- What one alert fired on, newest first. Those that stand (true) or were retracted (false), and
-- those that follow the event named by the before parameters, where these are given.
-- Index: idx_alert_events_alert_id, backwards, from before_fired_at; standing is filtered on the
-- way.
SELECT
    t.id,
    t.alert_id,
    t.user_id,
    t.chain_id,
    t.block_number,
    t.block_hash,
    t.transaction_hash,
    t.trace_path,
    t.exchange,
    t.symbol,
    t.interval,
    t.open_time,
    t.pattern_id,
    t.fired_at,
    t.retracted_at,
    t.created_at,
    t.updated_at
FROM public.alert_events AS t
WHERE
    t.alert_id = :alert_id
    AND (t.retracted_at IS NULL) = :standing
    AND (t.fired_at, t.id) < (:before_fired_at, :before_id)
ORDER BY t.fired_at DESC, t.id DESC
LIMIT :max_rows;

-- name: list_by_block(chain_id, block_hash, after_transaction_hash, after_trace_path, after_alert_id, max_rows)
-- @optional after_transaction_hash, after_trace_path, after_alert_id
-- What fired from one block, retracted or not, by transaction, trace path and alert; those that
-- follow the event named by the after parameters, where they are given.
-- Index: idx_alert_events_transfer.
SELECT
    t.id,
    t.alert_id,
    t.user_id,
    t.chain_id,
    t.block_number,
    t.block_hash,
    t.transaction_hash,
    t.trace_path,
    t.exchange,
    t.symbol,
    t.interval,
    t.open_time,
    t.pattern_id,
    t.fired_at,
    t.retracted_at,
    t.created_at,
    t.updated_at
FROM public.alert_events AS t
WHERE
    t.block_hash = lower(:block_hash)
    AND t.chain_id = :chain_id
    AND (t.transaction_hash, t.trace_path, t.alert_id) > (
        lower(:after_transaction_hash),
        :after_trace_path,
        :after_alert_id
    )
ORDER BY t.transaction_hash ASC, t.trace_path ASC, t.alert_id ASC
LIMIT :max_rows;

-- name: list_changed(after_updated_at, after_id, max_rows)
-- @optional after_updated_at, after_id
-- What fired, was retracted or stands again since, of every user, in the order of that change: for
-- who sends notifications. Those that follow the event named by the after parameters, where they
-- are given. updated_at is the fired_at of an event that is new; retracted_at says which of the
-- others it is.
-- A transaction's changes carry the time it began and show when it ends, so that one may appear
-- behind an event that was read: read again from as long ago as a transaction of a writer may
-- take, and skip what was seen by id and updated_at.
-- Index: idx_alert_events_updated_at.
SELECT
    t.id,
    t.alert_id,
    t.user_id,
    t.chain_id,
    t.block_number,
    t.block_hash,
    t.transaction_hash,
    t.trace_path,
    t.exchange,
    t.symbol,
    t.interval,
    t.open_time,
    t.pattern_id,
    t.fired_at,
    t.retracted_at,
    t.created_at,
    t.updated_at
FROM public.alert_events AS t
WHERE (t.updated_at, t.id) > (:after_updated_at, :after_id)
ORDER BY t.updated_at ASC, t.id ASC
LIMIT :max_rows;

-- name: count_by_alert(alert_id)$
-- How often an alert fired, what was retracted left out.
-- Index: idx_alert_events_alert_id.
SELECT count(*) AS event_count
FROM public.alert_events AS t
WHERE
    t.alert_id = :alert_id
    AND t.retracted_at IS NULL;

-- name: delete(id)!
-- Removes an event. Affects 1 row, or 0 when there is none. Should its row be matched again, it
-- fires again.
-- Index: alert_events_pkey.
DELETE FROM public.alert_events AS t
WHERE t.id = :id;
