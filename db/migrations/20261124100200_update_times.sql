-- Why:    a user may write updated_at of the own profile and alerts, and nothing bounded it.
--         TIMESTAMPTZ reaches from 4714 BC to the year 294276 and has infinities; Python's years
--         are 1 to 9999. One such value of one user had every statement fail that reads the
--         rows of all, or return a time without a zone. The year is taken in UTC, so that the
--         session's TimeZone has no say; that of an infinity is infinite.
-- Locks:  ACCESS EXCLUSIVE on alerts and users, in the order in which queries lock them; catalog
--         only, as no row is read. Gives up after 5 s of waiting for either: run it again.
-- Deploy: at any time; the next migration mends and reads the rows. No statement of ours writes
--         another time than now().

-- migrate:up
SET LOCAL lock_timeout = '5s';

ALTER TABLE public.alerts
ADD CONSTRAINT alerts_updated_at_range
CHECK (extract(YEAR FROM updated_at AT TIME ZONE 'UTC') BETWEEN 1 AND 9999)
NOT VALID;

ALTER TABLE public.users
ADD CONSTRAINT users_updated_at_range
CHECK (extract(YEAR FROM updated_at AT TIME ZONE 'UTC') BETWEEN 1 AND 9999)
NOT VALID;

-- migrate:down
-- Loses no row; a user can stop those who read every row again.
SET LOCAL lock_timeout = '5s';

ALTER TABLE public.alerts
DROP CONSTRAINT alerts_updated_at_range;

ALTER TABLE public.users
DROP CONSTRAINT users_updated_at_range;
