-- Whale transfers with the thirteen columns of the specification. Owner: the benchmark.
-- value_eth: ether. value_usd: US dollars. gas_price: wei.

-- name: get_by_hash(chain_id, hash)^
-- @returns Transfer
-- A row of a transaction, the first by its block's hash; None where it is not known.
-- Index: idx_whale_transactions_hash.
SELECT
    t.id,
    t.hash,
    t.from_address,
    t.to_address,
    t.value_eth,
    t.value_usd,
    t.gas_price,
    t.gas_used,
    t.block_number,
    t.block_timestamp,
    t.whale_score,
    t.created_at,
    t.updated_at
FROM public.whale_transactions AS t
WHERE
    t.hash = :hash
    AND t.chain_id = :chain_id
ORDER BY t.block_hash ASC, t.trace_path ASC
LIMIT 1;

-- name: list_since_block(chain_id, first_block, max_rows)
-- @returns Transfer
-- Rows of first_block and of later ones, in the order of their blocks.
-- Index: idx_whale_transactions_block_number.
SELECT
    t.id,
    t.hash,
    t.from_address,
    t.to_address,
    t.value_eth,
    t.value_usd,
    t.gas_price,
    t.gas_used,
    t.block_number,
    t.block_timestamp,
    t.whale_score,
    t.created_at,
    t.updated_at
FROM public.whale_transactions AS t
WHERE
    t.chain_id = :chain_id
    AND t.block_number >= :first_block
ORDER BY t.block_number ASC
LIMIT :max_rows;

-- name: stream_since_block(chain_id, first_block)
-- @returns Transfer
-- Rows of first_block and of later ones, in the order of their blocks.
-- Index: idx_whale_transactions_block_number.
SELECT
    t.id,
    t.hash,
    t.from_address,
    t.to_address,
    t.value_eth,
    t.value_usd,
    t.gas_price,
    t.gas_used,
    t.block_number,
    t.block_timestamp,
    t.whale_score,
    t.created_at,
    t.updated_at
FROM public.whale_transactions AS t
WHERE
    t.chain_id = :chain_id
    AND t.block_number >= :first_block
ORDER BY t.block_number ASC;
