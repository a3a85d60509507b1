-- The statements by which other tools were measured; all 51 columns are exact.

-- left join: NN?
SELECT w.id, w.address, t.amount FROM wallet w LEFT JOIN transfer t ON t.wallet_id = w.id;
-- left join flipped: NN?
SELECT a.id, a.kind, t.amount FROM alert a LEFT JOIN transfer t ON t.id = a.transfer_id;
-- coalesce: NNN?
SELECT w.id, coalesce(w.label, '?') l, coalesce(t.amount, 0) a, coalesce(w.label, t.usd::text) x
FROM wallet w LEFT JOIN transfer t ON t.wallet_id = w.id;
-- count: NNN
SELECT w.id, count(t.id) n, count(*) FILTER (WHERE t.usd > 1) m
FROM wallet w LEFT JOIN transfer t ON t.wallet_id = w.id GROUP BY w.id;
-- aggregates of all rows: ??
SELECT max(amount) m, sum(usd) s FROM transfer WHERE id > 99;
-- aggregates of groups: NN?
SELECT wallet_id, max(amount) m, sum(usd) FILTER (WHERE true) s FROM transfer
WHERE id <> 2 GROUP BY wallet_id;
-- union: N?
SELECT address a, label b FROM wallet UNION ALL SELECT kind, kind FROM alert;
-- case: N?
SELECT CASE WHEN amount > 100 THEN 'whale' ELSE 'fish' END a, CASE WHEN amount > 100 THEN 'w' END b
FROM transfer;
-- insert on conflict returning: N?NN
INSERT INTO wallet (id, address, label) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET label = excluded.label
RETURNING id, label, address || 'x' ax, (xmax = 0) ins;
-- args: (1, 'a', None)
-- cte with a left join: N??
WITH x AS (SELECT w.id, t.amount FROM wallet w LEFT JOIN transfer t ON t.wallet_id = w.id)
SELECT x.id, x.amount, x.amount + 1 y FROM x;
-- cte with an insert: N??
WITH i AS (INSERT INTO wallet (id, address) VALUES ($1, $2) RETURNING id, address, label)
SELECT i.id, i.label, t.amount FROM i LEFT JOIN transfer t ON t.wallet_id = i.id;
-- args: (77, 'a')
-- where strict: NN
SELECT t.usd, a.kind FROM transfer t LEFT JOIN alert a ON a.transfer_id = t.id
WHERE t.usd > $1 AND a.kind IS NOT NULL;
-- args: (0,)
-- view: NN??N
SELECT id, address, label, amount, n FROM v;
-- sublinks: ?NNN
SELECT (SELECT max(amount) FROM transfer WHERE id > 99) m, (SELECT count(*) FROM transfer) c,
    EXISTS (SELECT 1) e, ARRAY (SELECT id FROM wallet) r;
-- full join using: N??
SELECT id, a.kind, w.address FROM wallet w FULL JOIN alert a USING (id);
-- window: N?N
SELECT row_number() OVER (ORDER BY id) rn, lag(id) OVER (ORDER BY id) p, max(id) OVER () mx
FROM wallet;
-- rollup: ?N
SELECT wallet_id, count(*) c FROM transfer GROUP BY ROLLUP (wallet_id);
