-- Why:    least privilege. A worker reads and writes chain and market tables, reads alerts to
--         match them, and makes months through the function; a reader reads; a signed-in user
--         reads chain and market tables and works on own rows, never on their owner. Every
--         table and view was closed to PUBLIC, anon and authenticated when it was made.
-- Locks:  none that readers or writers wait for; catalog only.
-- Deploy: after row level security, before logins are given the roles.

-- migrate:up
GRANT USAGE ON SCHEMA public TO whaledb_worker, whaledb_reader;

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE
public.whale_transactions,
public.liquidity_zones,
public.smc_patterns,
public.market_data,
public.blocks,
public.ingest_cursors,
public.dead_letters
TO whaledb_worker;
GRANT SELECT ON TABLE
public.users,
public.alerts,
public.whale_transfers,
public.whale_volume_by_hour,
public.active_smc_patterns
TO whaledb_worker;
GRANT EXECUTE ON FUNCTION public.ensure_market_data_months(TIMESTAMPTZ, TIMESTAMPTZ)
TO whaledb_worker;

GRANT SELECT ON TABLE
public.whale_transactions,
public.liquidity_zones,
public.smc_patterns,
public.market_data,
public.blocks,
public.whale_transfers,
public.whale_volume_by_hour,
public.active_smc_patterns
TO whaledb_reader;

GRANT SELECT ON TABLE
public.whale_transactions,
public.liquidity_zones,
public.smc_patterns,
public.market_data,
public.whale_transfers,
public.whale_volume_by_hour,
public.active_smc_patterns
TO authenticated;

GRANT
SELECT,
INSERT (id, display_name, preferences),
UPDATE (display_name, preferences, updated_at),
DELETE
ON TABLE public.users TO authenticated;
GRANT
SELECT,
INSERT (user_id, alert_type, conditions, enabled),
UPDATE (alert_type, conditions, enabled, updated_at),
DELETE
ON TABLE public.alerts TO authenticated;

-- Connecting compares the migration version with the one the code was made for.
DO $$
BEGIN
    IF to_regclass('dbmate.schema_migrations') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA dbmate TO whaledb_worker, whaledb_reader;
        GRANT SELECT ON TABLE dbmate.schema_migrations TO whaledb_worker, whaledb_reader;
    END IF;
END;
$$;

-- migrate:down
-- Loses no row; only the owner can reach the tables afterwards.
DO $$
BEGIN
    IF to_regclass('dbmate.schema_migrations') IS NOT NULL THEN
        REVOKE SELECT ON TABLE dbmate.schema_migrations FROM whaledb_worker, whaledb_reader;
        REVOKE USAGE ON SCHEMA dbmate FROM whaledb_worker, whaledb_reader;
    END IF;
END;
$$;

REVOKE
SELECT,
INSERT (user_id, alert_type, conditions, enabled),
UPDATE (alert_type, conditions, enabled, updated_at),
DELETE
ON TABLE public.alerts FROM authenticated;
REVOKE
SELECT,
INSERT (id, display_name, preferences),
UPDATE (display_name, preferences, updated_at),
DELETE
ON TABLE public.users FROM authenticated;

REVOKE SELECT ON TABLE
public.whale_transactions,
public.liquidity_zones,
public.smc_patterns,
public.market_data,
public.whale_transfers,
public.whale_volume_by_hour,
public.active_smc_patterns
FROM authenticated;

REVOKE SELECT ON TABLE
public.whale_transactions,
public.liquidity_zones,
public.smc_patterns,
public.market_data,
public.blocks,
public.whale_transfers,
public.whale_volume_by_hour,
public.active_smc_patterns
FROM whaledb_reader;

REVOKE EXECUTE ON FUNCTION public.ensure_market_data_months(TIMESTAMPTZ, TIMESTAMPTZ)
FROM whaledb_worker;
REVOKE SELECT ON TABLE
public.users,
public.alerts,
public.whale_transfers,
public.whale_volume_by_hour,
public.active_smc_patterns
FROM whaledb_worker;
REVOKE SELECT, INSERT, UPDATE, DELETE ON TABLE
public.whale_transactions,
public.liquidity_zones,
public.smc_patterns,
public.market_data,
public.blocks,
public.ingest_cursors,
public.dead_letters
FROM whaledb_worker;

REVOKE USAGE ON SCHEMA public FROM whaledb_worker, whaledb_reader;
