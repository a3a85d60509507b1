-- Why:    the specification's tables of chain and market findings, corrected where real data
--         breaks them; db/README.md gives the example behind each correction. Texts have
--         named CHECKs rather than VARCHAR(n), because a cast to VARCHAR(n) cuts silently;
--         amounts are unconstrained NUMERIC, because NUMERIC(p, s) rounds silently.
-- Locks:  none on existing tables.
-- Deploy: before the code that reads or writes these tables.

-- migrate:up
CREATE TABLE public.whale_transactions (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    hash TEXT NOT NULL,
    chain_id BIGINT NOT NULL,
    block_hash TEXT NOT NULL,
    trace_path TEXT NOT NULL DEFAULT '',
    block_number BIGINT NOT NULL,
    block_timestamp TIMESTAMPTZ NOT NULL,
    from_address TEXT NOT NULL,
    to_address TEXT,
    value_eth NUMERIC NOT NULL,
    value_usd NUMERIC(20, 2),
    price_source TEXT,
    priced_at TIMESTAMPTZ,
    gas_price BIGINT NOT NULL,
    gas_used BIGINT,
    succeeded BOOLEAN,
    whale_score NUMERIC(5, 4),
    orphaned_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT whale_transactions_pkey PRIMARY KEY (hash, chain_id, block_hash, trace_path)
);

COMMENT ON TABLE public.whale_transactions IS
'Large transfers of a chain, one row for each inclusion in a block.';
COMMENT ON COLUMN public.whale_transactions.id IS
'Surrogate identifier for references from outside; it has no index, rows are found by hash.';
COMMENT ON COLUMN public.whale_transactions.hash IS
'Transaction hash, 0x and 64 lower-case hexadecimal digits.';
COMMENT ON COLUMN public.whale_transactions.chain_id IS
'EIP-155 number of the chain; 1 is Ethereum mainnet.';
COMMENT ON COLUMN public.whale_transactions.block_hash IS
'Hash of the block that includes the transaction, 0x and 64 lower-case hexadecimal digits.';
COMMENT ON COLUMN public.whale_transactions.trace_path IS
'Path of an internal transfer within its transaction, such as 0_1_2; empty for the '
'transaction itself.';
COMMENT ON COLUMN public.whale_transactions.block_number IS
'Height of the including block.';
COMMENT ON COLUMN public.whale_transactions.block_timestamp IS
'Time of the including block, as its producer stated it.';
COMMENT ON COLUMN public.whale_transactions.from_address IS
'Sender, 0x and 40 lower-case hexadecimal digits.';
COMMENT ON COLUMN public.whale_transactions.to_address IS
'Recipient, 0x and 40 lower-case hexadecimal digits; NULL where the transaction creates a '
'contract.';
COMMENT ON COLUMN public.whale_transactions.value_eth IS
'Amount in ether (the chain''s native unit), exact to the wei.';
COMMENT ON COLUMN public.whale_transactions.value_usd IS
'Amount in US dollars at block_timestamp, to the cent; NULL until priced.';
COMMENT ON COLUMN public.whale_transactions.price_source IS
'Where the price behind value_usd came from; NULL until priced.';
COMMENT ON COLUMN public.whale_transactions.priced_at IS
'When value_usd was computed; NULL until priced.';
COMMENT ON COLUMN public.whale_transactions.gas_price IS
'Price of a unit of gas in wei.';
COMMENT ON COLUMN public.whale_transactions.gas_used IS
'Units of gas that were used; NULL until a receipt was read.';
COMMENT ON COLUMN public.whale_transactions.succeeded IS
'Whether execution succeeded; NULL until a receipt was read, and for good before Byzantium, '
'whose receipts do not tell.';
COMMENT ON COLUMN public.whale_transactions.whale_score IS
'How remarkable the transfer is, from 0 to 1; NULL until scored.';
COMMENT ON COLUMN public.whale_transactions.orphaned_at IS
'When the including block was found to have left the canonical chain; NULL while it is '
'canonical.';
COMMENT ON COLUMN public.whale_transactions.created_at IS
'When the row was first stored.';
COMMENT ON COLUMN public.whale_transactions.updated_at IS
'When the row last changed.';

REVOKE ALL ON TABLE public.whale_transactions FROM PUBLIC, anon, authenticated;

CREATE TABLE public.liquidity_zones (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    price_level NUMERIC NOT NULL,
    size NUMERIC NOT NULL,
    side TEXT NOT NULL,
    strength NUMERIC(5, 4),
    exchange TEXT NOT NULL,
    symbol TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT liquidity_zones_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE public.liquidity_zones IS
'Price levels of order books at which much is offered or asked for, one row for each level.';
COMMENT ON COLUMN public.liquidity_zones.id IS
'Surrogate identifier.';
COMMENT ON COLUMN public.liquidity_zones.price_level IS
'Price of the level in the symbol''s quote currency; negative for some spreads.';
COMMENT ON COLUMN public.liquidity_zones.size IS
'Amount at the level in the symbol''s base currency or contracts, above 0; a level whose '
'size became 0 is deleted.';
COMMENT ON COLUMN public.liquidity_zones.side IS
'Side of the order book: bid or ask.';
COMMENT ON COLUMN public.liquidity_zones.strength IS
'How strong the zone is, from 0 to 1; NULL until scored.';
COMMENT ON COLUMN public.liquidity_zones.exchange IS
'Name of the exchange.';
COMMENT ON COLUMN public.liquidity_zones.symbol IS
'Name of the instrument, as the exchange writes it.';
COMMENT ON COLUMN public.liquidity_zones.created_at IS
'When the row was first stored.';
COMMENT ON COLUMN public.liquidity_zones.updated_at IS
'When the row last changed.';

REVOKE ALL ON TABLE public.liquidity_zones FROM PUBLIC, anon, authenticated;

CREATE TABLE public.smc_patterns (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    exchange TEXT NOT NULL,
    symbol TEXT NOT NULL,
    pattern_type TEXT NOT NULL,
    time_frame TEXT NOT NULL,
    detected_at TIMESTAMPTZ NOT NULL,
    price_level NUMERIC NOT NULL,
    confidence_score NUMERIC(5, 4),
    status TEXT NOT NULL DEFAULT 'active',
    metadata JSONB,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT smc_patterns_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE public.smc_patterns IS
'Smart Money Concept patterns found in candles, one row for each finding.';
COMMENT ON COLUMN public.smc_patterns.id IS
'Surrogate identifier.';
COMMENT ON COLUMN public.smc_patterns.exchange IS
'Name of the exchange whose candles were read.';
COMMENT ON COLUMN public.smc_patterns.symbol IS
'Name of the instrument, as the exchange writes it.';
COMMENT ON COLUMN public.smc_patterns.pattern_type IS
'Kind of pattern in snake_case, such as order_block or fair_value_gap.';
COMMENT ON COLUMN public.smc_patterns.time_frame IS
'Length of the candles: 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w or 1M.';
COMMENT ON COLUMN public.smc_patterns.detected_at IS
'Open time of the candle that the pattern belongs to.';
COMMENT ON COLUMN public.smc_patterns.price_level IS
'Price of the pattern in the symbol''s quote currency; negative for some spreads.';
COMMENT ON COLUMN public.smc_patterns.confidence_score IS
'How sure the detector is, from 0 to 1; NULL where it does not say.';
COMMENT ON COLUMN public.smc_patterns.status IS
'State of the pattern: active, mitigated, invalidated or expired.';
COMMENT ON COLUMN public.smc_patterns.metadata IS
'What else the detector found, a JSON object; NULL where there is nothing.';
COMMENT ON COLUMN public.smc_patterns.created_at IS
'When the row was first stored.';
COMMENT ON COLUMN public.smc_patterns.updated_at IS
'When the row last changed.';

REVOKE ALL ON TABLE public.smc_patterns FROM PUBLIC, anon, authenticated;

-- migrate:down
-- Lossy: drops every stored transfer, liquidity zone and pattern. Transfers can be read from
-- the chain again; prices, scores and orphaned inclusions cannot.
DROP TABLE public.smc_patterns;
DROP TABLE public.liquidity_zones;
DROP TABLE public.whale_transactions;
