-- Why:    on Supabase every table in public is exposed through the API, so each has row level
--         security; what no policy allows is refused. It comes before the grants, so that no
--         role ever holds a grant that no policy limits. (SELECT auth.uid()) is evaluated
--         once for a statement, a bare auth.uid() once for each row. No FORCE: the owner, who
--         migrates, is not limited.
-- Locks:  ACCESS EXCLUSIVE on each table; catalog only.
-- Deploy: before any role but the owner is granted anything.

-- migrate:up
ALTER TABLE public.whale_transactions ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.liquidity_zones ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.smc_patterns ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.market_data ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.blocks ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.ingest_cursors ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.dead_letters ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.alerts ENABLE ROW LEVEL SECURITY;

CREATE POLICY "Workers can read and write whale transactions" ON public.whale_transactions
FOR ALL TO whaledb_worker USING (TRUE) WITH CHECK (TRUE);
CREATE POLICY "Workers can read and write liquidity zones" ON public.liquidity_zones
FOR ALL TO whaledb_worker USING (TRUE) WITH CHECK (TRUE);
CREATE POLICY "Workers can read and write patterns" ON public.smc_patterns
FOR ALL TO whaledb_worker USING (TRUE) WITH CHECK (TRUE);
CREATE POLICY "Workers can read and write market data" ON public.market_data
FOR ALL TO whaledb_worker USING (TRUE) WITH CHECK (TRUE);
CREATE POLICY "Workers can read and write blocks" ON public.blocks
FOR ALL TO whaledb_worker USING (TRUE) WITH CHECK (TRUE);
CREATE POLICY "Workers can read and write cursors" ON public.ingest_cursors
FOR ALL TO whaledb_worker USING (TRUE) WITH CHECK (TRUE);
CREATE POLICY "Workers can read and write dead letters" ON public.dead_letters
FOR ALL TO whaledb_worker USING (TRUE) WITH CHECK (TRUE);

CREATE POLICY "Readers can view whale transactions" ON public.whale_transactions
FOR SELECT TO whaledb_reader USING (TRUE);
CREATE POLICY "Readers can view liquidity zones" ON public.liquidity_zones
FOR SELECT TO whaledb_reader USING (TRUE);
CREATE POLICY "Readers can view patterns" ON public.smc_patterns
FOR SELECT TO whaledb_reader USING (TRUE);
CREATE POLICY "Readers can view market data" ON public.market_data
FOR SELECT TO whaledb_reader USING (TRUE);
CREATE POLICY "Readers can view blocks" ON public.blocks
FOR SELECT TO whaledb_reader USING (TRUE);

CREATE POLICY "Users can view whale transactions" ON public.whale_transactions
FOR SELECT TO authenticated USING (TRUE);
CREATE POLICY "Users can view liquidity zones" ON public.liquidity_zones
FOR SELECT TO authenticated USING (TRUE);
CREATE POLICY "Users can view patterns" ON public.smc_patterns
FOR SELECT TO authenticated USING (TRUE);
CREATE POLICY "Users can view market data" ON public.market_data
FOR SELECT TO authenticated USING (TRUE);

CREATE POLICY "Workers can view profiles" ON public.users
FOR SELECT TO whaledb_worker USING (TRUE);
CREATE POLICY "Users can view their own profile" ON public.users
FOR SELECT TO authenticated
USING ((SELECT auth.uid()) = id);
CREATE POLICY "Users can create their own profile" ON public.users
FOR INSERT TO authenticated
WITH CHECK ((SELECT auth.uid()) = id);
CREATE POLICY "Users can update their own profile" ON public.users
FOR UPDATE TO authenticated
USING ((SELECT auth.uid()) = id) WITH CHECK ((SELECT auth.uid()) = id);
CREATE POLICY "Users can delete their own profile" ON public.users
FOR DELETE TO authenticated
USING ((SELECT auth.uid()) = id);

CREATE POLICY "Workers can view alerts" ON public.alerts
FOR SELECT TO whaledb_worker USING (TRUE);
CREATE POLICY "Users can view their own alerts" ON public.alerts
FOR SELECT TO authenticated
USING ((SELECT auth.uid()) = user_id);
CREATE POLICY "Users can create their own alerts" ON public.alerts
FOR INSERT TO authenticated
WITH CHECK ((SELECT auth.uid()) = user_id);
CREATE POLICY "Users can update their own alerts" ON public.alerts
FOR UPDATE TO authenticated
USING ((SELECT auth.uid()) = user_id) WITH CHECK ((SELECT auth.uid()) = user_id);
CREATE POLICY "Users can delete their own alerts" ON public.alerts
FOR DELETE TO authenticated
USING ((SELECT auth.uid()) = user_id);

-- migrate:down
-- Loses no row. Grants of a later migration are gone before, so nobody gains access.
DROP POLICY "Users can delete their own alerts" ON public.alerts;
DROP POLICY "Users can update their own alerts" ON public.alerts;
DROP POLICY "Users can create their own alerts" ON public.alerts;
DROP POLICY "Users can view their own alerts" ON public.alerts;
DROP POLICY "Workers can view alerts" ON public.alerts;
DROP POLICY "Users can delete their own profile" ON public.users;
DROP POLICY "Users can update their own profile" ON public.users;
DROP POLICY "Users can create their own profile" ON public.users;
DROP POLICY "Users can view their own profile" ON public.users;
DROP POLICY "Workers can view profiles" ON public.users;
DROP POLICY "Users can view market data" ON public.market_data;
DROP POLICY "Users can view patterns" ON public.smc_patterns;
DROP POLICY "Users can view liquidity zones" ON public.liquidity_zones;
DROP POLICY "Users can view whale transactions" ON public.whale_transactions;
DROP POLICY "Readers can view blocks" ON public.blocks;
DROP POLICY "Readers can view market data" ON public.market_data;
DROP POLICY "Readers can view patterns" ON public.smc_patterns;
DROP POLICY "Readers can view liquidity zones" ON public.liquidity_zones;
DROP POLICY "Readers can view whale transactions" ON public.whale_transactions;
DROP POLICY "Workers can read and write dead letters" ON public.dead_letters;
DROP POLICY "Workers can read and write cursors" ON public.ingest_cursors;
DROP POLICY "Workers can read and write blocks" ON public.blocks;
DROP POLICY "Workers can read and write market data" ON public.market_data;
DROP POLICY "Workers can read and write patterns" ON public.smc_patterns;
DROP POLICY "Workers can read and write liquidity zones" ON public.liquidity_zones;
DROP POLICY "Workers can read and write whale transactions" ON public.whale_transactions;

ALTER TABLE public.alerts DISABLE ROW LEVEL SECURITY;
ALTER TABLE public.users DISABLE ROW LEVEL SECURITY;
ALTER TABLE public.dead_letters DISABLE ROW LEVEL SECURITY;
ALTER TABLE public.ingest_cursors DISABLE ROW LEVEL SECURITY;
ALTER TABLE public.blocks DISABLE ROW LEVEL SECURITY;
ALTER TABLE public.market_data DISABLE ROW LEVEL SECURITY;
ALTER TABLE public.smc_patterns DISABLE ROW LEVEL SECURITY;
ALTER TABLE public.liquidity_zones DISABLE ROW LEVEL SECURITY;
ALTER TABLE public.whale_transactions DISABLE ROW LEVEL SECURITY;
