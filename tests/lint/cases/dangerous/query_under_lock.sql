-- finds: work-under-strong-lock
BEGIN;
ALTER TABLE orders ADD COLUMN note text;
SELECT count(*) FROM shops;
COMMIT;
