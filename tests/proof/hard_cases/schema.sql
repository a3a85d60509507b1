-- Tables for the hard cases, with the values that make nullability hard.
CREATE SCHEMA hard;
SET search_path = hard;

-- The seventeen statements of field.sql are asked of these.
CREATE TABLE wallet (id bigint PRIMARY KEY, address text NOT NULL, label text);
CREATE TABLE transfer (
    id bigint PRIMARY KEY, wallet_id bigint NOT NULL REFERENCES wallet, amount numeric NOT NULL,
    usd numeric, at timestamptz NOT NULL
);
CREATE TABLE alert (
    id bigint PRIMARY KEY, transfer_id bigint REFERENCES transfer, kind text NOT NULL
);
CREATE VIEW v AS
    SELECT w.id, w.address, w.label, t.amount, count(*) OVER () AS n
    FROM wallet AS w LEFT JOIN transfer AS t ON t.wallet_id = w.id;
INSERT INTO wallet VALUES (1, '0x1', NULL), (2, '0x2', 'two'), (3, '', NULL), (4, '0x4', 'four');
INSERT INTO transfer VALUES
    (1, 1, 50, NULL, '2024-01-01'), (2, 1, 500, 3, 'infinity'), (3, 2, 'NaN', 1, '-infinity');
INSERT INTO alert VALUES (1, 1, 'x'), (2, 2, 'y'), (9, NULL, 'z');

CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE pair AS (a int, b int);
CREATE DOMAIN strict_int AS int NOT NULL;
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE thing (
    id int PRIMARY KEY, n int NOT NULL, x int, t text, at timestamptz NOT NULL, flag boolean,
    list int[] NOT NULL, tags text[], doc jsonb NOT NULL, k numeric NOT NULL, m mood NOT NULL,
    p pair NOT NULL, d strict_int, span int4range NOT NULL, length interval NOT NULL
);
INSERT INTO thing VALUES
    (1, 1, NULL, NULL, 'infinity', NULL, '{}', NULL, 'null', 'NaN', 'sad',
        ROW(NULL, 1), 1, 'empty', 'infinity'),
    (2, 2, 5, '', '2024-01-01', true, '{1,NULL,3}', '{a,NULL}', '{"a": null}', 'Infinity', 'glad',
        ROW(1, NULL), 2, '(,)', '1 day'),
    (3, 2, 7, 'text', '-infinity', false, '{4}', '{}', '{"a": "b"}', 0, 'sad',
        ROW(1, 2), 3, '[1,5)', '-infinity');
CREATE TABLE other (id int PRIMARY KEY, x int, y int NOT NULL, u text);
INSERT INTO other VALUES (1, NULL, 1, 'o'), (2, 5, 2, NULL), (7, 9, 3, 'p');
CREATE TABLE nothing (id int PRIMARY KEY, y int NOT NULL);
CREATE TABLE edge (child int NOT NULL, parent int);
INSERT INTO edge VALUES (1, NULL), (2, 1), (3, 2);

CREATE VIEW joined AS
    SELECT t.id, t.n, o.id AS other_id, o.y, o.u
    FROM thing AS t LEFT JOIN other AS o ON o.id = t.id;
CREATE VIEW nested AS SELECT j.id, j.other_id, j.y, j.n + 1 AS m FROM joined AS j;
CREATE VIEW simple AS SELECT id, y, u FROM other;

CREATE TABLE unproven (id int PRIMARY KEY, y int);
INSERT INTO unproven VALUES (1, NULL), (2, 2);
ALTER TABLE unproven ADD CONSTRAINT y_there NOT NULL y NOT VALID;

CREATE TABLE parent (id int NOT NULL, y int, CONSTRAINT y_here NOT NULL y NO INHERIT);
CREATE TABLE heir () INHERITS (parent);
INSERT INTO parent VALUES (1, 1);
INSERT INTO heir VALUES (2, NULL);

CREATE TABLE parted (id int NOT NULL, y int NOT NULL, z int) PARTITION BY LIST (id);
CREATE TABLE parted_one PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
INSERT INTO parted VALUES (1, 1, 1), (2, 2, NULL);

CREATE TABLE meddled (id int PRIMARY KEY, y int NOT NULL, z int);
INSERT INTO meddled VALUES (1, 1, 1);
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.z := NULL; RETURN NEW; END $$;
CREATE TRIGGER meddle BEFORE INSERT OR UPDATE ON meddled FOR EACH ROW EXECUTE FUNCTION meddle();

CREATE TABLE computed (
    id int PRIMARY KEY, x int, twice int GENERATED ALWAYS AS (x * 2) STORED,
    thrice int GENERATED ALWAYS AS (x * 3) VIRTUAL, y int NOT NULL,
    next int NOT NULL GENERATED ALWAYS AS (y + 1) VIRTUAL
);
INSERT INTO computed (id, x, y) VALUES (1, NULL, 1), (2, 2, 2);

CREATE VIEW writable AS SELECT id, y FROM nothing;
CREATE FUNCTION meddle_view() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RETURN ROW(NULL::int, NULL::int); END $$;
CREATE TRIGGER meddle INSTEAD OF INSERT ON writable FOR EACH ROW EXECUTE FUNCTION meddle_view();

CREATE FUNCTION strict_null(int) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT NULL::int';
CREATE FUNCTION two_rows() RETURNS SETOF int LANGUAGE sql AS 'VALUES (1), (NULL)';
CREATE FUNCTION unlike(int, int) RETURNS boolean LANGUAGE sql STRICT AS 'SELECT NULL::boolean';
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = unlike);
