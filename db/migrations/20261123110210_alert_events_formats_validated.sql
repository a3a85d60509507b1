-- Why:    the migration before replaced the formats without reading the rows that are there.
-- Locks:  SHARE UPDATE EXCLUSIVE on alert_events for one scan: no reader or writer waits.
-- Deploy: any time after the migration before.

-- migrate:up
ALTER TABLE public.alert_events
VALIDATE CONSTRAINT alert_events_block_hash_format,
VALIDATE CONSTRAINT alert_events_transaction_hash_format;

-- migrate:down
-- Loses nothing; the formats go back to what they were before this, unread.
SET LOCAL lock_timeout = '5s';

ALTER TABLE public.alert_events
DROP CONSTRAINT alert_events_block_hash_format,
DROP CONSTRAINT alert_events_transaction_hash_format,
ADD CONSTRAINT alert_events_block_hash_format
CHECK (octet_length(block_hash) = 66 AND block_hash ~ '^0x[0-9a-f]*$') NOT VALID,
ADD CONSTRAINT alert_events_transaction_hash_format
CHECK (octet_length(transaction_hash) = 66 AND transaction_hash ~ '^0x[0-9a-f]*$') NOT VALID;
