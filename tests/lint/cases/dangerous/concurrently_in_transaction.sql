-- finds: concurrently-in-transaction
BEGIN;
CREATE INDEX CONCURRENTLY orders_shop ON orders (shop_id);
COMMIT;
