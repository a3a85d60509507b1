-- Why:    the specification's indexes under their names, some with further columns by which
--         queries filter or sort; idx_whale_transactions_hash is the primary key, which is
--         led by hash (measured, db/README.md). Two unique ones are keys: one row for each
--         level of an order book, one canonical block at a height.
-- Locks:  SHARE on each table while its index builds; they are empty at the first deploy.
-- Deploy: before the code that reads these tables.

-- migrate:up
CREATE INDEX idx_whale_transactions_block_number
ON public.whale_transactions (block_number, chain_id);
CREATE INDEX idx_whale_transactions_timestamp
ON public.whale_transactions (block_timestamp);
CREATE INDEX idx_whale_transactions_value_eth
ON public.whale_transactions (value_eth);
CREATE INDEX idx_whale_transactions_whale_score
ON public.whale_transactions (whale_score);
CREATE INDEX idx_whale_transactions_from_address
ON public.whale_transactions (from_address, block_timestamp);
CREATE INDEX idx_whale_transactions_to_address
ON public.whale_transactions (to_address, block_timestamp);

CREATE INDEX idx_liquidity_zones_price_level
ON public.liquidity_zones (price_level);
CREATE INDEX idx_liquidity_zones_side
ON public.liquidity_zones (side, price_level);
CREATE UNIQUE INDEX idx_liquidity_zones_symbol
ON public.liquidity_zones (symbol, exchange, side, price_level);

CREATE INDEX idx_smc_patterns_pattern_type
ON public.smc_patterns (pattern_type, detected_at);
CREATE INDEX idx_smc_patterns_price_level
ON public.smc_patterns (price_level);
CREATE INDEX idx_smc_patterns_status
ON public.smc_patterns (status, symbol, price_level);

CREATE INDEX idx_alerts_user_id
ON public.alerts (user_id, created_at);

CREATE UNIQUE INDEX idx_blocks_canonical_number
ON public.blocks (chain_id, number) WHERE canonical;

CREATE INDEX idx_dead_letters_first_seen_at
ON public.dead_letters (first_seen_at);

COMMENT ON INDEX public.idx_liquidity_zones_symbol IS
'Key of liquidity_zones: one row for each level of an order book.';
COMMENT ON INDEX public.idx_blocks_canonical_number IS
'One canonical block for each height of a chain.';

-- migrate:down
-- Loses no row; but duplicates written meanwhile can stop a later up.
DROP INDEX public.idx_dead_letters_first_seen_at;
DROP INDEX public.idx_blocks_canonical_number;
DROP INDEX public.idx_alerts_user_id;
DROP INDEX public.idx_smc_patterns_status;
DROP INDEX public.idx_smc_patterns_price_level;
DROP INDEX public.idx_smc_patterns_pattern_type;
DROP INDEX public.idx_liquidity_zones_symbol;
DROP INDEX public.idx_liquidity_zones_side;
DROP INDEX public.idx_liquidity_zones_price_level;
DROP INDEX public.idx_whale_transactions_to_address;
DROP INDEX public.idx_whale_transactions_from_address;
DROP INDEX public.idx_whale_transactions_whale_score;
DROP INDEX public.idx_whale_transactions_value_eth;
DROP INDEX public.idx_whale_transactions_timestamp;
DROP INDEX public.idx_whale_transactions_block_number;
