-- finds: drop-index
DROP INDEX IF EXISTS orders_shop;
