-- Why:    the migration before bounded updated_at without reading the rows that are there. A time
--         out of bounds says nothing of when its row changed, so it becomes that of this change.
-- Locks:  ROW EXCLUSIVE on alerts and users for a scan of each, and the rows that are mended; then
--         SHARE UPDATE EXCLUSIVE for another: no reader waits, and a writer only of such a row.
--         Gives up after 5 s of waiting for somebody else's lock: run it again.
-- Deploy: any time after the migration before.

-- migrate:up
SET LOCAL lock_timeout = '5s';

UPDATE public.alerts
SET updated_at = now()
WHERE extract(YEAR FROM updated_at AT TIME ZONE 'UTC') NOT BETWEEN 1 AND 9999;

UPDATE public.users
SET updated_at = now()
WHERE extract(YEAR FROM updated_at AT TIME ZONE 'UTC') NOT BETWEEN 1 AND 9999;

ALTER TABLE public.alerts
VALIDATE CONSTRAINT alerts_updated_at_range;

ALTER TABLE public.users
VALIDATE CONSTRAINT users_updated_at_range;

-- migrate:down
-- Loses nothing but the times that were out of bounds; the checks go back to what they were
-- before this, unread.
SET LOCAL lock_timeout = '5s';

ALTER TABLE public.alerts
DROP CONSTRAINT alerts_updated_at_range,
ADD CONSTRAINT alerts_updated_at_range
CHECK (extract(YEAR FROM updated_at AT TIME ZONE 'UTC') BETWEEN 1 AND 9999) NOT VALID;

ALTER TABLE public.users
DROP CONSTRAINT users_updated_at_range,
ADD CONSTRAINT users_updated_at_range
CHECK (extract(YEAR FROM updated_at AT TIME ZONE 'UTC') BETWEEN 1 AND 9999) NOT VALID;
