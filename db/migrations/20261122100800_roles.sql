-- Why:    a worker and a reader need far less than the owner of the tables may do. Both are
--         groups without login: a DBA creates logins and grants them one of the two.
-- Locks:  none; new rows in the cluster's catalog of roles.
-- Deploy: before the policies and grants, which name the roles.

-- migrate:up
DO $$
DECLARE
    role_name TEXT;
    role_comment TEXT;
BEGIN
    FOR role_name, role_comment IN
        VALUES
        ('whaledb_worker', 'Reads and writes chain and market tables; no DDL, no TRUNCATE.'),
        ('whaledb_reader', 'Reads chain and market tables and the views.')
    LOOP
        CONTINUE WHEN to_regrole(role_name) IS NOT NULL;
        -- Roles belong to the whole cluster: another database may be creating the same one.
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            EXECUTE format('COMMENT ON ROLE %I IS %L', role_name, role_comment);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            RAISE NOTICE 'role % was created by another session at the same time', role_name;
        END;
    END LOOP;
END;
$$;

-- migrate:down
-- Nothing to undo: roles belong to the whole cluster, where other databases may use them. To
-- be rid of them, DROP ROLE them by hand once no database uses them any more.
SELECT 1;
