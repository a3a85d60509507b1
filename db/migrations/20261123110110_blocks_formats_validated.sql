-- Why:    the migration before replaced the formats without reading the rows that are there.
-- Locks:  SHARE UPDATE EXCLUSIVE on blocks for one scan: no reader or writer waits.
-- Deploy: any time after the migration before.

-- migrate:up
ALTER TABLE public.blocks
VALIDATE CONSTRAINT blocks_hash_format,
VALIDATE CONSTRAINT blocks_parent_hash_format;

-- migrate:down
-- Loses nothing; the formats go back to what they were before this, unread.
SET LOCAL lock_timeout = '5s';

ALTER TABLE public.blocks
DROP CONSTRAINT blocks_hash_format,
DROP CONSTRAINT blocks_parent_hash_format,
ADD CONSTRAINT blocks_hash_format
CHECK (octet_length(hash) = 66 AND hash ~ '^0x[0-9a-f]*$') NOT VALID,
ADD CONSTRAINT blocks_parent_hash_format
CHECK (octet_length(parent_hash) = 66 AND parent_hash ~ '^0x[0-9a-f]*$') NOT VALID;
