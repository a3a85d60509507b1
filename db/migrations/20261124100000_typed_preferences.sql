-- Why:    preferences was any JSON object, so that whoever reads it would meet members that are
--         missing, of another type or misspelt. Now a CHECK says which members there are and
--         what each may be: those of whaledb.documents.Preferences, each of which may be left
--         out. The check asks for the type of a member and compares JSON with JSON, which cannot
--         fail; IS TRUE refuses what is missing (NULL). notify_by has as many elements as it
--         has different known ones, so none is unknown and none there twice.
--         A time zone is checked by the form of its name alone: which zones exist changes with
--         the files of each server.
-- Locks:  ACCESS EXCLUSIVE on users; catalog only, as no row is read. Gives up after 5 s of
--         waiting.
-- Deploy: before the code that writes preferences by their members; the next migration reads
--         the rows. Until a profile with other preferences is corrected, no part of it can be
--         changed.

-- migrate:up
SET LOCAL lock_timeout = '5s';

ALTER TABLE public.users
ADD CONSTRAINT users_preferences_shape
CHECK (
    (
        (
            preferences -> 'quote_currency' IS NULL
            OR (
                jsonb_typeof(preferences -> 'quote_currency') = 'string'
                AND preferences ->> 'quote_currency' ~ '^[A-Z0-9]+$'
                AND char_length(preferences ->> 'quote_currency') BETWEEN 3 AND 10
            )
        )
        AND (
            preferences -> 'time_zone' IS NULL
            OR (
                jsonb_typeof(preferences -> 'time_zone') = 'string'
                AND preferences ->> 'time_zone' ~ '^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$'
                AND char_length(preferences ->> 'time_zone') <= 64
            )
        )
        AND (
            preferences -> 'min_value_eth' IS NULL
            OR (
                jsonb_typeof(preferences -> 'min_value_eth') = 'number'
                AND preferences -> 'min_value_eth' > '0'
                AND char_length(preferences ->> 'min_value_eth') <= 80
            )
        )
        AND (
            preferences -> 'chain_id' IS NULL
            OR (
                jsonb_typeof(preferences -> 'chain_id') = 'number'
                AND preferences ->> 'chain_id' ~ '^[1-9][0-9]*$'
                AND char_length(preferences ->> 'chain_id') <= 18
            )
        )
        AND CASE
            WHEN preferences -> 'notify_by' IS NULL THEN TRUE
            WHEN jsonb_typeof(preferences -> 'notify_by') = 'array'
                THEN
                    jsonb_array_length(preferences -> 'notify_by')
                    = cast(preferences -> 'notify_by' ? 'email' AS INTEGER)
                    + cast(preferences -> 'notify_by' ? 'push' AS INTEGER)
                    + cast(preferences -> 'notify_by' ? 'webhook' AS INTEGER)
        END
        AND CASE
            WHEN jsonb_typeof(preferences) = 'object'
                THEN
                    preferences - ARRAY[
                        'quote_currency', 'time_zone', 'min_value_eth', 'chain_id', 'notify_by'
                    ] = '{}'
        END
    ) IS TRUE
)
NOT VALID;

COMMENT ON COLUMN public.users.preferences IS
'What the account chose, a JSON object; each member may be left out, and {} is everything as '
'by default. quote_currency: code of the currency to show values in, by default USD. '
'time_zone: name of the IANA zone to show times in, by default UTC. min_value_eth: least value '
'of the transfers to list, in ether (the chain''s native unit), or every one. chain_id: EIP-155 '
'number of the chain to show, or every chain. notify_by: list of email, push and webhook, in '
'order of preference, or none.';

-- migrate:down
-- Loses no row.
SET LOCAL lock_timeout = '5s';

COMMENT ON COLUMN public.users.preferences IS
'Settings of the account, a JSON object; empty where everything is as by default.';

ALTER TABLE public.users
DROP CONSTRAINT users_preferences_shape;
