-- Why:    the migration before said what preferences may be without reading those that are there.
-- Locks:  SHARE UPDATE EXCLUSIVE on users for a scan, behind one without it: no reader or writer
--         waits. Stops, and changes nothing, where a profile has other preferences: the error
--         counts those and names ten by id, to be corrected before it is run again.
-- Deploy: before the code that reads preferences by their members.

-- migrate:up
-- VALIDATE would name the constraint and no row. The check is asked in its own words, which stand
-- in the migration before.
DO $$
DECLARE
    max_named CONSTANT INTEGER := 10;
    fits TEXT;
    misfits BIGINT;
    named TEXT;
BEGIN
    SELECT pg_get_expr(c.conbin, c.conrelid)
    INTO STRICT fits
    FROM pg_constraint AS c
    WHERE c.conrelid = 'public.users'::REGCLASS AND c.conname = 'users_preferences_shape';
    EXECUTE format('SELECT count(*) FROM public.users WHERE (%s) IS FALSE', fits) INTO misfits;
    IF misfits > 0 THEN
        EXECUTE format(
            'SELECT string_agg(m.id::TEXT, '', '') FROM ('
            'SELECT u.id FROM public.users AS u WHERE (%s) IS FALSE ORDER BY u.id LIMIT %s'
            ') AS m',
            fits, max_named
        ) INTO named;
        RAISE EXCEPTION
            'Profiles with preferences that are not allowed from now on: %. Correct their '
            'preferences in public.users and migrate again. Ids of at most % of them: %',
            misfits, max_named, named
            USING ERRCODE = 'check_violation';
    END IF;
END;
$$;

ALTER TABLE public.users
VALIDATE CONSTRAINT users_preferences_shape;

-- migrate:down
-- Loses nothing; the check goes back to what it was before this, unread.
SET LOCAL lock_timeout = '5s';

DO $$
DECLARE
    definition TEXT;
BEGIN
    SELECT pg_get_constraintdef(c.oid)
    INTO STRICT definition
    FROM pg_constraint AS c
    WHERE c.conrelid = 'public.users'::REGCLASS AND c.conname = 'users_preferences_shape';
    ALTER TABLE public.users DROP CONSTRAINT users_preferences_shape;
    EXECUTE format(
        'ALTER TABLE public.users ADD CONSTRAINT users_preferences_shape %s NOT VALID', definition
    );
END;
$$;
