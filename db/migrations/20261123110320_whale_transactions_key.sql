-- Why:    the rows of a block are stored together, so the key begins with the block: a merge
--         then writes a page or two of it for a block, and not one for each row. The columns are
--         the same, so every ON CONFLICT and every reference holds as before. A transaction can
--         have thousands of internal transfers, all under its hash: n_distinct has the planner
--         expect some, so that it finds one row by the key and not among all of a hash.
-- Locks:  ACCESS EXCLUSIVE on whale_transactions for a moment, without a scan.
-- Deploy: any time after the two migrations before.

-- migrate:up
SET LOCAL lock_timeout = '5s';

ALTER TABLE public.whale_transactions
DROP CONSTRAINT whale_transactions_pkey,
ADD CONSTRAINT whale_transactions_pkey PRIMARY KEY USING INDEX whale_transactions_key,
ALTER COLUMN hash SET (n_distinct = -0.5);

-- migrate:down
-- Loses no row; builds both indexes under an ACCESS EXCLUSIVE lock.
SET LOCAL lock_timeout = '5s';

ALTER TABLE public.whale_transactions
DROP CONSTRAINT whale_transactions_pkey,
ADD CONSTRAINT whale_transactions_pkey PRIMARY KEY (hash, chain_id, block_hash, trace_path),
ALTER COLUMN hash RESET (n_distinct);

CREATE UNIQUE INDEX whale_transactions_key
ON public.whale_transactions (block_hash, chain_id, hash, trace_path);
