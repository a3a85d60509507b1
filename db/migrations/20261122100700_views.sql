-- Why:    the rules that every reader must apply alike, written once: which rows moved value,
--         which patterns still hold. security_invoker lets a view show its reader nothing
--         that the tables would not.
-- Locks:  none beyond ACCESS SHARE on the tables; catalog only.
-- Deploy: before the code that reads the views.

-- migrate:up
CREATE VIEW public.whale_transfers WITH (security_invoker = TRUE) AS
SELECT
    t.id,
    t.hash,
    t.chain_id,
    t.block_hash,
    t.trace_path,
    t.block_number,
    t.block_timestamp,
    t.from_address,
    t.to_address,
    t.value_eth,
    t.value_usd,
    t.price_source,
    t.priced_at,
    t.gas_price,
    t.gas_used,
    t.succeeded,
    t.whale_score,
    t.created_at,
    t.updated_at
FROM public.whale_transactions AS t
WHERE
    t.orphaned_at IS NULL
    AND t.succeeded IS DISTINCT FROM FALSE
    AND t.value_eth > 0;

COMMENT ON VIEW public.whale_transfers IS
'Transfers that moved value: canonical, not known to have failed, above 0 ether.';
COMMENT ON COLUMN public.whale_transfers.id IS
'Surrogate identifier for references from outside; it has no index, rows are found by hash.';
COMMENT ON COLUMN public.whale_transfers.hash IS
'Transaction hash, 0x and 64 lower-case hexadecimal digits.';
COMMENT ON COLUMN public.whale_transfers.chain_id IS
'EIP-155 number of the chain; 1 is Ethereum mainnet.';
COMMENT ON COLUMN public.whale_transfers.block_hash IS
'Hash of the block that includes the transaction, 0x and 64 lower-case hexadecimal digits.';
COMMENT ON COLUMN public.whale_transfers.trace_path IS
'Path of an internal transfer within its transaction, such as 0_1_2; empty for the '
'transaction itself.';
COMMENT ON COLUMN public.whale_transfers.block_number IS
'Height of the including block.';
COMMENT ON COLUMN public.whale_transfers.block_timestamp IS
'Time of the including block, as its producer stated it.';
COMMENT ON COLUMN public.whale_transfers.from_address IS
'Sender, 0x and 40 lower-case hexadecimal digits.';
COMMENT ON COLUMN public.whale_transfers.to_address IS
'Recipient, 0x and 40 lower-case hexadecimal digits; NULL where the transaction creates a '
'contract.';
COMMENT ON COLUMN public.whale_transfers.value_eth IS
'Amount in ether (the chain''s native unit), exact to the wei, above 0.';
COMMENT ON COLUMN public.whale_transfers.value_usd IS
'Amount in US dollars at block_timestamp, to the cent; NULL until priced.';
COMMENT ON COLUMN public.whale_transfers.price_source IS
'Where the price behind value_usd came from; NULL until priced.';
COMMENT ON COLUMN public.whale_transfers.priced_at IS
'When value_usd was computed; NULL until priced.';
COMMENT ON COLUMN public.whale_transfers.gas_price IS
'Price of a unit of gas in wei.';
COMMENT ON COLUMN public.whale_transfers.gas_used IS
'Units of gas that were used; NULL until a receipt was read.';
COMMENT ON COLUMN public.whale_transfers.succeeded IS
'True where a receipt says that execution succeeded; NULL until one was read, and for good '
'before Byzantium.';
COMMENT ON COLUMN public.whale_transfers.whale_score IS
'How remarkable the transfer is, from 0 to 1; NULL until scored.';
COMMENT ON COLUMN public.whale_transfers.created_at IS
'When the row was first stored.';
COMMENT ON COLUMN public.whale_transfers.updated_at IS
'When the row last changed.';

CREATE VIEW public.whale_volume_by_hour WITH (security_invoker = TRUE) AS
SELECT
    t.chain_id,
    date_trunc('hour', t.block_timestamp, 'UTC') AS hour,
    count(*) AS transfer_count,
    sum(t.value_eth) AS volume_eth
FROM public.whale_transfers AS t
GROUP BY t.chain_id, date_trunc('hour', t.block_timestamp, 'UTC');

COMMENT ON VIEW public.whale_volume_by_hour IS
'Volume of whale_transfers by chain and UTC hour; hours without a transfer have no row.';
COMMENT ON COLUMN public.whale_volume_by_hour.chain_id IS
'EIP-155 number of the chain; 1 is Ethereum mainnet.';
COMMENT ON COLUMN public.whale_volume_by_hour.hour IS
'When the hour begins, whole in UTC.';
COMMENT ON COLUMN public.whale_volume_by_hour.transfer_count IS
'Number of transfers in the hour.';
COMMENT ON COLUMN public.whale_volume_by_hour.volume_eth IS
'Sum of the transfers in ether (the chain''s native unit), exact to the wei.';

CREATE VIEW public.active_smc_patterns WITH (security_invoker = TRUE) AS
SELECT
    p.id,
    p.exchange,
    p.symbol,
    p.pattern_type,
    p.time_frame,
    p.detected_at,
    p.price_level,
    p.confidence_score,
    p.metadata,
    p.created_at,
    p.updated_at
FROM public.smc_patterns AS p
WHERE p.status = 'active';

COMMENT ON VIEW public.active_smc_patterns IS
'Smart Money Concept patterns whose status is active.';
COMMENT ON COLUMN public.active_smc_patterns.id IS
'Surrogate identifier.';
COMMENT ON COLUMN public.active_smc_patterns.exchange IS
'Name of the exchange whose candles were read.';
COMMENT ON COLUMN public.active_smc_patterns.symbol IS
'Name of the instrument, as the exchange writes it.';
COMMENT ON COLUMN public.active_smc_patterns.pattern_type IS
'Kind of pattern in snake_case, such as order_block or fair_value_gap.';
COMMENT ON COLUMN public.active_smc_patterns.time_frame IS
'Length of the candles: 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w or 1M.';
COMMENT ON COLUMN public.active_smc_patterns.detected_at IS
'Open time of the candle that the pattern belongs to.';
COMMENT ON COLUMN public.active_smc_patterns.price_level IS
'Price of the pattern in the symbol''s quote currency; negative for some spreads.';
COMMENT ON COLUMN public.active_smc_patterns.confidence_score IS
'How sure the detector is, from 0 to 1; NULL where it does not say.';
COMMENT ON COLUMN public.active_smc_patterns.metadata IS
'What else the detector found, a JSON object; NULL where there is nothing.';
COMMENT ON COLUMN public.active_smc_patterns.created_at IS
'When the row was first stored.';
COMMENT ON COLUMN public.active_smc_patterns.updated_at IS
'When the row last changed.';

REVOKE ALL ON TABLE public.whale_transfers FROM PUBLIC, anon, authenticated;
REVOKE ALL ON TABLE public.whale_volume_by_hour FROM PUBLIC, anon, authenticated;
REVOKE ALL ON TABLE public.active_smc_patterns FROM PUBLIC, anon, authenticated;

-- migrate:down
-- Loses nothing: views hold no rows.
DROP VIEW public.active_smc_patterns;
DROP VIEW public.whale_volume_by_hour;
DROP VIEW public.whale_transfers;
