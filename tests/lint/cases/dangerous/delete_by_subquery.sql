-- finds: unbounded-write
DELETE FROM lines WHERE order_id IN (SELECT id FROM orders WHERE status = 'gone');
