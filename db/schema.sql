--
-- PostgreSQL database dump
--

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: auth; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA auth;

--
-- Name: SCHEMA auth; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON SCHEMA auth IS 'Stand-in for the schema of Supabase Auth on plain PostgreSQL. [auth shim]';

--
-- Name: dbmate; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA dbmate;

--
-- Name: jwt(); Type: FUNCTION; Schema: auth; Owner: -
--

CREATE FUNCTION auth.jwt() RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
            SELECT coalesce(
                nullif(current_setting('request.jwt.claim', TRUE), ''),
                nullif(current_setting('request.jwt.claims', TRUE), '')
            )::JSONB
        $$;

--
-- Name: FUNCTION jwt(); Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON FUNCTION auth.jwt() IS 'Claims of the token; NULL outside of a request. [auth shim]';

--
-- Name: role(); Type: FUNCTION; Schema: auth; Owner: -
--

CREATE FUNCTION auth.role() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
            SELECT coalesce(
                nullif(current_setting('request.jwt.claim.role', TRUE), ''),
                nullif(current_setting('request.jwt.claims', TRUE), '')::JSONB ->> 'role'
            )
        $$;

--
-- Name: FUNCTION role(); Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON FUNCTION auth.role() IS 'API role that the token names; NULL outside of a request. [auth shim]';

--
-- Name: uid(); Type: FUNCTION; Schema: auth; Owner: -
--

CREATE FUNCTION auth.uid() RETURNS uuid
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
            SELECT coalesce(
                nullif(current_setting('request.jwt.claim.sub', TRUE), ''),
                nullif(current_setting('request.jwt.claims', TRUE), '')::JSONB ->> 'sub'
            )::UUID
        $$;

--
-- Name: FUNCTION uid(); Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON FUNCTION auth.uid() IS 'Account in whose name the transaction runs; NULL outside of one. [auth shim]';

--
-- Name: candle_length(text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.candle_length(candle_interval text) RETURNS interval
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO ''
    RETURN CASE candle_interval WHEN '1m'::text THEN '00:01:00'::interval WHEN '3m'::text THEN '00:03:00'::interval WHEN '5m'::text THEN '00:05:00'::interval WHEN '15m'::text THEN '00:15:00'::interval WHEN '30m'::text THEN '00:30:00'::interval WHEN '1h'::text THEN '01:00:00'::interval WHEN '2h'::text THEN '02:00:00'::interval WHEN '4h'::text THEN '04:00:00'::interval WHEN '6h'::text THEN '06:00:00'::interval WHEN '8h'::text THEN '08:00:00'::interval WHEN '12h'::text THEN '12:00:00'::interval WHEN '1d'::text THEN '24:00:00'::interval WHEN '3d'::text THEN '72:00:00'::interval WHEN '1w'::text THEN '168:00:00'::interval ELSE NULL::interval END;

--
-- Name: FUNCTION candle_length(candle_interval text); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.candle_length(candle_interval text) IS 'How long a candle of an interval is, in hours and minutes; NULL for 1M, since months differ, and for what is no interval of market_data.';

--
-- Name: ensure_market_data_months(timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.ensure_market_data_months(first timestamp with time zone, last timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

--
-- Name: FUNCTION ensure_market_data_months(first timestamp with time zone, last timestamp with time zone); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.ensure_market_data_months(first timestamp with time zone, last timestamp with time zone) IS 'Makes the missing monthly partitions of market_data from the UTC month of first to that of last, at most 240, and returns how many it made.';

--
-- Name: whale_score(numeric, boolean); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.whale_score(value_eth numeric, succeeded boolean) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO ''
    RETURN CASE WHEN ((succeeded IS FALSE) OR (value_eth <= (1)::numeric)) THEN 0.0000 WHEN (value_eth >= (100000)::numeric) THEN 1.0000 ELSE round((log(value_eth) / (5)::numeric), 4) END;

--
-- Name: FUNCTION whale_score(value_eth numeric, succeeded boolean); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.whale_score(value_eth numeric, succeeded boolean) IS 'How remarkable a transfer is, from 0 to 1, by its size in ether: 0 up to 1 ether, a fifth more with each power of ten (100 ether are 0.4, 1000 are 0.6), 1 from 100000 ether on. 0 for a transaction known to have failed, which moved nothing; NULL without a value.';

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: users; Type: TABLE; Schema: auth; Owner: -
--

CREATE TABLE auth.users (
    id uuid NOT NULL
);

--
-- Name: TABLE users; Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON TABLE auth.users IS 'Accounts that may own rows, one per person who can sign in. [auth shim]';

--
-- Name: COLUMN users.id; Type: COMMENT; Schema: auth; Owner: -
--

COMMENT ON COLUMN auth.users.id IS 'Identifier of the account, the claim sub of its tokens.';

--
-- Name: schema_migrations; Type: TABLE; Schema: dbmate; Owner: -
--

CREATE TABLE dbmate.schema_migrations (
    version character varying NOT NULL
);

--
-- Name: smc_patterns; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.smc_patterns (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    exchange text NOT NULL,
    symbol text NOT NULL,
    pattern_type text NOT NULL,
    time_frame text NOT NULL,
    detected_at timestamp with time zone NOT NULL,
    price_level numeric NOT NULL,
    confidence_score numeric(5,4),
    status text DEFAULT 'active'::text NOT NULL,
    metadata jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT smc_patterns_confidence_score_range CHECK (((confidence_score >= (0)::numeric) AND (confidence_score <= (1)::numeric))),
    CONSTRAINT smc_patterns_detected_at_finite CHECK (isfinite(detected_at)),
    CONSTRAINT smc_patterns_exchange_length CHECK (((char_length(exchange) >= 1) AND (char_length(exchange) <= 50))),
    CONSTRAINT smc_patterns_metadata_object CHECK ((jsonb_typeof(metadata) = 'object'::text)),
    CONSTRAINT smc_patterns_pattern_type_format CHECK ((pattern_type ~ '^[a-z][a-z0-9_]{0,49}$'::text)),
    CONSTRAINT smc_patterns_price_level_finite CHECK (((price_level > '-Infinity'::numeric) AND (price_level < 'Infinity'::numeric))),
    CONSTRAINT smc_patterns_status_known CHECK ((status = ANY (ARRAY['active'::text, 'mitigated'::text, 'invalidated'::text, 'expired'::text]))),
    CONSTRAINT smc_patterns_symbol_length CHECK (((char_length(symbol) >= 1) AND (char_length(symbol) <= 100))),
    CONSTRAINT smc_patterns_time_frame_known CHECK ((time_frame = ANY (ARRAY['1m'::text, '3m'::text, '5m'::text, '15m'::text, '30m'::text, '1h'::text, '2h'::text, '4h'::text, '6h'::text, '8h'::text, '12h'::text, '1d'::text, '3d'::text, '1w'::text, '1M'::text])))
);

--
-- Name: TABLE smc_patterns; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.smc_patterns IS 'Smart Money Concept patterns found in candles, one row for each finding.';

--
-- Name: COLUMN smc_patterns.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.smc_patterns.id IS 'Surrogate identifier.';

--
-- Name: COLUMN smc_patterns.exchange; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.smc_patterns.exchange IS 'Name of the exchange whose candles were read.';

--
-- Name: COLUMN smc_patterns.symbol; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.smc_patterns.symbol IS 'Name of the instrument, as the exchange writes it.';

--
-- Name: COLUMN smc_patterns.pattern_type; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.smc_patterns.pattern_type IS 'Kind of pattern in snake_case, such as order_block or fair_value_gap.';

--
-- Name: COLUMN smc_patterns.time_frame; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.smc_patterns.time_frame IS 'Length of the candles: 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w or 1M.';

--
-- Name: COLUMN smc_patterns.detected_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.smc_patterns.detected_at IS 'Open time of the candle that the pattern belongs to.';

--
-- Name: COLUMN smc_patterns.price_level; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.smc_patterns.price_level IS 'Price of the pattern in the symbol''s quote currency; negative for some spreads.';

--
-- Name: COLUMN smc_patterns.confidence_score; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.smc_patterns.confidence_score IS 'How sure the detector is, from 0 to 1; NULL where it does not say.';

--
-- Name: COLUMN smc_patterns.status; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.smc_patterns.status IS 'State of the pattern: active, mitigated, invalidated or expired.';

--
-- Name: COLUMN smc_patterns.metadata; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.smc_patterns.metadata IS 'What else the detector found, a JSON object; NULL where there is nothing.';

--
-- Name: COLUMN smc_patterns.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.smc_patterns.created_at IS 'When the row was first stored.';

--
-- Name: COLUMN smc_patterns.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.smc_patterns.updated_at IS 'When the row last changed.';

--
-- Name: active_smc_patterns; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.active_smc_patterns WITH (security_invoker='true') AS
 SELECT id,
    exchange,
    symbol,
    pattern_type,
    time_frame,
    detected_at,
    price_level,
    confidence_score,
    metadata,
    created_at,
    updated_at
   FROM public.smc_patterns p
  WHERE (status = 'active'::text);

--
-- Name: VIEW active_smc_patterns; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON VIEW public.active_smc_patterns IS 'Smart Money Concept patterns whose status is active.';

--
-- Name: COLUMN active_smc_patterns.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.active_smc_patterns.id IS 'Surrogate identifier.';

--
-- Name: COLUMN active_smc_patterns.exchange; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.active_smc_patterns.exchange IS 'Name of the exchange whose candles were read.';

--
-- Name: COLUMN active_smc_patterns.symbol; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.active_smc_patterns.symbol IS 'Name of the instrument, as the exchange writes it.';

--
-- Name: COLUMN active_smc_patterns.pattern_type; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.active_smc_patterns.pattern_type IS 'Kind of pattern in snake_case, such as order_block or fair_value_gap.';

--
-- Name: COLUMN active_smc_patterns.time_frame; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.active_smc_patterns.time_frame IS 'Length of the candles: 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w or 1M.';

--
-- Name: COLUMN active_smc_patterns.detected_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.active_smc_patterns.detected_at IS 'Open time of the candle that the pattern belongs to.';

--
-- Name: COLUMN active_smc_patterns.price_level; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.active_smc_patterns.price_level IS 'Price of the pattern in the symbol''s quote currency; negative for some spreads.';

--
-- Name: COLUMN active_smc_patterns.confidence_score; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.active_smc_patterns.confidence_score IS 'How sure the detector is, from 0 to 1; NULL where it does not say.';

--
-- Name: COLUMN active_smc_patterns.metadata; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.active_smc_patterns.metadata IS 'What else the detector found, a JSON object; NULL where there is nothing.';

--
-- Name: COLUMN active_smc_patterns.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.active_smc_patterns.created_at IS 'When the row was first stored.';

--
-- Name: COLUMN active_smc_patterns.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.active_smc_patterns.updated_at IS 'When the row last changed.';

--
-- Name: alert_events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alert_events (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    alert_id uuid NOT NULL,
    user_id uuid NOT NULL,
    chain_id bigint,
    block_number bigint,
    block_hash text,
    transaction_hash text,
    trace_path text,
    exchange text,
    symbol text,
    "interval" text,
    open_time timestamp with time zone,
    pattern_id uuid,
    fired_at timestamp with time zone DEFAULT now() NOT NULL,
    retracted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT alert_events_block_hash_format CHECK (((octet_length(block_hash) = 66) AND (block_hash ~ '^0x[0-9a-f]*$'::text))),
    CONSTRAINT alert_events_block_number_not_negative CHECK ((block_number >= 0)),
    CONSTRAINT alert_events_candle_complete CHECK ((num_nonnulls(exchange, symbol, "interval", open_time) = ANY (ARRAY[0, 4]))),
    CONSTRAINT alert_events_chain_id_positive CHECK ((chain_id > 0)),
    CONSTRAINT alert_events_exchange_length CHECK (((char_length(exchange) >= 1) AND (char_length(exchange) <= 50))),
    CONSTRAINT alert_events_interval_known CHECK (("interval" = ANY (ARRAY['1m'::text, '3m'::text, '5m'::text, '15m'::text, '30m'::text, '1h'::text, '2h'::text, '4h'::text, '6h'::text, '8h'::text, '12h'::text, '1d'::text, '3d'::text, '1w'::text, '1M'::text]))),
    CONSTRAINT alert_events_row_given CHECK ((num_nonnulls(chain_id, open_time, pattern_id) = 1)),
    CONSTRAINT alert_events_symbol_length CHECK (((char_length(symbol) >= 1) AND (char_length(symbol) <= 100))),
    CONSTRAINT alert_events_trace_path_format CHECK ((trace_path ~ '^([0-9]+(_[0-9]+)*)?$'::text)),
    CONSTRAINT alert_events_transaction_hash_format CHECK (((octet_length(transaction_hash) = 66) AND (transaction_hash ~ '^0x[0-9a-f]*$'::text))),
    CONSTRAINT alert_events_transfer_complete CHECK ((num_nonnulls(chain_id, block_number, block_hash, transaction_hash, trace_path) = ANY (ARRAY[0, 5])))
);

--
-- Name: TABLE alert_events; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.alert_events IS 'What alerts fired on, one row for each alert and transfer, candle or pattern.';

--
-- Name: COLUMN alert_events.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.id IS 'Surrogate identifier.';

--
-- Name: COLUMN alert_events.alert_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.alert_id IS 'Alert that fired; its events go when it is deleted.';

--
-- Name: COLUMN alert_events.user_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.user_id IS 'Account that owns the alert, copied from it.';

--
-- Name: COLUMN alert_events.chain_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.chain_id IS 'EIP-155 number of the transfer''s chain; NULL where no transfer fired the alert.';

--
-- Name: COLUMN alert_events.block_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.block_number IS 'Height of the block that includes the transfer; NULL where no transfer fired the alert.';

--
-- Name: COLUMN alert_events.block_hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.block_hash IS 'Block that includes the transfer, 0x and 64 lower-case hexadecimal digits; NULL where no transfer fired the alert.';

--
-- Name: COLUMN alert_events.transaction_hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.transaction_hash IS 'Transaction of the transfer, 0x and 64 lower-case hexadecimal digits; NULL where no transfer fired the alert.';

--
-- Name: COLUMN alert_events.trace_path; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.trace_path IS 'Which transfer of the transaction: empty for the transaction itself, else the path of an internal one; NULL where no transfer fired the alert.';

--
-- Name: COLUMN alert_events.exchange; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.exchange IS 'Exchange of the candle; NULL where no candle fired the alert.';

--
-- Name: COLUMN alert_events.symbol; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.symbol IS 'Instrument of the candle, as the exchange writes it; NULL where no candle fired the alert.';

--
-- Name: COLUMN alert_events."interval"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events."interval" IS 'Length of the candle: 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w or 1M; NULL where no candle fired the alert.';

--
-- Name: COLUMN alert_events.open_time; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.open_time IS 'When the candle begins; NULL where no candle fired the alert.';

--
-- Name: COLUMN alert_events.pattern_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.pattern_id IS 'Pattern in smc_patterns that fired the alert; NULL where none did.';

--
-- Name: COLUMN alert_events.fired_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.fired_at IS 'When the alert fired.';

--
-- Name: COLUMN alert_events.retracted_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.retracted_at IS 'When what fired the alert was found not to have happened, as its block left the chain or its transaction failed; NULL while it stands.';

--
-- Name: COLUMN alert_events.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.created_at IS 'When the row was first stored.';

--
-- Name: COLUMN alert_events.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alert_events.updated_at IS 'When the row last changed.';

--
-- Name: alerts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alerts (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid DEFAULT auth.uid() NOT NULL,
    alert_type text NOT NULL,
    conditions jsonb NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT alerts_address_activity_conditions CHECK (((alert_type <> 'address_activity'::text) OR (((jsonb_typeof((conditions -> 'address'::text)) = 'string'::text) AND ((conditions ->> 'address'::text) ~ '^0x[0-9a-fA-F]{40}$'::text) AND (((conditions -> 'direction'::text) IS NULL) OR ((conditions -> 'direction'::text) = ANY (ARRAY['"from"'::jsonb, '"to"'::jsonb, '"any"'::jsonb]))) AND (((conditions -> 'min_value_eth'::text) IS NULL) OR ((jsonb_typeof((conditions -> 'min_value_eth'::text)) = 'number'::text) AND ((conditions -> 'min_value_eth'::text) > '0'::jsonb) AND (char_length((conditions ->> 'min_value_eth'::text)) <= 80))) AND (((conditions -> 'chain_id'::text) IS NULL) OR ((jsonb_typeof((conditions -> 'chain_id'::text)) = 'number'::text) AND ((conditions ->> 'chain_id'::text) ~ '^[1-9][0-9]{0,17}$'::text))) AND
CASE
    WHEN (jsonb_typeof(conditions) = 'object'::text) THEN ((conditions - ARRAY['address'::text, 'direction'::text, 'min_value_eth'::text, 'chain_id'::text]) = '{}'::jsonb)
    ELSE NULL::boolean
END) IS TRUE))),
    CONSTRAINT alerts_alert_type_known CHECK ((alert_type = ANY (ARRAY['large_transfer'::text, 'address_activity'::text, 'price_level'::text, 'pattern'::text]))),
    CONSTRAINT alerts_conditions_object CHECK ((jsonb_typeof(conditions) = 'object'::text)),
    CONSTRAINT alerts_large_transfer_conditions CHECK (((alert_type <> 'large_transfer'::text) OR (((jsonb_typeof((conditions -> 'min_value_eth'::text)) = 'number'::text) AND ((conditions -> 'min_value_eth'::text) > '0'::jsonb) AND (char_length((conditions ->> 'min_value_eth'::text)) <= 80) AND (((conditions -> 'chain_id'::text) IS NULL) OR ((jsonb_typeof((conditions -> 'chain_id'::text)) = 'number'::text) AND ((conditions ->> 'chain_id'::text) ~ '^[1-9][0-9]{0,17}$'::text))) AND
CASE
    WHEN (jsonb_typeof(conditions) = 'object'::text) THEN ((conditions - ARRAY['min_value_eth'::text, 'chain_id'::text]) = '{}'::jsonb)
    ELSE NULL::boolean
END) IS TRUE))),
    CONSTRAINT alerts_pattern_conditions CHECK (((alert_type <> 'pattern'::text) OR (((jsonb_typeof((conditions -> 'symbol'::text)) = 'string'::text) AND ((char_length((conditions ->> 'symbol'::text)) >= 1) AND (char_length((conditions ->> 'symbol'::text)) <= 100)) AND (((conditions -> 'exchange'::text) IS NULL) OR ((jsonb_typeof((conditions -> 'exchange'::text)) = 'string'::text) AND ((char_length((conditions ->> 'exchange'::text)) >= 1) AND (char_length((conditions ->> 'exchange'::text)) <= 50)))) AND (((conditions -> 'pattern_type'::text) IS NULL) OR ((jsonb_typeof((conditions -> 'pattern_type'::text)) = 'string'::text) AND ((conditions ->> 'pattern_type'::text) ~ '^[a-z][a-z0-9_]{0,49}$'::text))) AND (((conditions -> 'time_frame'::text) IS NULL) OR ((jsonb_typeof((conditions -> 'time_frame'::text)) = 'string'::text) AND ((conditions ->> 'time_frame'::text) = ANY (ARRAY['1m'::text, '3m'::text, '5m'::text, '15m'::text, '30m'::text, '1h'::text, '2h'::text, '4h'::text, '6h'::text, '8h'::text, '12h'::text, '1d'::text, '3d'::text, '1w'::text, '1M'::text])))) AND (((conditions -> 'min_confidence'::text) IS NULL) OR ((jsonb_typeof((conditions -> 'min_confidence'::text)) = 'number'::text) AND ((conditions -> 'min_confidence'::text) >= '0'::jsonb) AND ((conditions -> 'min_confidence'::text) <= '1'::jsonb) AND (char_length((conditions ->> 'min_confidence'::text)) <= 80))) AND
CASE
    WHEN (jsonb_typeof(conditions) = 'object'::text) THEN ((conditions - ARRAY['symbol'::text, 'exchange'::text, 'pattern_type'::text, 'time_frame'::text, 'min_confidence'::text]) = '{}'::jsonb)
    ELSE NULL::boolean
END) IS TRUE))),
    CONSTRAINT alerts_price_level_conditions CHECK (((alert_type <> 'price_level'::text) OR (((jsonb_typeof((conditions -> 'exchange'::text)) = 'string'::text) AND ((char_length((conditions ->> 'exchange'::text)) >= 1) AND (char_length((conditions ->> 'exchange'::text)) <= 50)) AND (jsonb_typeof((conditions -> 'symbol'::text)) = 'string'::text) AND ((char_length((conditions ->> 'symbol'::text)) >= 1) AND (char_length((conditions ->> 'symbol'::text)) <= 100)) AND (jsonb_typeof((conditions -> 'interval'::text)) = 'string'::text) AND ((conditions ->> 'interval'::text) = ANY (ARRAY['1m'::text, '3m'::text, '5m'::text, '15m'::text, '30m'::text, '1h'::text, '2h'::text, '4h'::text, '6h'::text, '8h'::text, '12h'::text, '1d'::text, '3d'::text, '1w'::text, '1M'::text])) AND ((conditions -> 'direction'::text) = ANY (ARRAY['"above"'::jsonb, '"below"'::jsonb])) AND (jsonb_typeof((conditions -> 'price'::text)) = 'number'::text) AND (char_length((conditions ->> 'price'::text)) <= 80) AND
CASE
    WHEN (jsonb_typeof(conditions) = 'object'::text) THEN ((conditions - ARRAY['exchange'::text, 'symbol'::text, 'interval'::text, 'direction'::text, 'price'::text]) = '{}'::jsonb)
    ELSE NULL::boolean
END) IS TRUE))),
    CONSTRAINT alerts_updated_at_range CHECK (((EXTRACT(year FROM (updated_at AT TIME ZONE 'UTC'::text)) >= (1)::numeric) AND (EXTRACT(year FROM (updated_at AT TIME ZONE 'UTC'::text)) <= (9999)::numeric)))
);

--
-- Name: TABLE alerts; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.alerts IS 'Conditions under which an account wants to be told, one row for each alert.';

--
-- Name: COLUMN alerts.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alerts.id IS 'Surrogate identifier.';

--
-- Name: COLUMN alerts.user_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alerts.user_id IS 'Account that owns the alert, by default the one in whose name the transaction runs; the alert goes when the account is deleted.';

--
-- Name: COLUMN alerts.alert_type; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alerts.alert_type IS 'What the alert is about: large_transfer, address_activity, price_level or pattern.';

--
-- Name: COLUMN alerts.conditions; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alerts.conditions IS 'When the alert fires, a JSON object whose members depend on alert_type. large_transfer: min_value_eth, chain_id or every chain. address_activity: address in any case, direction (from, to or any), min_value_eth or any amount, chain_id or every chain. price_level: exchange, symbol, interval, direction (above or below), price. pattern: symbol, and where given exchange, pattern_type, time_frame, min_confidence. Ether is the chain''s native unit, prices are in the symbol''s quote currency.';

--
-- Name: COLUMN alerts.enabled; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alerts.enabled IS 'Whether the alert may fire.';

--
-- Name: COLUMN alerts.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alerts.created_at IS 'When the row was first stored.';

--
-- Name: COLUMN alerts.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.alerts.updated_at IS 'When the row last changed.';

--
-- Name: blocks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.blocks (
    hash text NOT NULL,
    chain_id bigint NOT NULL,
    number bigint NOT NULL,
    parent_hash text NOT NULL,
    block_timestamp timestamp with time zone NOT NULL,
    canonical boolean DEFAULT true NOT NULL,
    orphaned_at timestamp with time zone,
    finality text DEFAULT 'pending'::text NOT NULL,
    min_value_eth numeric NOT NULL,
    complete boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    traced boolean DEFAULT false NOT NULL,
    CONSTRAINT blocks_block_timestamp_finite CHECK (isfinite(block_timestamp)),
    CONSTRAINT blocks_canonical_or_orphaned CHECK ((canonical = (orphaned_at IS NULL))),
    CONSTRAINT blocks_chain_id_positive CHECK ((chain_id > 0)),
    CONSTRAINT blocks_finality_known CHECK ((finality = ANY (ARRAY['pending'::text, 'safe'::text, 'finalised'::text]))),
    CONSTRAINT blocks_hash_format CHECK (((octet_length(hash) = 66) AND (hash ~ '^0x[0-9a-f]*$'::text))),
    CONSTRAINT blocks_min_value_eth_range CHECK (((min_value_eth >= (0)::numeric) AND (min_value_eth < 'Infinity'::numeric))),
    CONSTRAINT blocks_number_not_negative CHECK ((number >= 0)),
    CONSTRAINT blocks_parent_hash_format CHECK (((octet_length(parent_hash) = 66) AND (parent_hash ~ '^0x[0-9a-f]*$'::text)))
);

--
-- Name: TABLE blocks; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.blocks IS 'Blocks that were read, canonical and orphaned ones, one row for each block.';

--
-- Name: COLUMN blocks.hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.blocks.hash IS 'Block hash, 0x and 64 lower-case hexadecimal digits.';

--
-- Name: COLUMN blocks.chain_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.blocks.chain_id IS 'EIP-155 number of the chain; 1 is Ethereum mainnet.';

--
-- Name: COLUMN blocks.number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.blocks.number IS 'Height of the block.';

--
-- Name: COLUMN blocks.parent_hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.blocks.parent_hash IS 'Hash of the block before, 0x and 64 lower-case hexadecimal digits.';

--
-- Name: COLUMN blocks.block_timestamp; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.blocks.block_timestamp IS 'Time of the block, as its producer stated it.';

--
-- Name: COLUMN blocks.canonical; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.blocks.canonical IS 'Whether the block is on the canonical chain; a chain has at most one such block at a height.';

--
-- Name: COLUMN blocks.orphaned_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.blocks.orphaned_at IS 'When the block was found to have left the canonical chain; NULL while it is canonical.';

--
-- Name: COLUMN blocks.finality; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.blocks.finality IS 'How settled the block is: pending, safe or finalised.';

--
-- Name: COLUMN blocks.min_value_eth; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.blocks.min_value_eth IS 'Threshold in ether that the block was read with: transfers below it were not stored.';

--
-- Name: COLUMN blocks.complete; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.blocks.complete IS 'Whether every transfer at or above the threshold was stored; false where an item of the block went to dead_letters.';

--
-- Name: COLUMN blocks.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.blocks.created_at IS 'When the row was first stored.';

--
-- Name: COLUMN blocks.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.blocks.updated_at IS 'When the row last changed.';

--
-- Name: COLUMN blocks.traced; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.blocks.traced IS 'Whether the internal transfers of the block, at or above the threshold, were read and stored too; false where no traces were given.';

--
-- Name: dead_letters; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.dead_letters (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    source text NOT NULL,
    item text NOT NULL,
    payload bytea NOT NULL,
    payload_sha256 bytea NOT NULL,
    reason text NOT NULL,
    sqlstate text,
    attempts integer DEFAULT 1 NOT NULL,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT dead_letters_attempts_positive CHECK ((attempts >= 1)),
    CONSTRAINT dead_letters_item_length CHECK ((((char_length(item) >= 1) AND (char_length(item) <= 200)) AND (octet_length(item) <= 400))),
    CONSTRAINT dead_letters_payload_sha256_length CHECK ((octet_length(payload_sha256) = 32)),
    CONSTRAINT dead_letters_reason_not_empty CHECK ((reason <> ''::text)),
    CONSTRAINT dead_letters_source_length CHECK ((((char_length(source) >= 1) AND (char_length(source) <= 1000)) AND (octet_length(source) <= 2000))),
    CONSTRAINT dead_letters_sqlstate_format CHECK ((sqlstate ~ '^[0-9A-Z]{5}$'::text))
);

--
-- Name: TABLE dead_letters; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.dead_letters IS 'Items that could not be stored, as they were received, one row for each item and content.';

--
-- Name: COLUMN dead_letters.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.id IS 'Surrogate identifier.';

--
-- Name: COLUMN dead_letters.source; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.source IS 'Where the item came from, such as file:/data/blocks.ndjson, 1 to 1000 characters.';

--
-- Name: COLUMN dead_letters.item; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.item IS 'Which item of the source it is, such as line 9, transaction 3; 1 to 200 characters.';

--
-- Name: COLUMN dead_letters.payload; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.payload IS 'The item as received, byte for byte; it may not be valid text.';

--
-- Name: COLUMN dead_letters.payload_sha256; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.payload_sha256 IS 'SHA-256 of payload, 32 bytes; it tells a repeated item from a changed one.';

--
-- Name: COLUMN dead_letters.reason; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.reason IS 'Why the item was refused, for a person to read.';

--
-- Name: COLUMN dead_letters.sqlstate; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.sqlstate IS 'Error code with which PostgreSQL refused the item; NULL where it was refused before SQL.';

--
-- Name: COLUMN dead_letters.attempts; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.attempts IS 'How often the item was tried.';

--
-- Name: COLUMN dead_letters.first_seen_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.first_seen_at IS 'When the item was first refused.';

--
-- Name: COLUMN dead_letters.last_seen_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.dead_letters.last_seen_at IS 'When the item was last refused.';

--
-- Name: ingest_claims; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ingest_claims (
    stream text NOT NULL,
    chain_id bigint NOT NULL,
    fencing_token bigint NOT NULL,
    holder text NOT NULL,
    claimed_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT ingest_claims_chain_id_positive CHECK ((chain_id > 0)),
    CONSTRAINT ingest_claims_claimed_at_finite CHECK (isfinite(claimed_at)),
    CONSTRAINT ingest_claims_expires_at_finite CHECK (isfinite(expires_at)),
    CONSTRAINT ingest_claims_fencing_token_positive CHECK ((fencing_token > 0)),
    CONSTRAINT ingest_claims_holder_length CHECK (((char_length(holder) >= 1) AND (char_length(holder) <= 300))),
    CONSTRAINT ingest_claims_stream_length CHECK ((((char_length(stream) >= 1) AND (char_length(stream) <= 1000)) AND (octet_length(stream) <= 2000)))
);

--
-- Name: TABLE ingest_claims; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.ingest_claims IS 'Which writer writes a stream now, one row for each stream and chain that has one. The row goes when the writer ends cleanly; one that died leaves it until it expires.';

--
-- Name: COLUMN ingest_claims.stream; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ingest_claims.stream IS 'Name of the stream, as in ingest_cursors, 1 to 1000 characters.';

--
-- Name: COLUMN ingest_claims.chain_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ingest_claims.chain_id IS 'EIP-155 number of the chain; 1 is Ethereum mainnet.';

--
-- Name: COLUMN ingest_claims.fencing_token; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ingest_claims.fencing_token IS 'Names this claim and no other, ever; a writer whose token is not here any more was replaced.';

--
-- Name: COLUMN ingest_claims.holder; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ingest_claims.holder IS 'Host and process of the writer, for a person to read, 1 to 300 characters.';

--
-- Name: COLUMN ingest_claims.claimed_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ingest_claims.claimed_at IS 'When the writer claimed the stream, by the clock of the server.';

--
-- Name: COLUMN ingest_claims.expires_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ingest_claims.expires_at IS 'Until when the claim stands unless it is renewed, by the clock of the server; afterwards another writer may take the stream over.';

--
-- Name: ingest_claims_fencing_token_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.ingest_claims ALTER COLUMN fencing_token ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.ingest_claims_fencing_token_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: ingest_cursors; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ingest_cursors (
    stream text NOT NULL,
    chain_id bigint NOT NULL,
    number bigint NOT NULL,
    hash text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ingest_cursors_chain_id_positive CHECK ((chain_id > 0)),
    CONSTRAINT ingest_cursors_hash_format CHECK ((hash ~ '^0x[0-9a-f]{64}$'::text)),
    CONSTRAINT ingest_cursors_number_not_negative CHECK ((number >= 0)),
    CONSTRAINT ingest_cursors_stream_length CHECK ((((char_length(stream) >= 1) AND (char_length(stream) <= 1000)) AND (octet_length(stream) <= 2000)))
);

--
-- Name: TABLE ingest_cursors; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.ingest_cursors IS 'How far each stream of blocks was read, one row for each stream and chain.';

--
-- Name: COLUMN ingest_cursors.stream; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ingest_cursors.stream IS 'Name of the source that is read in order, such as file:/data/blocks.ndjson, 1 to 1000 characters.';

--
-- Name: COLUMN ingest_cursors.chain_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ingest_cursors.chain_id IS 'EIP-155 number of the chain; 1 is Ethereum mainnet.';

--
-- Name: COLUMN ingest_cursors.number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ingest_cursors.number IS 'Height of the last block that was stored from the stream.';

--
-- Name: COLUMN ingest_cursors.hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ingest_cursors.hash IS 'Hash of the last block that was stored from the stream, 0x and 64 lower-case hexadecimal digits.';

--
-- Name: COLUMN ingest_cursors.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ingest_cursors.created_at IS 'When the row was first stored.';

--
-- Name: COLUMN ingest_cursors.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ingest_cursors.updated_at IS 'When the row last changed.';

--
-- Name: liquidity_zones; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.liquidity_zones (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    price_level numeric NOT NULL,
    size numeric NOT NULL,
    side text NOT NULL,
    strength numeric(5,4),
    exchange text NOT NULL,
    symbol text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT liquidity_zones_exchange_length CHECK (((char_length(exchange) >= 1) AND (char_length(exchange) <= 50))),
    CONSTRAINT liquidity_zones_price_level_finite CHECK (((price_level > '-Infinity'::numeric) AND (price_level < 'Infinity'::numeric))),
    CONSTRAINT liquidity_zones_side_known CHECK ((side = ANY (ARRAY['bid'::text, 'ask'::text]))),
    CONSTRAINT liquidity_zones_size_range CHECK (((size > (0)::numeric) AND (size < 'Infinity'::numeric))),
    CONSTRAINT liquidity_zones_strength_range CHECK (((strength >= (0)::numeric) AND (strength <= (1)::numeric))),
    CONSTRAINT liquidity_zones_symbol_length CHECK (((char_length(symbol) >= 1) AND (char_length(symbol) <= 100)))
);

--
-- Name: TABLE liquidity_zones; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.liquidity_zones IS 'Price levels of order books at which much is offered or asked for, one row for each level.';

--
-- Name: COLUMN liquidity_zones.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.liquidity_zones.id IS 'Surrogate identifier.';

--
-- Name: COLUMN liquidity_zones.price_level; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.liquidity_zones.price_level IS 'Price of the level in the symbol''s quote currency; negative for some spreads.';

--
-- Name: COLUMN liquidity_zones.size; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.liquidity_zones.size IS 'Amount at the level in the symbol''s base currency or contracts, above 0; a level whose size became 0 is deleted.';

--
-- Name: COLUMN liquidity_zones.side; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.liquidity_zones.side IS 'Side of the order book: bid or ask.';

--
-- Name: COLUMN liquidity_zones.strength; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.liquidity_zones.strength IS 'How strong the zone is, from 0 to 1; NULL until scored.';

--
-- Name: COLUMN liquidity_zones.exchange; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.liquidity_zones.exchange IS 'Name of the exchange.';

--
-- Name: COLUMN liquidity_zones.symbol; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.liquidity_zones.symbol IS 'Name of the instrument, as the exchange writes it.';

--
-- Name: COLUMN liquidity_zones.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.liquidity_zones.created_at IS 'When the row was first stored.';

--
-- Name: COLUMN liquidity_zones.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.liquidity_zones.updated_at IS 'When the row last changed.';

--
-- Name: market_data; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.market_data (
    exchange text NOT NULL,
    symbol text NOT NULL,
    "interval" text NOT NULL,
    open_time timestamp with time zone NOT NULL,
    open numeric NOT NULL,
    high numeric NOT NULL,
    low numeric NOT NULL,
    close numeric NOT NULL,
    volume numeric NOT NULL,
    trade_count bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT market_data_close_finite CHECK (((close > '-Infinity'::numeric) AND (close < 'Infinity'::numeric))),
    CONSTRAINT market_data_exchange_length CHECK (((char_length(exchange) >= 1) AND (char_length(exchange) <= 50))),
    CONSTRAINT market_data_high_finite CHECK (((high > '-Infinity'::numeric) AND (high < 'Infinity'::numeric))),
    CONSTRAINT market_data_interval_known CHECK (("interval" = ANY (ARRAY['1m'::text, '3m'::text, '5m'::text, '15m'::text, '30m'::text, '1h'::text, '2h'::text, '4h'::text, '6h'::text, '8h'::text, '12h'::text, '1d'::text, '3d'::text, '1w'::text, '1M'::text]))),
    CONSTRAINT market_data_low_finite CHECK (((low > '-Infinity'::numeric) AND (low < 'Infinity'::numeric))),
    CONSTRAINT market_data_open_finite CHECK (((open > '-Infinity'::numeric) AND (open < 'Infinity'::numeric))),
    CONSTRAINT market_data_prices_ordered CHECK (((low <= LEAST(open, close)) AND (high >= GREATEST(open, close)))),
    CONSTRAINT market_data_symbol_length CHECK (((char_length(symbol) >= 1) AND (char_length(symbol) <= 100))),
    CONSTRAINT market_data_trade_count_not_negative CHECK ((trade_count >= 0)),
    CONSTRAINT market_data_volume_range CHECK (((volume >= (0)::numeric) AND (volume < 'Infinity'::numeric)))
)
PARTITION BY RANGE (open_time);

--
-- Name: TABLE market_data; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.market_data IS 'Candles of instruments, one row for each candle; partitioned by UTC month of open_time.';

--
-- Name: COLUMN market_data.exchange; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.market_data.exchange IS 'Name of the exchange.';

--
-- Name: COLUMN market_data.symbol; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.market_data.symbol IS 'Name of the instrument, as the exchange writes it.';

--
-- Name: COLUMN market_data."interval"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.market_data."interval" IS 'Length of the candle: 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w or 1M.';

--
-- Name: COLUMN market_data.open_time; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.market_data.open_time IS 'When the candle begins.';

--
-- Name: COLUMN market_data.open; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.market_data.open IS 'First price in the symbol''s quote currency; negative for some spreads.';

--
-- Name: COLUMN market_data.high; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.market_data.high IS 'Highest price in the symbol''s quote currency; negative for some spreads.';

--
-- Name: COLUMN market_data.low; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.market_data.low IS 'Lowest price in the symbol''s quote currency; negative for some spreads.';

--
-- Name: COLUMN market_data.close; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.market_data.close IS 'Last price in the symbol''s quote currency; negative for some spreads.';

--
-- Name: COLUMN market_data.volume; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.market_data.volume IS 'Amount traded in the symbol''s base currency or contracts.';

--
-- Name: COLUMN market_data.trade_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.market_data.trade_count IS 'Number of trades; NULL where the exchange does not tell.';

--
-- Name: COLUMN market_data.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.market_data.created_at IS 'When the row was first stored.';

--
-- Name: COLUMN market_data.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.market_data.updated_at IS 'When the row last changed.';

--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    id uuid NOT NULL,
    display_name text,
    preferences jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT users_display_name_length CHECK (((char_length(display_name) >= 1) AND (char_length(display_name) <= 200))),
    CONSTRAINT users_preferences_object CHECK ((jsonb_typeof(preferences) = 'object'::text)),
    CONSTRAINT users_preferences_shape CHECK ((((((preferences -> 'quote_currency'::text) IS NULL) OR ((jsonb_typeof((preferences -> 'quote_currency'::text)) = 'string'::text) AND ((preferences ->> 'quote_currency'::text) ~ '^[A-Z0-9]+$'::text) AND ((char_length((preferences ->> 'quote_currency'::text)) >= 3) AND (char_length((preferences ->> 'quote_currency'::text)) <= 10)))) AND (((preferences -> 'time_zone'::text) IS NULL) OR ((jsonb_typeof((preferences -> 'time_zone'::text)) = 'string'::text) AND ((preferences ->> 'time_zone'::text) ~ '^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$'::text) AND (char_length((preferences ->> 'time_zone'::text)) <= 64))) AND (((preferences -> 'min_value_eth'::text) IS NULL) OR ((jsonb_typeof((preferences -> 'min_value_eth'::text)) = 'number'::text) AND ((preferences -> 'min_value_eth'::text) > '0'::jsonb) AND (char_length((preferences ->> 'min_value_eth'::text)) <= 80))) AND (((preferences -> 'chain_id'::text) IS NULL) OR ((jsonb_typeof((preferences -> 'chain_id'::text)) = 'number'::text) AND ((preferences ->> 'chain_id'::text) ~ '^[1-9][0-9]*$'::text) AND (char_length((preferences ->> 'chain_id'::text)) <= 18))) AND
CASE
    WHEN ((preferences -> 'notify_by'::text) IS NULL) THEN true
    WHEN (jsonb_typeof((preferences -> 'notify_by'::text)) = 'array'::text) THEN (jsonb_array_length((preferences -> 'notify_by'::text)) = (((((preferences -> 'notify_by'::text) ? 'email'::text))::integer + (((preferences -> 'notify_by'::text) ? 'push'::text))::integer) + (((preferences -> 'notify_by'::text) ? 'webhook'::text))::integer))
    ELSE NULL::boolean
END AND
CASE
    WHEN (jsonb_typeof(preferences) = 'object'::text) THEN ((preferences - ARRAY['quote_currency'::text, 'time_zone'::text, 'min_value_eth'::text, 'chain_id'::text, 'notify_by'::text]) = '{}'::jsonb)
    ELSE NULL::boolean
END) IS TRUE)),
    CONSTRAINT users_updated_at_range CHECK (((EXTRACT(year FROM (updated_at AT TIME ZONE 'UTC'::text)) >= (1)::numeric) AND (EXTRACT(year FROM (updated_at AT TIME ZONE 'UTC'::text)) <= (9999)::numeric)))
);

--
-- Name: TABLE users; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.users IS 'Profiles and preferences of accounts, at most one row for each account.';

--
-- Name: COLUMN users.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.id IS 'Identifier of the account in auth.users; the profile goes when the account is deleted.';

--
-- Name: COLUMN users.display_name; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.display_name IS 'Name to show, 1 to 200 characters; NULL where none was chosen.';

--
-- Name: COLUMN users.preferences; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.preferences IS 'What the account chose, a JSON object; each member may be left out, and {} is everything as by default. quote_currency: code of the currency to show values in, by default USD. time_zone: name of the IANA zone to show times in, by default UTC. min_value_eth: least value of the transfers to list, in ether (the chain''s native unit), or every one. chain_id: EIP-155 number of the chain to show, or every chain. notify_by: list of email, push and webhook, in order of preference, or none.';

--
-- Name: COLUMN users.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.created_at IS 'When the row was first stored.';

--
-- Name: COLUMN users.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.updated_at IS 'When the row last changed.';

--
-- Name: whale_transactions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.whale_transactions (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    hash text NOT NULL,
    chain_id bigint NOT NULL,
    block_hash text NOT NULL,
    trace_path text DEFAULT ''::text NOT NULL,
    block_number bigint NOT NULL,
    block_timestamp timestamp with time zone NOT NULL,
    from_address text NOT NULL,
    to_address text,
    value_eth numeric NOT NULL,
    value_usd numeric(20,2),
    price_source text,
    priced_at timestamp with time zone,
    gas_price bigint NOT NULL,
    gas_used bigint,
    succeeded boolean,
    whale_score numeric(5,4),
    orphaned_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT whale_transactions_block_hash_format CHECK (((octet_length(block_hash) = 66) AND (block_hash ~ '^0x[0-9a-f]*$'::text))),
    CONSTRAINT whale_transactions_block_number_not_negative CHECK ((block_number >= 0)),
    CONSTRAINT whale_transactions_block_timestamp_finite CHECK (isfinite(block_timestamp)),
    CONSTRAINT whale_transactions_chain_id_positive CHECK ((chain_id > 0)),
    CONSTRAINT whale_transactions_from_address_format CHECK (((octet_length(from_address) = 42) AND (from_address ~ '^0x[0-9a-f]*$'::text))),
    CONSTRAINT whale_transactions_gas_price_not_negative CHECK ((gas_price >= 0)),
    CONSTRAINT whale_transactions_gas_used_not_negative CHECK ((gas_used >= 0)),
    CONSTRAINT whale_transactions_hash_format CHECK (((octet_length(hash) = 66) AND (hash ~ '^0x[0-9a-f]*$'::text))),
    CONSTRAINT whale_transactions_price_complete CHECK ((num_nulls(value_usd, price_source, priced_at) = ANY (ARRAY[0, 3]))),
    CONSTRAINT whale_transactions_price_source_length CHECK (((char_length(price_source) >= 1) AND (char_length(price_source) <= 100))),
    CONSTRAINT whale_transactions_to_address_format CHECK (((octet_length(to_address) = 42) AND (to_address ~ '^0x[0-9a-f]*$'::text))),
    CONSTRAINT whale_transactions_trace_path_format CHECK ((trace_path ~ '^([0-9]+(_[0-9]+)*)?$'::text)),
    CONSTRAINT whale_transactions_value_eth_range CHECK (((value_eth >= (0)::numeric) AND (value_eth < 'Infinity'::numeric))),
    CONSTRAINT whale_transactions_value_eth_wei CHECK ((value_eth = round(value_eth, 18))),
    CONSTRAINT whale_transactions_value_usd_range CHECK (((value_usd >= (0)::numeric) AND (value_usd < 'Infinity'::numeric))),
    CONSTRAINT whale_transactions_whale_score_range CHECK (((whale_score >= (0)::numeric) AND (whale_score <= (1)::numeric)))
);
ALTER TABLE ONLY public.whale_transactions ALTER COLUMN hash SET (n_distinct=-0.5);

--
-- Name: TABLE whale_transactions; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.whale_transactions IS 'Large transfers of a chain, one row for each inclusion in a block.';

--
-- Name: COLUMN whale_transactions.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.id IS 'Surrogate identifier for references from outside; it has no index, rows are found by hash.';

--
-- Name: COLUMN whale_transactions.hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.hash IS 'Transaction hash, 0x and 64 lower-case hexadecimal digits.';

--
-- Name: COLUMN whale_transactions.chain_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.chain_id IS 'EIP-155 number of the chain; 1 is Ethereum mainnet.';

--
-- Name: COLUMN whale_transactions.block_hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.block_hash IS 'Hash of the block that includes the transaction, 0x and 64 lower-case hexadecimal digits.';

--
-- Name: COLUMN whale_transactions.trace_path; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.trace_path IS 'Path of an internal transfer within its transaction, such as 0_1_2; empty for the transaction itself.';

--
-- Name: COLUMN whale_transactions.block_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.block_number IS 'Height of the including block.';

--
-- Name: COLUMN whale_transactions.block_timestamp; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.block_timestamp IS 'Time of the including block, as its producer stated it.';

--
-- Name: COLUMN whale_transactions.from_address; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.from_address IS 'Sender, 0x and 40 lower-case hexadecimal digits.';

--
-- Name: COLUMN whale_transactions.to_address; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.to_address IS 'Recipient, 0x and 40 lower-case hexadecimal digits; NULL where the transaction creates a contract.';

--
-- Name: COLUMN whale_transactions.value_eth; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.value_eth IS 'Amount in ether (the chain''s native unit), exact to the wei.';

--
-- Name: COLUMN whale_transactions.value_usd; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.value_usd IS 'Amount in US dollars at block_timestamp, to the cent; NULL until priced.';

--
-- Name: COLUMN whale_transactions.price_source; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.price_source IS 'Where the price behind value_usd came from; NULL until priced.';

--
-- Name: COLUMN whale_transactions.priced_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.priced_at IS 'When value_usd was computed; NULL until priced.';

--
-- Name: COLUMN whale_transactions.gas_price; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.gas_price IS 'Price of a unit of gas in wei.';

--
-- Name: COLUMN whale_transactions.gas_used; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.gas_used IS 'Units of gas that were used; NULL until a receipt was read.';

--
-- Name: COLUMN whale_transactions.succeeded; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.succeeded IS 'Whether execution succeeded; NULL until a receipt was read, and for good before Byzantium, whose receipts do not tell.';

--
-- Name: COLUMN whale_transactions.whale_score; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.whale_score IS 'How remarkable the transfer is, from 0 to 1; NULL until scored.';

--
-- Name: COLUMN whale_transactions.orphaned_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.orphaned_at IS 'When the including block was found to have left the canonical chain; NULL while it is canonical.';

--
-- Name: COLUMN whale_transactions.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.created_at IS 'When the row was first stored.';

--
-- Name: COLUMN whale_transactions.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transactions.updated_at IS 'When the row last changed.';

--
-- Name: whale_transfers; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.whale_transfers WITH (security_invoker='true') AS
 SELECT id,
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
    created_at,
    updated_at
   FROM public.whale_transactions t
  WHERE ((orphaned_at IS NULL) AND (succeeded IS DISTINCT FROM false) AND (value_eth > (0)::numeric));

--
-- Name: VIEW whale_transfers; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON VIEW public.whale_transfers IS 'Transfers that moved value: canonical, not known to have failed, above 0 ether.';

--
-- Name: COLUMN whale_transfers.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.id IS 'Surrogate identifier for references from outside; it has no index, rows are found by hash.';

--
-- Name: COLUMN whale_transfers.hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.hash IS 'Transaction hash, 0x and 64 lower-case hexadecimal digits.';

--
-- Name: COLUMN whale_transfers.chain_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.chain_id IS 'EIP-155 number of the chain; 1 is Ethereum mainnet.';

--
-- Name: COLUMN whale_transfers.block_hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.block_hash IS 'Hash of the block that includes the transaction, 0x and 64 lower-case hexadecimal digits.';

--
-- Name: COLUMN whale_transfers.trace_path; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.trace_path IS 'Path of an internal transfer within its transaction, such as 0_1_2; empty for the transaction itself.';

--
-- Name: COLUMN whale_transfers.block_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.block_number IS 'Height of the including block.';

--
-- Name: COLUMN whale_transfers.block_timestamp; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.block_timestamp IS 'Time of the including block, as its producer stated it.';

--
-- Name: COLUMN whale_transfers.from_address; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.from_address IS 'Sender, 0x and 40 lower-case hexadecimal digits.';

--
-- Name: COLUMN whale_transfers.to_address; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.to_address IS 'Recipient, 0x and 40 lower-case hexadecimal digits; NULL where the transaction creates a contract.';

--
-- Name: COLUMN whale_transfers.value_eth; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.value_eth IS 'Amount in ether (the chain''s native unit), exact to the wei, above 0.';

--
-- Name: COLUMN whale_transfers.value_usd; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.value_usd IS 'Amount in US dollars at block_timestamp, to the cent; NULL until priced.';

--
-- Name: COLUMN whale_transfers.price_source; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.price_source IS 'Where the price behind value_usd came from; NULL until priced.';

--
-- Name: COLUMN whale_transfers.priced_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.priced_at IS 'When value_usd was computed; NULL until priced.';

--
-- Name: COLUMN whale_transfers.gas_price; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.gas_price IS 'Price of a unit of gas in wei.';

--
-- Name: COLUMN whale_transfers.gas_used; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.gas_used IS 'Units of gas that were used; NULL until a receipt was read.';

--
-- Name: COLUMN whale_transfers.succeeded; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.succeeded IS 'True where a receipt says that execution succeeded; NULL until one was read, and for good before Byzantium.';

--
-- Name: COLUMN whale_transfers.whale_score; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.whale_score IS 'How remarkable the transfer is, from 0 to 1; NULL until scored.';

--
-- Name: COLUMN whale_transfers.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.created_at IS 'When the row was first stored.';

--
-- Name: COLUMN whale_transfers.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transfers.updated_at IS 'When the row last changed.';

--
-- Name: whale_net_flows; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.whale_net_flows WITH (security_invoker='true') AS
 SELECT t.hash,
    t.chain_id,
    t.block_hash,
    t.block_number,
    t.block_timestamp,
    m.address,
    sum(m.change_eth) AS net_eth
   FROM (public.whale_transfers t
     CROSS JOIN LATERAL ( VALUES (t.from_address,(- t.value_eth)), (t.to_address,t.value_eth)) m(address, change_eth))
  GROUP BY t.hash, t.chain_id, t.block_hash, t.block_number, t.block_timestamp, m.address
 HAVING (sum(m.change_eth) <> (0)::numeric);

--
-- Name: VIEW whale_net_flows; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON VIEW public.whale_net_flows IS 'What each address gained or lost in sum in one inclusion of a transaction, over its rows of whale_transfers, internal ones included. An address that ends even has no row, so of a sum that passes from A over B to C there are A and C. The rows of a transaction add up to 0, and the positive ones to its volume.';

--
-- Name: COLUMN whale_net_flows.hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_net_flows.hash IS 'Transaction hash, 0x and 64 lower-case hexadecimal digits.';

--
-- Name: COLUMN whale_net_flows.chain_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_net_flows.chain_id IS 'EIP-155 number of the chain; 1 is Ethereum mainnet.';

--
-- Name: COLUMN whale_net_flows.block_hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_net_flows.block_hash IS 'Hash of the block that includes the transaction, 0x and 64 lower-case hexadecimal digits.';

--
-- Name: COLUMN whale_net_flows.block_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_net_flows.block_number IS 'Height of the including block.';

--
-- Name: COLUMN whale_net_flows.block_timestamp; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_net_flows.block_timestamp IS 'Time of the including block, as its producer stated it.';

--
-- Name: COLUMN whale_net_flows.address; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_net_flows.address IS 'Who gained or lost, 0x and 40 lower-case hexadecimal digits; NULL for the contract that the transaction creates.';

--
-- Name: COLUMN whale_net_flows.net_eth; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_net_flows.net_eth IS 'Received less sent in ether (the chain''s native unit), exact to the wei; above 0 gained, below 0 lost, never 0. Gas is not part of it.';

--
-- Name: whale_transaction_volumes; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.whale_transaction_volumes WITH (security_invoker='true') AS
 SELECT hash,
    chain_id,
    block_hash,
    block_number,
    block_timestamp,
    sum((transfer_count)::integer) AS transfer_count,
    sum(GREATEST((received_eth - sent_eth), (0)::numeric)) AS volume_eth,
    sum(sent_eth) AS hop_volume_eth,
    max(largest_eth) AS largest_eth
   FROM ( SELECT t.hash,
            t.chain_id,
            t.block_hash,
            t.block_number,
            t.block_timestamp,
            sum(m.counted) AS transfer_count,
            sum(m.sent_eth) AS sent_eth,
            sum(m.received_eth) AS received_eth,
            max(t.value_eth) AS largest_eth
           FROM (public.whale_transfers t
             CROSS JOIN LATERAL ( VALUES (t.from_address,t.value_eth,(0)::numeric,1), (t.to_address,(0)::numeric,t.value_eth,0)) m(address, sent_eth, received_eth, counted))
          GROUP BY t.hash, t.chain_id, t.block_hash, t.block_number, t.block_timestamp, m.address) a
  GROUP BY hash, chain_id, block_hash, block_number, block_timestamp;

--
-- Name: VIEW whale_transaction_volumes; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON VIEW public.whale_transaction_volumes IS 'What one inclusion of a transaction moved, over its rows of whale_transfers, internal ones included: in the end, and hop by hop.';

--
-- Name: COLUMN whale_transaction_volumes.hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transaction_volumes.hash IS 'Transaction hash, 0x and 64 lower-case hexadecimal digits.';

--
-- Name: COLUMN whale_transaction_volumes.chain_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transaction_volumes.chain_id IS 'EIP-155 number of the chain; 1 is Ethereum mainnet.';

--
-- Name: COLUMN whale_transaction_volumes.block_hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transaction_volumes.block_hash IS 'Hash of the block that includes the transaction, 0x and 64 lower-case hexadecimal digits.';

--
-- Name: COLUMN whale_transaction_volumes.block_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transaction_volumes.block_number IS 'Height of the including block.';

--
-- Name: COLUMN whale_transaction_volumes.block_timestamp; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transaction_volumes.block_timestamp IS 'Time of the including block, as its producer stated it.';

--
-- Name: COLUMN whale_transaction_volumes.transfer_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transaction_volumes.transfer_count IS 'Number of its transfers, each hop counted.';

--
-- Name: COLUMN whale_transaction_volumes.volume_eth; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transaction_volumes.volume_eth IS 'What its gainers gained in sum, in ether (the chain''s native unit), exact to the wei; 0 where everybody ends even.';

--
-- Name: COLUMN whale_transaction_volumes.hop_volume_eth; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transaction_volumes.hop_volume_eth IS 'Sum of its transfers in ether, each hop counted, exact to the wei.';

--
-- Name: COLUMN whale_transaction_volumes.largest_eth; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_transaction_volumes.largest_eth IS 'Its largest single transfer in ether, exact to the wei.';

--
-- Name: whale_volume_by_hour; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.whale_volume_by_hour WITH (security_invoker='true') AS
 SELECT chain_id,
    date_trunc('hour'::text, block_timestamp, 'UTC'::text) AS hour,
    count(*) AS transaction_count,
    sum((transfer_count)::integer) AS transfer_count,
    sum(volume_eth) AS volume_eth,
    sum(hop_volume_eth) AS hop_volume_eth
   FROM public.whale_transaction_volumes v
  GROUP BY chain_id, (date_trunc('hour'::text, block_timestamp, 'UTC'::text));

--
-- Name: VIEW whale_volume_by_hour; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON VIEW public.whale_volume_by_hour IS 'Volume of whale_transaction_volumes by chain and UTC hour; hours without a transfer have no row.';

--
-- Name: COLUMN whale_volume_by_hour.chain_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_volume_by_hour.chain_id IS 'EIP-155 number of the chain; 1 is Ethereum mainnet.';

--
-- Name: COLUMN whale_volume_by_hour.hour; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_volume_by_hour.hour IS 'When the hour begins, whole in UTC.';

--
-- Name: COLUMN whale_volume_by_hour.transaction_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_volume_by_hour.transaction_count IS 'Number of transactions with a transfer in the hour.';

--
-- Name: COLUMN whale_volume_by_hour.transfer_count; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_volume_by_hour.transfer_count IS 'Number of transfers in the hour, each hop counted.';

--
-- Name: COLUMN whale_volume_by_hour.volume_eth; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_volume_by_hour.volume_eth IS 'What changed hands in ether (the chain''s native unit), exact to the wei: a sum that passes through several addresses within a transaction counts once.';

--
-- Name: COLUMN whale_volume_by_hour.hop_volume_eth; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.whale_volume_by_hour.hop_volume_eth IS 'Sum of the transfers in ether, each hop counted, exact to the wei.';

--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: auth; Owner: -
--

ALTER TABLE ONLY auth.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: dbmate; Owner: -
--

ALTER TABLE ONLY dbmate.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

--
-- Name: alert_events alert_events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alert_events
    ADD CONSTRAINT alert_events_pkey PRIMARY KEY (id);

--
-- Name: alerts alerts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (id);

--
-- Name: blocks blocks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.blocks
    ADD CONSTRAINT blocks_pkey PRIMARY KEY (hash, chain_id);

--
-- Name: dead_letters dead_letters_natural_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_natural_key UNIQUE (source, item, payload_sha256);

--
-- Name: dead_letters dead_letters_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (id);

--
-- Name: ingest_claims ingest_claims_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ingest_claims
    ADD CONSTRAINT ingest_claims_pkey PRIMARY KEY (stream, chain_id);

--
-- Name: ingest_cursors ingest_cursors_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ingest_cursors
    ADD CONSTRAINT ingest_cursors_pkey PRIMARY KEY (stream, chain_id);

--
-- Name: liquidity_zones liquidity_zones_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.liquidity_zones
    ADD CONSTRAINT liquidity_zones_pkey PRIMARY KEY (id);

--
-- Name: market_data market_data_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.market_data
    ADD CONSTRAINT market_data_pkey PRIMARY KEY (symbol, exchange, "interval", open_time);

--
-- Name: smc_patterns smc_patterns_natural_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.smc_patterns
    ADD CONSTRAINT smc_patterns_natural_key UNIQUE (symbol, exchange, time_frame, pattern_type, detected_at, price_level);

--
-- Name: smc_patterns smc_patterns_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.smc_patterns
    ADD CONSTRAINT smc_patterns_pkey PRIMARY KEY (id);

--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

--
-- Name: whale_transactions whale_transactions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.whale_transactions
    ADD CONSTRAINT whale_transactions_pkey PRIMARY KEY (block_hash, chain_id, hash, trace_path);

--
-- Name: idx_alert_events_alert_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_alert_events_alert_id ON public.alert_events USING btree (alert_id, fired_at, id);

--
-- Name: idx_alert_events_candle; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX idx_alert_events_candle ON public.alert_events USING btree (symbol, exchange, "interval", open_time, alert_id) WHERE (open_time IS NOT NULL);

--
-- Name: INDEX idx_alert_events_candle; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.idx_alert_events_candle IS 'One event for each alert and candle.';

--
-- Name: idx_alert_events_pattern; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX idx_alert_events_pattern ON public.alert_events USING btree (pattern_id, alert_id) WHERE (pattern_id IS NOT NULL);

--
-- Name: INDEX idx_alert_events_pattern; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.idx_alert_events_pattern IS 'One event for each alert and pattern.';

--
-- Name: idx_alert_events_transfer; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX idx_alert_events_transfer ON public.alert_events USING btree (block_hash, chain_id, transaction_hash, trace_path, alert_id) WHERE (block_hash IS NOT NULL);

--
-- Name: INDEX idx_alert_events_transfer; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.idx_alert_events_transfer IS 'One event for each alert and transfer.';

--
-- Name: idx_alert_events_updated_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_alert_events_updated_at ON public.alert_events USING btree (updated_at, id);

--
-- Name: idx_alert_events_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_alert_events_user_id ON public.alert_events USING btree (user_id, fired_at, id);

--
-- Name: idx_alerts_address_activity; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_alerts_address_activity ON public.alerts USING btree (lower((conditions ->> 'address'::text))) WHERE (enabled AND (alert_type = 'address_activity'::text));

--
-- Name: idx_alerts_large_transfer; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_alerts_large_transfer ON public.alerts USING btree (COALESCE(((conditions -> 'chain_id'::text))::bigint, (0)::bigint), (((conditions -> 'min_value_eth'::text))::numeric)) WHERE (enabled AND (alert_type = 'large_transfer'::text));

--
-- Name: idx_alerts_pattern; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_alerts_pattern ON public.alerts USING btree (((conditions ->> 'symbol'::text))) WHERE (enabled AND (alert_type = 'pattern'::text));

--
-- Name: idx_alerts_price_level; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_alerts_price_level ON public.alerts USING btree (((conditions ->> 'symbol'::text)), ((conditions ->> 'exchange'::text)), ((conditions ->> 'interval'::text)), ((conditions ->> 'direction'::text)), (((conditions -> 'price'::text))::numeric)) WHERE (enabled AND (alert_type = 'price_level'::text));

--
-- Name: idx_alerts_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_alerts_user_id ON public.alerts USING btree (user_id, created_at);

--
-- Name: idx_blocks_canonical_number; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX idx_blocks_canonical_number ON public.blocks USING btree (chain_id, number) WHERE canonical;

--
-- Name: INDEX idx_blocks_canonical_number; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.idx_blocks_canonical_number IS 'One canonical block for each height of a chain.';

--
-- Name: idx_blocks_not_finalised; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_blocks_not_finalised ON public.blocks USING btree (chain_id, number) WHERE (canonical AND (finality <> 'finalised'::text));

--
-- Name: INDEX idx_blocks_not_finalised; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.idx_blocks_not_finalised IS 'The canonical blocks whose finality can still rise.';

--
-- Name: idx_dead_letters_first_seen_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_dead_letters_first_seen_at ON public.dead_letters USING btree (first_seen_at);

--
-- Name: idx_liquidity_zones_price_level; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_liquidity_zones_price_level ON public.liquidity_zones USING btree (price_level);

--
-- Name: idx_liquidity_zones_side; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_liquidity_zones_side ON public.liquidity_zones USING btree (side, price_level);

--
-- Name: idx_liquidity_zones_symbol; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX idx_liquidity_zones_symbol ON public.liquidity_zones USING btree (symbol, exchange, side, price_level);

--
-- Name: INDEX idx_liquidity_zones_symbol; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON INDEX public.idx_liquidity_zones_symbol IS 'Key of liquidity_zones: one row for each level of an order book.';

--
-- Name: idx_smc_patterns_pattern_type; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_smc_patterns_pattern_type ON public.smc_patterns USING btree (pattern_type, detected_at);

--
-- Name: idx_smc_patterns_price_level; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_smc_patterns_price_level ON public.smc_patterns USING btree (price_level);

--
-- Name: idx_smc_patterns_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_smc_patterns_status ON public.smc_patterns USING btree (status, symbol, price_level);

--
-- Name: idx_whale_transactions_block_number; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_whale_transactions_block_number ON public.whale_transactions USING btree (block_number, chain_id);

--
-- Name: idx_whale_transactions_from_address; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_whale_transactions_from_address ON public.whale_transactions USING btree (from_address, block_timestamp);

--
-- Name: idx_whale_transactions_hash; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_whale_transactions_hash ON public.whale_transactions USING hash (hash);

--
-- Name: idx_whale_transactions_timestamp; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_whale_transactions_timestamp ON public.whale_transactions USING btree (block_timestamp);

--
-- Name: idx_whale_transactions_to_address; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_whale_transactions_to_address ON public.whale_transactions USING btree (to_address, block_timestamp);

--
-- Name: idx_whale_transactions_value_eth; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_whale_transactions_value_eth ON public.whale_transactions USING btree (value_eth);

--
-- Name: idx_whale_transactions_whale_score; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idx_whale_transactions_whale_score ON public.whale_transactions USING btree (whale_score);

--
-- Name: alert_events alert_events_alert_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alert_events
    ADD CONSTRAINT alert_events_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES public.alerts(id) ON DELETE CASCADE;

--
-- Name: alerts alerts_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE;

--
-- Name: users users_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_id_fkey FOREIGN KEY (id) REFERENCES auth.users(id) ON DELETE CASCADE;

--
-- Name: blocks Readers can view blocks; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Readers can view blocks" ON public.blocks FOR SELECT TO whaledb_reader USING (true);

--
-- Name: liquidity_zones Readers can view liquidity zones; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Readers can view liquidity zones" ON public.liquidity_zones FOR SELECT TO whaledb_reader USING (true);

--
-- Name: market_data Readers can view market data; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Readers can view market data" ON public.market_data FOR SELECT TO whaledb_reader USING (true);

--
-- Name: smc_patterns Readers can view patterns; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Readers can view patterns" ON public.smc_patterns FOR SELECT TO whaledb_reader USING (true);

--
-- Name: whale_transactions Readers can view whale transactions; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Readers can view whale transactions" ON public.whale_transactions FOR SELECT TO whaledb_reader USING (true);

--
-- Name: alerts Users can create their own alerts; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Users can create their own alerts" ON public.alerts FOR INSERT TO authenticated WITH CHECK ((( SELECT auth.uid() AS uid) = user_id));

--
-- Name: users Users can create their own profile; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Users can create their own profile" ON public.users FOR INSERT TO authenticated WITH CHECK ((( SELECT auth.uid() AS uid) = id));

--
-- Name: alerts Users can delete their own alerts; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Users can delete their own alerts" ON public.alerts FOR DELETE TO authenticated USING ((( SELECT auth.uid() AS uid) = user_id));

--
-- Name: users Users can delete their own profile; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Users can delete their own profile" ON public.users FOR DELETE TO authenticated USING ((( SELECT auth.uid() AS uid) = id));

--
-- Name: alerts Users can update their own alerts; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Users can update their own alerts" ON public.alerts FOR UPDATE TO authenticated USING ((( SELECT auth.uid() AS uid) = user_id)) WITH CHECK ((( SELECT auth.uid() AS uid) = user_id));

--
-- Name: users Users can update their own profile; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Users can update their own profile" ON public.users FOR UPDATE TO authenticated USING ((( SELECT auth.uid() AS uid) = id)) WITH CHECK ((( SELECT auth.uid() AS uid) = id));

--
-- Name: liquidity_zones Users can view liquidity zones; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Users can view liquidity zones" ON public.liquidity_zones FOR SELECT TO authenticated USING (true);

--
-- Name: market_data Users can view market data; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Users can view market data" ON public.market_data FOR SELECT TO authenticated USING (true);

--
-- Name: smc_patterns Users can view patterns; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Users can view patterns" ON public.smc_patterns FOR SELECT TO authenticated USING (true);

--
-- Name: alert_events Users can view their own alert events; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Users can view their own alert events" ON public.alert_events FOR SELECT TO authenticated USING ((( SELECT auth.uid() AS uid) = user_id));

--
-- Name: alerts Users can view their own alerts; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Users can view their own alerts" ON public.alerts FOR SELECT TO authenticated USING ((( SELECT auth.uid() AS uid) = user_id));

--
-- Name: users Users can view their own profile; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Users can view their own profile" ON public.users FOR SELECT TO authenticated USING ((( SELECT auth.uid() AS uid) = id));

--
-- Name: whale_transactions Users can view whale transactions; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Users can view whale transactions" ON public.whale_transactions FOR SELECT TO authenticated USING (true);

--
-- Name: alert_events Workers can read and write alert events; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Workers can read and write alert events" ON public.alert_events TO whaledb_worker USING (true) WITH CHECK (true);

--
-- Name: blocks Workers can read and write blocks; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Workers can read and write blocks" ON public.blocks TO whaledb_worker USING (true) WITH CHECK (true);

--
-- Name: ingest_claims Workers can read and write claims; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Workers can read and write claims" ON public.ingest_claims TO whaledb_worker USING (true) WITH CHECK (true);

--
-- Name: ingest_cursors Workers can read and write cursors; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Workers can read and write cursors" ON public.ingest_cursors TO whaledb_worker USING (true) WITH CHECK (true);

--
-- Name: dead_letters Workers can read and write dead letters; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Workers can read and write dead letters" ON public.dead_letters TO whaledb_worker USING (true) WITH CHECK (true);

--
-- Name: liquidity_zones Workers can read and write liquidity zones; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Workers can read and write liquidity zones" ON public.liquidity_zones TO whaledb_worker USING (true) WITH CHECK (true);

--
-- Name: market_data Workers can read and write market data; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Workers can read and write market data" ON public.market_data TO whaledb_worker USING (true) WITH CHECK (true);

--
-- Name: smc_patterns Workers can read and write patterns; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Workers can read and write patterns" ON public.smc_patterns TO whaledb_worker USING (true) WITH CHECK (true);

--
-- Name: whale_transactions Workers can read and write whale transactions; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Workers can read and write whale transactions" ON public.whale_transactions TO whaledb_worker USING (true) WITH CHECK (true);

--
-- Name: alerts Workers can view alerts; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Workers can view alerts" ON public.alerts FOR SELECT TO whaledb_worker USING (true);

--
-- Name: users Workers can view profiles; Type: POLICY; Schema: public; Owner: -
--

CREATE POLICY "Workers can view profiles" ON public.users FOR SELECT TO whaledb_worker USING (true);

--
-- Name: alert_events; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.alert_events ENABLE ROW LEVEL SECURITY;

--
-- Name: alerts; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.alerts ENABLE ROW LEVEL SECURITY;

--
-- Name: blocks; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.blocks ENABLE ROW LEVEL SECURITY;

--
-- Name: dead_letters; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.dead_letters ENABLE ROW LEVEL SECURITY;

--
-- Name: ingest_claims; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.ingest_claims ENABLE ROW LEVEL SECURITY;

--
-- Name: ingest_cursors; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.ingest_cursors ENABLE ROW LEVEL SECURITY;

--
-- Name: liquidity_zones; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.liquidity_zones ENABLE ROW LEVEL SECURITY;

--
-- Name: market_data; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.market_data ENABLE ROW LEVEL SECURITY;

--
-- Name: smc_patterns; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.smc_patterns ENABLE ROW LEVEL SECURITY;

--
-- Name: users; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;

--
-- Name: whale_transactions; Type: ROW SECURITY; Schema: public; Owner: -
--

ALTER TABLE public.whale_transactions ENABLE ROW LEVEL SECURITY;

--
-- Name: SCHEMA auth; Type: ACL; Schema: -; Owner: -
--

GRANT USAGE ON SCHEMA auth TO anon;
GRANT USAGE ON SCHEMA auth TO authenticated;
GRANT USAGE ON SCHEMA auth TO service_role;

--
-- Name: SCHEMA dbmate; Type: ACL; Schema: -; Owner: -
--

GRANT USAGE ON SCHEMA dbmate TO whaledb_worker;
GRANT USAGE ON SCHEMA dbmate TO whaledb_reader;

--
-- Name: SCHEMA public; Type: ACL; Schema: -; Owner: -
--

GRANT USAGE ON SCHEMA public TO whaledb_worker;
GRANT USAGE ON SCHEMA public TO whaledb_reader;

--
-- Name: FUNCTION candle_length(candle_interval text); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.candle_length(candle_interval text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.candle_length(candle_interval text) TO whaledb_worker;
GRANT ALL ON FUNCTION public.candle_length(candle_interval text) TO whaledb_reader;

--
-- Name: FUNCTION ensure_market_data_months(first timestamp with time zone, last timestamp with time zone); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.ensure_market_data_months(first timestamp with time zone, last timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ensure_market_data_months(first timestamp with time zone, last timestamp with time zone) TO whaledb_worker;

--
-- Name: FUNCTION whale_score(value_eth numeric, succeeded boolean); Type: ACL; Schema: public; Owner: -
--

REVOKE ALL ON FUNCTION public.whale_score(value_eth numeric, succeeded boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION public.whale_score(value_eth numeric, succeeded boolean) TO whaledb_worker;

--
-- Name: TABLE schema_migrations; Type: ACL; Schema: dbmate; Owner: -
--

GRANT SELECT ON TABLE dbmate.schema_migrations TO whaledb_worker;
GRANT SELECT ON TABLE dbmate.schema_migrations TO whaledb_reader;

--
-- Name: TABLE smc_patterns; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.smc_patterns TO whaledb_worker;
GRANT SELECT ON TABLE public.smc_patterns TO whaledb_reader;
GRANT SELECT ON TABLE public.smc_patterns TO authenticated;

--
-- Name: TABLE active_smc_patterns; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.active_smc_patterns TO whaledb_worker;
GRANT SELECT ON TABLE public.active_smc_patterns TO whaledb_reader;
GRANT SELECT ON TABLE public.active_smc_patterns TO authenticated;

--
-- Name: TABLE alert_events; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.alert_events TO whaledb_worker;
GRANT SELECT ON TABLE public.alert_events TO authenticated;

--
-- Name: TABLE alerts; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.alerts TO whaledb_worker;
GRANT SELECT,DELETE ON TABLE public.alerts TO authenticated;

--
-- Name: COLUMN alerts.user_id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(user_id) ON TABLE public.alerts TO authenticated;

--
-- Name: COLUMN alerts.alert_type; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(alert_type),UPDATE(alert_type) ON TABLE public.alerts TO authenticated;

--
-- Name: COLUMN alerts.conditions; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(conditions),UPDATE(conditions) ON TABLE public.alerts TO authenticated;

--
-- Name: COLUMN alerts.enabled; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(enabled),UPDATE(enabled) ON TABLE public.alerts TO authenticated;

--
-- Name: COLUMN alerts.updated_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(updated_at) ON TABLE public.alerts TO authenticated;

--
-- Name: TABLE blocks; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.blocks TO whaledb_worker;
GRANT SELECT ON TABLE public.blocks TO whaledb_reader;

--
-- Name: TABLE dead_letters; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.dead_letters TO whaledb_worker;

--
-- Name: TABLE ingest_claims; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ingest_claims TO whaledb_worker;

--
-- Name: TABLE ingest_cursors; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ingest_cursors TO whaledb_worker;

--
-- Name: TABLE liquidity_zones; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.liquidity_zones TO whaledb_worker;
GRANT SELECT ON TABLE public.liquidity_zones TO whaledb_reader;
GRANT SELECT ON TABLE public.liquidity_zones TO authenticated;

--
-- Name: TABLE market_data; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.market_data TO whaledb_worker;
GRANT SELECT ON TABLE public.market_data TO whaledb_reader;
GRANT SELECT ON TABLE public.market_data TO authenticated;

--
-- Name: TABLE users; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.users TO whaledb_worker;
GRANT SELECT,DELETE ON TABLE public.users TO authenticated;

--
-- Name: COLUMN users.id; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(id) ON TABLE public.users TO authenticated;

--
-- Name: COLUMN users.display_name; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(display_name),UPDATE(display_name) ON TABLE public.users TO authenticated;

--
-- Name: COLUMN users.preferences; Type: ACL; Schema: public; Owner: -
--

GRANT INSERT(preferences),UPDATE(preferences) ON TABLE public.users TO authenticated;

--
-- Name: COLUMN users.updated_at; Type: ACL; Schema: public; Owner: -
--

GRANT UPDATE(updated_at) ON TABLE public.users TO authenticated;

--
-- Name: TABLE whale_transactions; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.whale_transactions TO whaledb_worker;
GRANT SELECT ON TABLE public.whale_transactions TO whaledb_reader;
GRANT SELECT ON TABLE public.whale_transactions TO authenticated;

--
-- Name: TABLE whale_transfers; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.whale_transfers TO whaledb_worker;
GRANT SELECT ON TABLE public.whale_transfers TO whaledb_reader;
GRANT SELECT ON TABLE public.whale_transfers TO authenticated;

--
-- Name: TABLE whale_net_flows; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.whale_net_flows TO whaledb_worker;
GRANT SELECT ON TABLE public.whale_net_flows TO whaledb_reader;
GRANT SELECT ON TABLE public.whale_net_flows TO authenticated;

--
-- Name: TABLE whale_transaction_volumes; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.whale_transaction_volumes TO whaledb_worker;
GRANT SELECT ON TABLE public.whale_transaction_volumes TO whaledb_reader;
GRANT SELECT ON TABLE public.whale_transaction_volumes TO authenticated;

--
-- Name: TABLE whale_volume_by_hour; Type: ACL; Schema: public; Owner: -
--

GRANT SELECT ON TABLE public.whale_volume_by_hour TO whaledb_worker;
GRANT SELECT ON TABLE public.whale_volume_by_hour TO whaledb_reader;
GRANT SELECT ON TABLE public.whale_volume_by_hour TO authenticated;

--
-- PostgreSQL database dump complete
--

--
-- Migrations this schema was made by
--

INSERT INTO dbmate.schema_migrations (version) VALUES
    ('20261122100000'),
    ('20261122100100'),
    ('20261122100200'),
    ('20261122100300'),
    ('20261122100400'),
    ('20261122100500'),
    ('20261122100600'),
    ('20261122100700'),
    ('20261122100800'),
    ('20261122100900'),
    ('20261122101000'),
    ('20261123100000'),
    ('20261123100100'),
    ('20261123100200'),
    ('20261123100300'),
    ('20261123100310'),
    ('20261123100400'),
    ('20261123100410'),
    ('20261123100500'),
    ('20261123100600'),
    ('20261123110000'),
    ('20261123110010'),
    ('20261123110100'),
    ('20261123110110'),
    ('20261123110200'),
    ('20261123110210'),
    ('20261123110300'),
    ('20261123110310'),
    ('20261123110320'),
    ('20261124100000'),
    ('20261124100010'),
    ('20261124100100'),
    ('20261124100200'),
    ('20261124100210');
