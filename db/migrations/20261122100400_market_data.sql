-- Why:    candles by month, so that old months leave by DETACH instead of DELETE. There is no
--         default partition: a candle of a month that nobody made is refused (23514) rather
--         than hidden where it would block the making of its month. Workers have no DDL
--         rights, so a function makes the months; it attaches finished tables, since
--         CREATE TABLE ... PARTITION OF would wait for every open writer.
-- Locks:  none on existing tables. The function takes SHARE UPDATE EXCLUSIVE on market_data
--         when a month is missing: it waits for DDL and ANALYZE, not for readers or writers.
-- Deploy: before the code that reads or writes candles.

-- migrate:up
CREATE TABLE public.market_data (
    exchange TEXT NOT NULL,
    symbol TEXT NOT NULL,
    interval TEXT NOT NULL,
    open_time TIMESTAMPTZ NOT NULL,
    open NUMERIC NOT NULL,
    high NUMERIC NOT NULL,
    low NUMERIC NOT NULL,
    close NUMERIC NOT NULL,
    volume NUMERIC NOT NULL,
    trade_count BIGINT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT market_data_pkey PRIMARY KEY (symbol, exchange, interval, open_time)
) PARTITION BY RANGE (open_time);

COMMENT ON TABLE public.market_data IS
'Candles of instruments, one row for each candle; partitioned by UTC month of open_time.';
COMMENT ON COLUMN public.market_data.exchange IS
'Name of the exchange.';
COMMENT ON COLUMN public.market_data.symbol IS
'Name of the instrument, as the exchange writes it.';
COMMENT ON COLUMN public.market_data.interval IS
'Length of the candle: 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w or 1M.';
COMMENT ON COLUMN public.market_data.open_time IS
'When the candle begins.';
COMMENT ON COLUMN public.market_data.open IS
'First price in the symbol''s quote currency; negative for some spreads.';
COMMENT ON COLUMN public.market_data.high IS
'Highest price in the symbol''s quote currency; negative for some spreads.';
COMMENT ON COLUMN public.market_data.low IS
'Lowest price in the symbol''s quote currency; negative for some spreads.';
COMMENT ON COLUMN public.market_data.close IS
'Last price in the symbol''s quote currency; negative for some spreads.';
COMMENT ON COLUMN public.market_data.volume IS
'Amount traded in the symbol''s base currency or contracts.';
COMMENT ON COLUMN public.market_data.trade_count IS
'Number of trades; NULL where the exchange does not tell.';
COMMENT ON COLUMN public.market_data.created_at IS
'When the row was first stored.';
COMMENT ON COLUMN public.market_data.updated_at IS
'When the row last changed.';

REVOKE ALL ON TABLE public.market_data FROM PUBLIC, anon, authenticated;

CREATE FUNCTION public.ensure_market_data_months(first TIMESTAMPTZ, last TIMESTAMPTZ)
RETURNS INTEGER
LANGUAGE plpgsql
SECURITY DEFINER
-- pg_temp stands last: left out, it comes first for types, and a caller's own pg_temp.text with
-- a CHECK would run the caller's code with the owner's rights.
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    max_months CONSTANT INTEGER := 240;
    -- Wall-clock UTC without a zone, so that the session's TimeZone has no say.
    first_month TIMESTAMP;
    last_month TIMESTAMP;
    month_start TIMESTAMP;
    months INTEGER;
    partition_name TEXT;
    partition_oid REGCLASS;
    api_role TEXT;
    locked BOOLEAN := FALSE;
    made INTEGER := 0;
BEGIN
    IF first IS NULL OR last IS NULL THEN
        RAISE EXCEPTION 'ensure_market_data_months: first and last must not be NULL'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    -- Milliseconds taken for seconds end up tens of thousands of years ahead.
    IF first < '1970-01-01 00:00:00+00' OR last >= '10000-01-01 00:00:00+00' THEN
        RAISE EXCEPTION
            'ensure_market_data_months: first and last must lie in the years 1970 to 9999'
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Look for a timestamp in the wrong unit.';
    END IF;
    IF first > last THEN
        RAISE EXCEPTION 'ensure_market_data_months: first must not be after last'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    first_month := date_trunc('month', first AT TIME ZONE 'UTC');
    last_month := date_trunc('month', last AT TIME ZONE 'UTC');
    months := 12 * (extract(YEAR FROM last_month) - extract(YEAR FROM first_month))
        + extract(MONTH FROM last_month) - extract(MONTH FROM first_month) + 1;
    IF months > max_months THEN
        RAISE EXCEPTION 'ensure_market_data_months: % months asked for, at most % in one call',
            months, max_months
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Look for a wrong timestamp, or call once for each part of the range.';
    END IF;

    FOR step IN 0..months - 1 LOOP
        month_start := first_month + make_interval(months => step);
        partition_name := format('market_data_%s', to_char(month_start, '"y"YYYY"m"MM'));
        -- to_regclass() and pg_partition_root() see what others committed meanwhile, even in
        -- a REPEATABLE READ transaction; a query on the catalogs would not.
        partition_oid := to_regclass(format('public.%I', partition_name));
        IF partition_oid IS NULL AND NOT locked THEN
            -- The lock that ATTACH takes, taken before the second look: one caller after the
            -- other, and getting a table lock is what refreshes the session's catalog cache
            -- (an advisory lock does not: the second caller would still miss the month).
            LOCK TABLE ONLY public.market_data IN SHARE UPDATE EXCLUSIVE MODE;
            locked := TRUE;
            partition_oid := to_regclass(format('public.%I', partition_name));
        END IF;
        IF partition_oid IS NOT NULL THEN
            IF pg_partition_root(partition_oid) IS DISTINCT FROM 'public.market_data'::REGCLASS
            THEN
                RAISE EXCEPTION 'public.% exists but is not a partition of public.market_data',
                    partition_name
                    USING ERRCODE = 'object_not_in_prerequisite_state',
                        HINT = 'Attach it again, or rename or drop it.';
            END IF;
            CONTINUE;
        END IF;

        EXECUTE format(
            'CREATE TABLE public.%I (LIKE public.market_data INCLUDING ALL)', partition_name
        );
        -- LIKE copies neither row security nor grants, and default privileges (Supabase) may
        -- open a new table to the API: a partition is reached through market_data only.
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', partition_name);
        EXECUTE format('REVOKE ALL ON TABLE public.%I FROM PUBLIC', partition_name);
        FOREACH api_role IN ARRAY ARRAY['anon', 'authenticated'] LOOP
            IF to_regrole(api_role) IS NOT NULL THEN
                EXECUTE format('REVOKE ALL ON TABLE public.%I FROM %I', partition_name, api_role);
            END IF;
        END LOOP;
        EXECUTE format(
            'COMMENT ON TABLE public.%I IS ''Candles of %s (UTC), a partition of market_data.''',
            partition_name,
            to_char(month_start, 'YYYY-MM')
        );
        EXECUTE format(
            'ALTER TABLE public.market_data ATTACH PARTITION public.%I '
            'FOR VALUES FROM (%L) TO (%L)',
            partition_name,
            to_char(month_start, 'YYYY-MM-DD') || ' 00:00:00+00',
            to_char(month_start + INTERVAL '1 month', 'YYYY-MM-DD') || ' 00:00:00+00'
        );
        made := made + 1;
    END LOOP;
    RETURN made;
END;
$$;

COMMENT ON FUNCTION public.ensure_market_data_months(TIMESTAMPTZ, TIMESTAMPTZ) IS
'Makes the missing monthly partitions of market_data from the UTC month of first to that of '
'last, at most 240, and returns how many it made.';

REVOKE ALL ON FUNCTION public.ensure_market_data_months(TIMESTAMPTZ, TIMESTAMPTZ)
FROM PUBLIC, anon, authenticated;

-- migrate:down
-- Lossy: drops every candle with all partitions; exchanges serve only recent ones again.
DROP FUNCTION public.ensure_market_data_months(TIMESTAMPTZ, TIMESTAMPTZ);
DROP TABLE public.market_data;
