-- Why:    the primary key will be led by the block, so that the rows of a block lie together;
--         a transaction is then found by its hash through this. A hash index holds four bytes
--         of each value, so that it stays in memory where a B-tree of the texts would not.
-- Locks:  SHARE UPDATE EXCLUSIVE on whale_transactions for two scans: no reader or writer waits.
-- Deploy: any time before the migrations of the key.

-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY idx_whale_transactions_hash
ON public.whale_transactions USING hash (hash);

-- migrate:down transaction:false
-- Loses no row.
DROP INDEX CONCURRENTLY public.idx_whale_transactions_hash;
