-- Why:    what real chains and exchanges send and no row may hold: mixed-case or cut hashes,
--         amounts that are negative, NaN or infinite (NUMERIC takes them, and NaN >= 0 is
--         true), more than 18 decimals of an ether, scores out of range, sides and states
--         that the code does not know, JSON that is not an object. NaN sorts above
--         everything, so "< 'Infinity'" refuses both.
-- Locks:  ACCESS EXCLUSIVE on each table for one scan; they are empty at the first deploy.
-- Deploy: before the code that writes these tables.

-- migrate:up
ALTER TABLE public.whale_transactions
ADD CONSTRAINT whale_transactions_hash_format
CHECK (hash ~ '^0x[0-9a-f]{64}$'),
ADD CONSTRAINT whale_transactions_chain_id_positive
CHECK (chain_id > 0),
ADD CONSTRAINT whale_transactions_block_hash_format
CHECK (block_hash ~ '^0x[0-9a-f]{64}$'),
ADD CONSTRAINT whale_transactions_trace_path_format
CHECK (trace_path ~ '^([0-9]+(_[0-9]+)*)?$'),
ADD CONSTRAINT whale_transactions_block_number_not_negative
CHECK (block_number >= 0),
ADD CONSTRAINT whale_transactions_block_timestamp_finite
CHECK (isfinite(block_timestamp)),
ADD CONSTRAINT whale_transactions_from_address_format
CHECK (from_address ~ '^0x[0-9a-f]{40}$'),
ADD CONSTRAINT whale_transactions_to_address_format
CHECK (to_address ~ '^0x[0-9a-f]{40}$'),
ADD CONSTRAINT whale_transactions_value_eth_range
CHECK (value_eth >= 0 AND value_eth < 'Infinity'),
ADD CONSTRAINT whale_transactions_value_eth_wei
CHECK (value_eth = round(value_eth, 18)),
ADD CONSTRAINT whale_transactions_value_usd_range
CHECK (value_usd >= 0 AND value_usd < 'Infinity'),
ADD CONSTRAINT whale_transactions_price_source_length
CHECK (char_length(price_source) BETWEEN 1 AND 100),
ADD CONSTRAINT whale_transactions_price_complete
CHECK (num_nulls(value_usd, price_source, priced_at) IN (0, 3)),
ADD CONSTRAINT whale_transactions_gas_price_not_negative
CHECK (gas_price >= 0),
ADD CONSTRAINT whale_transactions_gas_used_not_negative
CHECK (gas_used >= 0),
ADD CONSTRAINT whale_transactions_whale_score_range
CHECK (whale_score BETWEEN 0 AND 1);

ALTER TABLE public.liquidity_zones
ADD CONSTRAINT liquidity_zones_price_level_finite
CHECK (price_level > '-Infinity' AND price_level < 'Infinity'),
ADD CONSTRAINT liquidity_zones_size_range
CHECK (size > 0 AND size < 'Infinity'),
ADD CONSTRAINT liquidity_zones_side_known
CHECK (side IN ('bid', 'ask')),
ADD CONSTRAINT liquidity_zones_strength_range
CHECK (strength BETWEEN 0 AND 1),
ADD CONSTRAINT liquidity_zones_exchange_length
CHECK (char_length(exchange) BETWEEN 1 AND 50),
ADD CONSTRAINT liquidity_zones_symbol_length
CHECK (char_length(symbol) BETWEEN 1 AND 100);

ALTER TABLE public.smc_patterns
ADD CONSTRAINT smc_patterns_exchange_length
CHECK (char_length(exchange) BETWEEN 1 AND 50),
ADD CONSTRAINT smc_patterns_symbol_length
CHECK (char_length(symbol) BETWEEN 1 AND 100),
ADD CONSTRAINT smc_patterns_pattern_type_format
CHECK (pattern_type ~ '^[a-z][a-z0-9_]{0,49}$'),
ADD CONSTRAINT smc_patterns_time_frame_known
CHECK (
    time_frame IN (
        '1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w', '1M'
    )
),
ADD CONSTRAINT smc_patterns_detected_at_finite
CHECK (isfinite(detected_at)),
ADD CONSTRAINT smc_patterns_price_level_finite
CHECK (price_level > '-Infinity' AND price_level < 'Infinity'),
ADD CONSTRAINT smc_patterns_confidence_score_range
CHECK (confidence_score BETWEEN 0 AND 1),
ADD CONSTRAINT smc_patterns_status_known
CHECK (status IN ('active', 'mitigated', 'invalidated', 'expired')),
ADD CONSTRAINT smc_patterns_metadata_object
CHECK (jsonb_typeof(metadata) = 'object'),
ADD CONSTRAINT smc_patterns_natural_key
UNIQUE (symbol, exchange, time_frame, pattern_type, detected_at, price_level);

ALTER TABLE public.users
ADD CONSTRAINT users_display_name_length
CHECK (char_length(display_name) BETWEEN 1 AND 200),
ADD CONSTRAINT users_preferences_object
CHECK (jsonb_typeof(preferences) = 'object');

ALTER TABLE public.alerts
ADD CONSTRAINT alerts_alert_type_format
CHECK (alert_type ~ '^[a-z][a-z0-9_]{0,49}$'),
ADD CONSTRAINT alerts_conditions_object
CHECK (jsonb_typeof(conditions) = 'object');

ALTER TABLE public.blocks
ADD CONSTRAINT blocks_hash_format
CHECK (hash ~ '^0x[0-9a-f]{64}$'),
ADD CONSTRAINT blocks_chain_id_positive
CHECK (chain_id > 0),
ADD CONSTRAINT blocks_number_not_negative
CHECK (number >= 0),
ADD CONSTRAINT blocks_parent_hash_format
CHECK (parent_hash ~ '^0x[0-9a-f]{64}$'),
ADD CONSTRAINT blocks_block_timestamp_finite
CHECK (isfinite(block_timestamp)),
ADD CONSTRAINT blocks_canonical_or_orphaned
CHECK (canonical = (orphaned_at IS NULL)),
ADD CONSTRAINT blocks_finality_known
CHECK (finality IN ('pending', 'safe', 'finalised')),
ADD CONSTRAINT blocks_min_value_eth_range
CHECK (min_value_eth >= 0 AND min_value_eth < 'Infinity');

-- The limits in bytes keep the keys within what an entry of a B-tree index may hold (2704).
ALTER TABLE public.ingest_cursors
ADD CONSTRAINT ingest_cursors_stream_length
CHECK (char_length(stream) BETWEEN 1 AND 1000 AND octet_length(stream) <= 2000),
ADD CONSTRAINT ingest_cursors_chain_id_positive
CHECK (chain_id > 0),
ADD CONSTRAINT ingest_cursors_number_not_negative
CHECK (number >= 0),
ADD CONSTRAINT ingest_cursors_hash_format
CHECK (hash ~ '^0x[0-9a-f]{64}$'),
ADD CONSTRAINT ingest_cursors_fencing_token_not_negative
CHECK (fencing_token >= 0);

ALTER TABLE public.dead_letters
ADD CONSTRAINT dead_letters_source_length
CHECK (char_length(source) BETWEEN 1 AND 1000 AND octet_length(source) <= 2000),
ADD CONSTRAINT dead_letters_item_length
CHECK (char_length(item) BETWEEN 1 AND 200 AND octet_length(item) <= 400),
ADD CONSTRAINT dead_letters_payload_sha256_length
CHECK (octet_length(payload_sha256) = 32),
ADD CONSTRAINT dead_letters_reason_not_empty
CHECK (reason <> ''),
ADD CONSTRAINT dead_letters_sqlstate_format
CHECK (sqlstate ~ '^[0-9A-Z]{5}$'),
ADD CONSTRAINT dead_letters_attempts_positive
CHECK (attempts >= 1);

ALTER TABLE public.market_data
ADD CONSTRAINT market_data_exchange_length
CHECK (char_length(exchange) BETWEEN 1 AND 50),
ADD CONSTRAINT market_data_symbol_length
CHECK (char_length(symbol) BETWEEN 1 AND 100),
ADD CONSTRAINT market_data_interval_known
CHECK (
    interval IN (
        '1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w', '1M'
    )
),
ADD CONSTRAINT market_data_open_finite
CHECK (open > '-Infinity' AND open < 'Infinity'),
ADD CONSTRAINT market_data_high_finite
CHECK (high > '-Infinity' AND high < 'Infinity'),
ADD CONSTRAINT market_data_low_finite
CHECK (low > '-Infinity' AND low < 'Infinity'),
ADD CONSTRAINT market_data_close_finite
CHECK (close > '-Infinity' AND close < 'Infinity'),
ADD CONSTRAINT market_data_prices_ordered
CHECK (low <= least(open, close) AND high >= greatest(open, close)),
ADD CONSTRAINT market_data_volume_range
CHECK (volume >= 0 AND volume < 'Infinity'),
ADD CONSTRAINT market_data_trade_count_not_negative
CHECK (trade_count >= 0);

-- migrate:down
-- Loses no row; but rows written without these constraints can stop a later up.
ALTER TABLE public.market_data
DROP CONSTRAINT market_data_trade_count_not_negative,
DROP CONSTRAINT market_data_volume_range,
DROP CONSTRAINT market_data_prices_ordered,
DROP CONSTRAINT market_data_close_finite,
DROP CONSTRAINT market_data_low_finite,
DROP CONSTRAINT market_data_high_finite,
DROP CONSTRAINT market_data_open_finite,
DROP CONSTRAINT market_data_interval_known,
DROP CONSTRAINT market_data_symbol_length,
DROP CONSTRAINT market_data_exchange_length;

ALTER TABLE public.dead_letters
DROP CONSTRAINT dead_letters_attempts_positive,
DROP CONSTRAINT dead_letters_sqlstate_format,
DROP CONSTRAINT dead_letters_reason_not_empty,
DROP CONSTRAINT dead_letters_payload_sha256_length,
DROP CONSTRAINT dead_letters_item_length,
DROP CONSTRAINT dead_letters_source_length;

ALTER TABLE public.ingest_cursors
DROP CONSTRAINT ingest_cursors_fencing_token_not_negative,
DROP CONSTRAINT ingest_cursors_hash_format,
DROP CONSTRAINT ingest_cursors_number_not_negative,
DROP CONSTRAINT ingest_cursors_chain_id_positive,
DROP CONSTRAINT ingest_cursors_stream_length;

ALTER TABLE public.blocks
DROP CONSTRAINT blocks_min_value_eth_range,
DROP CONSTRAINT blocks_finality_known,
DROP CONSTRAINT blocks_canonical_or_orphaned,
DROP CONSTRAINT blocks_block_timestamp_finite,
DROP CONSTRAINT blocks_parent_hash_format,
DROP CONSTRAINT blocks_number_not_negative,
DROP CONSTRAINT blocks_chain_id_positive,
DROP CONSTRAINT blocks_hash_format;

ALTER TABLE public.alerts
DROP CONSTRAINT alerts_conditions_object,
DROP CONSTRAINT alerts_alert_type_format;

ALTER TABLE public.users
DROP CONSTRAINT users_preferences_object,
DROP CONSTRAINT users_display_name_length;

ALTER TABLE public.smc_patterns
DROP CONSTRAINT smc_patterns_natural_key,
DROP CONSTRAINT smc_patterns_metadata_object,
DROP CONSTRAINT smc_patterns_status_known,
DROP CONSTRAINT smc_patterns_confidence_score_range,
DROP CONSTRAINT smc_patterns_price_level_finite,
DROP CONSTRAINT smc_patterns_detected_at_finite,
DROP CONSTRAINT smc_patterns_time_frame_known,
DROP CONSTRAINT smc_patterns_pattern_type_format,
DROP CONSTRAINT smc_patterns_symbol_length,
DROP CONSTRAINT smc_patterns_exchange_length;

ALTER TABLE public.liquidity_zones
DROP CONSTRAINT liquidity_zones_symbol_length,
DROP CONSTRAINT liquidity_zones_exchange_length,
DROP CONSTRAINT liquidity_zones_strength_range,
DROP CONSTRAINT liquidity_zones_side_known,
DROP CONSTRAINT liquidity_zones_size_range,
DROP CONSTRAINT liquidity_zones_price_level_finite;

ALTER TABLE public.whale_transactions
DROP CONSTRAINT whale_transactions_whale_score_range,
DROP CONSTRAINT whale_transactions_gas_used_not_negative,
DROP CONSTRAINT whale_transactions_gas_price_not_negative,
DROP CONSTRAINT whale_transactions_price_complete,
DROP CONSTRAINT whale_transactions_price_source_length,
DROP CONSTRAINT whale_transactions_value_usd_range,
DROP CONSTRAINT whale_transactions_value_eth_wei,
DROP CONSTRAINT whale_transactions_value_eth_range,
DROP CONSTRAINT whale_transactions_to_address_format,
DROP CONSTRAINT whale_transactions_from_address_format,
DROP CONSTRAINT whale_transactions_block_timestamp_finite,
DROP CONSTRAINT whale_transactions_block_number_not_negative,
DROP CONSTRAINT whale_transactions_trace_path_format,
DROP CONSTRAINT whale_transactions_block_hash_format,
DROP CONSTRAINT whale_transactions_chain_id_positive,
DROP CONSTRAINT whale_transactions_hash_format;
