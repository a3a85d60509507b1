-- Why:    who writes a stream is told by ingest_claims, before the first block too; a token
--         in the cursor would change its content with each restart of a writer.
-- Locks:  ACCESS EXCLUSIVE on ingest_cursors; catalog only, no rewrite.
-- Deploy: with the code that does not name the column; older code fails at its next block.

-- migrate:up
ALTER TABLE public.ingest_cursors DROP COLUMN fencing_token;

-- migrate:down
-- Lossy: every token is 0 again, which fences nobody out. The two columns behind it are made
-- anew, so that the table is what it was; it holds a row for each stream.
ALTER TABLE public.ingest_cursors
ADD COLUMN fencing_token BIGINT NOT NULL DEFAULT 0,
ADD COLUMN first_stored_at TIMESTAMPTZ,
ADD COLUMN last_changed_at TIMESTAMPTZ;
UPDATE public.ingest_cursors SET
    first_stored_at = created_at,
    last_changed_at = updated_at;
ALTER TABLE public.ingest_cursors
DROP COLUMN created_at,
DROP COLUMN updated_at;
ALTER TABLE public.ingest_cursors RENAME COLUMN first_stored_at TO created_at;
ALTER TABLE public.ingest_cursors RENAME COLUMN last_changed_at TO updated_at;
ALTER TABLE public.ingest_cursors
ALTER COLUMN created_at SET DEFAULT now(),
ALTER COLUMN created_at SET NOT NULL,
ALTER COLUMN updated_at SET DEFAULT now(),
ALTER COLUMN updated_at SET NOT NULL,
ADD CONSTRAINT ingest_cursors_fencing_token_not_negative
CHECK (fencing_token >= 0);

COMMENT ON COLUMN public.ingest_cursors.fencing_token IS
'Grows whenever another writer takes the stream over; a writer holding a lower one has lost it.';
COMMENT ON COLUMN public.ingest_cursors.created_at IS
'When the row was first stored.';
COMMENT ON COLUMN public.ingest_cursors.updated_at IS
'When the row last changed.';
