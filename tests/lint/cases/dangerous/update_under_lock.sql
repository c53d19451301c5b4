-- finds: data-under-strong-lock unbounded-write
BEGIN;
ALTER TABLE orders ADD COLUMN status text;
UPDATE orders SET status = 'new';
ALTER TABLE orders ALTER COLUMN status SET DEFAULT 'new';
COMMIT;
