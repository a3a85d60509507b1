--
-- PostgreSQL database dump
--

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: isbn; Type: DOMAIN; Schema: public; Owner: -
--

CREATE DOMAIN public.isbn AS text
	CONSTRAINT isbn_check CHECK ((VALUE ~ '^[0-9]{13}$'::text));

--
-- Name: loan_state; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.loan_state AS ENUM (
    'requested',
    'lent',
    'returned'
);

--
-- Name: postal_address; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.postal_address AS (
	street text,
	postcode text
);

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: books; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.books (
    id bigint NOT NULL,
    isbn public.isbn NOT NULL,
    title text NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    hall text NOT NULL,
    price_eur numeric(8,2),
    CONSTRAINT books_hall_check CHECK ((hall = ANY (ARRAY['north'::text, 'south'::text])))
);

--
-- Name: TABLE books; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.books IS 'Copies of books, one row for each copy.';

--
-- Name: COLUMN books.price_eur; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.books.price_eur IS 'What a lost copy costs, in euros; NULL if unknown.';

--
-- Name: books_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.books ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.books_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: loans; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.loans (
    id bigint NOT NULL,
    book_id bigint NOT NULL,
    member_id bigint NOT NULL,
    state public.loan_state NOT NULL,
    period tstzrange NOT NULL,
    fine_eur numeric(8,2),
    CONSTRAINT loans_period_check CHECK ((NOT isempty(period)))
);

--
-- Name: TABLE loans; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.loans IS 'Who has, had or wants which copy.';

--
-- Name: COLUMN loans.period; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.loans.period IS 'From when to when; without an end while it is out.';

--
-- Name: loans_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.loans ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.loans_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: members; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.members (
    id bigint NOT NULL,
    name text NOT NULL,
    home public.postal_address,
    joined date NOT NULL,
    preferences jsonb DEFAULT '{}'::jsonb NOT NULL
);

--
-- Name: TABLE members; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.members IS 'People who may borrow books.';

--
-- Name: COLUMN members.home; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.members.home IS 'Where reminders are sent to; NULL for who wants none.';

--
-- Name: members_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.members ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.members_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

--
-- Name: schema_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
);

--
-- Name: books books_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.books
    ADD CONSTRAINT books_pkey PRIMARY KEY (id);

--
-- Name: loans loans_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.loans
    ADD CONSTRAINT loans_pkey PRIMARY KEY (id);

--
-- Name: members members_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.members
    ADD CONSTRAINT members_pkey PRIMARY KEY (id);

--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

--
-- Name: books_title_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX books_title_idx ON public.books USING btree (title, id);

--
-- Name: loans_book_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX loans_book_idx ON public.loans USING btree (book_id);

--
-- Name: loans_member_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX loans_member_idx ON public.loans USING btree (member_id, id);

--
-- Name: loans_out_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX loans_out_key ON public.loans USING btree (book_id) WHERE (state = 'lent'::public.loan_state);

--
-- Name: loans loans_book_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.loans
    ADD CONSTRAINT loans_book_id_fkey FOREIGN KEY (book_id) REFERENCES public.books(id);

--
-- Name: loans loans_member_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.loans
    ADD CONSTRAINT loans_member_id_fkey FOREIGN KEY (member_id) REFERENCES public.members(id);

--
-- PostgreSQL database dump complete
--

--
-- Migrations this schema was made by
--

INSERT INTO public.schema_migrations (version) VALUES
    ('20260301090000'),
    ('20260301100000');
