-- finds: validate-in-same-transaction
BEGIN;
ALTER TABLE orders ADD COLUMN note text;
ALTER TABLE orders VALIDATE CONSTRAINT orders_shop;
COMMIT;
