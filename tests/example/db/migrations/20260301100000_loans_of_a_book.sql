-- Why:    a copy that leaves the library is looked for among all loans, of which only those that
--         are out had an index.
-- Locks:  SHARE on loans, for the build.
-- Deploy: at any time.

-- migrate:up
CREATE INDEX loans_book_idx ON public.loans (book_id);

-- migrate:down
-- Loses no row.
DROP INDEX public.loans_book_idx;
