-- finds: unbounded-write
UPDATE orders SET shop = (SELECT name FROM shops ORDER BY id LIMIT 1);
