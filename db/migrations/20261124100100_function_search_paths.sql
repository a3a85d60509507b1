-- Why:    the bodies of both functions are stored as they were parsed, so that no search_path has
--         a say in them. But nobody sees that without reading them, and the advisor of Supabase
--         reports every function without one of its own. So do our own checks from now on, of
--         every function alike: a body that is replaced later may be text. Measured on PostgreSQL
--         18: a call of whale_score takes 7 us instead of 5, since it is no longer inlined.
-- Locks:  none that readers or writers wait for; catalog only.
-- Deploy: at any time.

-- migrate:up
ALTER FUNCTION public.whale_score(NUMERIC, BOOLEAN) SET search_path = '';
ALTER FUNCTION public.candle_length(TEXT) SET search_path = '';

-- migrate:down
-- Loses no row.
ALTER FUNCTION public.candle_length(TEXT) RESET search_path;
ALTER FUNCTION public.whale_score(NUMERIC, BOOLEAN) RESET search_path;
