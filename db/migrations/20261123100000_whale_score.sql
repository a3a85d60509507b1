-- Why:    whale_score had a column and no definition. It is computed where rows are written,
--         from the row alone, so that reading the same chain again gives the same score and
--         a person can check one by hand.
-- Locks:  none; a new function.
-- Deploy: before the code that writes scores.

-- migrate:up
-- RETURN stores the parsed expression: no search_path of a caller has a say in it.
CREATE FUNCTION public.whale_score(value_eth NUMERIC, succeeded BOOLEAN)
RETURNS NUMERIC
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE
    WHEN succeeded IS FALSE OR value_eth <= 1 THEN 0.0000
    WHEN value_eth >= 100000 THEN 1.0000
    ELSE round(log(value_eth) / 5, 4)
END;

COMMENT ON FUNCTION public.whale_score(NUMERIC, BOOLEAN) IS
'How remarkable a transfer is, from 0 to 1, by its size in ether: 0 up to 1 ether, a fifth more '
'with each power of ten (100 ether are 0.4, 1000 are 0.6), 1 from 100000 ether on. 0 for a '
'transaction known to have failed, which moved nothing; NULL without a value.';

REVOKE ALL ON FUNCTION public.whale_score(NUMERIC, BOOLEAN) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.whale_score(NUMERIC, BOOLEAN) TO whaledb_worker;

-- migrate:down
-- Loses no row; scores that were written stay.
DROP FUNCTION public.whale_score(NUMERIC, BOOLEAN);
