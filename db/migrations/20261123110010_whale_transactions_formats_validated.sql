-- Why:    the migration before replaced the formats without reading the rows that are there.
-- Locks:  SHARE UPDATE EXCLUSIVE on whale_transactions for one scan: no reader or writer waits.
-- Deploy: any time after the migration before.

-- migrate:up
ALTER TABLE public.whale_transactions
VALIDATE CONSTRAINT whale_transactions_hash_format,
VALIDATE CONSTRAINT whale_transactions_block_hash_format,
VALIDATE CONSTRAINT whale_transactions_from_address_format,
VALIDATE CONSTRAINT whale_transactions_to_address_format;

-- migrate:down
-- Loses nothing; the formats go back to what they were before this, unread.
SET LOCAL lock_timeout = '5s';

ALTER TABLE public.whale_transactions
DROP CONSTRAINT whale_transactions_hash_format,
DROP CONSTRAINT whale_transactions_block_hash_format,
DROP CONSTRAINT whale_transactions_from_address_format,
DROP CONSTRAINT whale_transactions_to_address_format,
ADD CONSTRAINT whale_transactions_hash_format
CHECK (octet_length(hash) = 66 AND hash ~ '^0x[0-9a-f]*$') NOT VALID,
ADD CONSTRAINT whale_transactions_block_hash_format
CHECK (octet_length(block_hash) = 66 AND block_hash ~ '^0x[0-9a-f]*$') NOT VALID,
ADD CONSTRAINT whale_transactions_from_address_format
CHECK (octet_length(from_address) = 42 AND from_address ~ '^0x[0-9a-f]*$') NOT VALID,
ADD CONSTRAINT whale_transactions_to_address_format
CHECK (octet_length(to_address) = 42 AND to_address ~ '^0x[0-9a-f]*$') NOT VALID;
