-- finds: several-tables-locked
BEGIN;
ALTER TABLE orders ADD COLUMN note text;
ALTER TABLE shops ADD COLUMN note text;
COMMIT;
