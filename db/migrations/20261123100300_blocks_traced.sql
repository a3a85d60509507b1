-- Why:    a block without internal transfers and one whose traces nobody read look alike; a
--         later run needs to know which of them to read again.
-- Locks:  ACCESS EXCLUSIVE on blocks; catalog only, as the default is constant.
-- Deploy: before the code that reads traces.

-- migrate:up
ALTER TABLE public.blocks ADD COLUMN traced BOOLEAN NOT NULL DEFAULT FALSE;

COMMENT ON COLUMN public.blocks.traced IS
'Whether the internal transfers of the block, at or above the threshold, were read and stored '
'too; false where no traces were given.';

-- migrate:down
-- Lossy: which blocks were read with traces; their internal transfers stay.
ALTER TABLE public.blocks DROP COLUMN traced;
