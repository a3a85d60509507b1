-- Why:    the index that the next migration makes the primary key: the same columns, led by the
--         block. Led by the hash each new row falls on a page of its own among all there are,
--         and once those are more than memory holds, storing waits for the disk.
-- Locks:  SHARE UPDATE EXCLUSIVE on whale_transactions for two scans: no reader or writer waits.
-- Deploy: any time before the migration of the key.

-- migrate:up transaction:false
CREATE UNIQUE INDEX CONCURRENTLY whale_transactions_key
ON public.whale_transactions (block_hash, chain_id, hash, trace_path);

-- migrate:down transaction:false
-- Loses no row.
DROP INDEX CONCURRENTLY public.whale_transactions_key;
