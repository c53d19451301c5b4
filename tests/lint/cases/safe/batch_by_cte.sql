-- safe
WITH batch AS (SELECT id FROM orders WHERE status IS NULL LIMIT 1000 FOR UPDATE SKIP LOCKED)
UPDATE orders SET status = 'new' FROM batch WHERE orders.id = batch.id;
UPDATE orders o SET status = 'x' FROM (SELECT id FROM orders ORDER BY id LIMIT 100) s WHERE s.id = o.id;
