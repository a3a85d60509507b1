-- Why:    pricing a transfer and finding missing candles both ask how long a candle is, and
--         have to agree. Lengths are in hours, never in days: a day is 23 or 25 hours long
--         where the session's time zone has summer time, a candle's is not.
-- Locks:  none; a new function.
-- Deploy: before the code that prices transfers or lists gaps.

-- migrate:up
-- RETURN stores the parsed expression: no search_path of a caller has a say in it.
CREATE FUNCTION public.candle_length(candle_interval TEXT)
RETURNS INTERVAL
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE candle_interval
    WHEN '1m' THEN INTERVAL '1 minute'
    WHEN '3m' THEN INTERVAL '3 minutes'
    WHEN '5m' THEN INTERVAL '5 minutes'
    WHEN '15m' THEN INTERVAL '15 minutes'
    WHEN '30m' THEN INTERVAL '30 minutes'
    WHEN '1h' THEN INTERVAL '1 hour'
    WHEN '2h' THEN INTERVAL '2 hours'
    WHEN '4h' THEN INTERVAL '4 hours'
    WHEN '6h' THEN INTERVAL '6 hours'
    WHEN '8h' THEN INTERVAL '8 hours'
    WHEN '12h' THEN INTERVAL '12 hours'
    WHEN '1d' THEN INTERVAL '24 hours'
    WHEN '3d' THEN INTERVAL '72 hours'
    WHEN '1w' THEN INTERVAL '168 hours'
END;

COMMENT ON FUNCTION public.candle_length(TEXT) IS
'How long a candle of an interval is, in hours and minutes; NULL for 1M, since months differ, '
'and for what is no interval of market_data.';

REVOKE ALL ON FUNCTION public.candle_length(TEXT) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.candle_length(TEXT) TO whaledb_worker, whaledb_reader;

-- migrate:down
-- Loses no row.
DROP FUNCTION public.candle_length(TEXT);
