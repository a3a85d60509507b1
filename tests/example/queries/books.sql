-- Copies of books. Owner: the desk. price_eur: euros.

-- name: insert(isbn, title, tags, hall, price_eur)<!
-- @one
-- Adds a copy and returns it whole.
INSERT INTO public.books AS b (isbn, title, tags, hall, price_eur)
VALUES (:isbn, :title, :tags, :hall, :price_eur)
RETURNING
    b.id,
    b.isbn,
    b.title,
    b.tags,
    b.hall,
    b.price_eur;

-- name: search(title_prefix, hall, max_price_eur, max_rows)
-- @optional title_prefix
-- @optional hall
-- @optional max_price_eur
-- @order_by title b.title ASC, b.id ASC
-- @order_by dearest b.price_eur DESC NULLS LAST, b.id ASC
-- Copies that fit everything that is asked for.
-- Index: books_title_idx in the order of titles.
SELECT
    b.id,
    b.isbn,
    b.title,
    b.tags,
    b.hall,
    b.price_eur
FROM public.books AS b
WHERE
    starts_with(b.title, :title_prefix)
    AND b.hall = :hall
    AND b.price_eur <= :max_price_eur
ORDER BY b.title ASC, b.id ASC
LIMIT :max_rows;

-- name: count()$
-- How many copies there are.
SELECT count(*) AS copies FROM public.books;

-- name: get_with_loan(id)^
-- A copy with the loan that is out, None if it is on the shelf.
-- Index: books_pkey, loans_out_key.
SELECT
    b.id,
    b.title,
    l.id AS "loan.id",
    l.period AS "loan.period",
    m.name AS "loan.member_name"
FROM public.books AS b
LEFT JOIN (
    public.loans AS l
    INNER JOIN public.members AS m ON l.member_id = m.id
) ON b.id = l.book_id AND l.state = 'lent'
WHERE b.id = :id;

-- name: stream_all()
-- Every copy, by number.
SELECT
    b.id,
    b.isbn,
    b.title,
    b.tags,
    b.hall,
    b.price_eur
FROM public.books AS b
ORDER BY b.id ASC;
