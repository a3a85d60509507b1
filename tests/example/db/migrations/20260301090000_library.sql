-- Why:    books, members and who has lent what.
-- Locks:  none that anybody waits for: the tables are new.
-- Deploy: first.
-- migrate:up
CREATE TYPE public.loan_state AS ENUM ('requested', 'lent', 'returned');
CREATE TYPE public.postal_address AS (street TEXT, postcode TEXT);
CREATE DOMAIN public.isbn AS TEXT CHECK (value ~ '^[0-9]{13}$');

CREATE TABLE public.members (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL,
    home PUBLIC.POSTAL_ADDRESS,
    joined DATE NOT NULL,
    preferences JSONB NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE public.members IS 'People who may borrow books.';
COMMENT ON COLUMN public.members.home IS 'Where reminders are sent to; NULL for who wants none.';

CREATE TABLE public.books (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    isbn PUBLIC.ISBN NOT NULL,
    title TEXT NOT NULL,
    tags TEXT[] NOT NULL DEFAULT '{}',
    hall TEXT NOT NULL CHECK (hall IN ('north', 'south')),
    price_eur NUMERIC(8, 2)
);
COMMENT ON TABLE public.books IS 'Copies of books, one row for each copy.';
COMMENT ON COLUMN public.books.price_eur IS 'What a lost copy costs, in euros; NULL if unknown.';
CREATE INDEX books_title_idx ON public.books (title, id);

CREATE TABLE public.loans (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    book_id BIGINT NOT NULL REFERENCES public.books (id),
    member_id BIGINT NOT NULL REFERENCES public.members (id),
    state PUBLIC.LOAN_STATE NOT NULL,
    period TSTZRANGE NOT NULL CHECK (NOT isempty(period)),
    fine_eur NUMERIC(8, 2)
);
COMMENT ON TABLE public.loans IS 'Who has, had or wants which copy.';
COMMENT ON COLUMN public.loans.period IS 'From when to when; without an end while it is out.';
CREATE UNIQUE INDEX loans_out_key ON public.loans (book_id) WHERE state = 'lent';
CREATE INDEX loans_member_idx ON public.loans (member_id, id);

-- migrate:down
-- Lossy: drops every book, member and loan.
DROP TABLE public.loans;
DROP TABLE public.books;
DROP TABLE public.members;
DROP DOMAIN public.isbn;
DROP TYPE public.postal_address;
DROP TYPE public.loan_state;
