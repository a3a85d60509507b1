-- Why:    finality rises with every few blocks of the chain; without this the blocks to raise
--         are searched among all below. It holds the blocks that are not finalised yet, which
--         on a chain with finality are the last few dozen and what a backfill just stored.
-- Locks:  SHARE on blocks while the index builds: writers wait, readers do not.
-- Deploy: before the code that follows a node.

-- migrate:up
CREATE INDEX idx_blocks_not_finalised
ON public.blocks (chain_id, number) WHERE canonical AND finality <> 'finalised';

COMMENT ON INDEX public.idx_blocks_not_finalised IS
'The canonical blocks whose finality can still rise.';

-- migrate:down
-- Loses no row.
DROP INDEX public.idx_blocks_not_finalised;
