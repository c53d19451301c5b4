-- safe
UPDATE orders SET status = 'new' WHERE id BETWEEN 1 AND 1000 AND status IS NULL;
UPDATE orders SET status = 'new' WHERE id > 1000 AND id <= 2000;
UPDATE orders SET status = 'new' WHERE id = 3001;
