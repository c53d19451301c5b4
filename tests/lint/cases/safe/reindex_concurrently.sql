-- safe
REINDEX INDEX CONCURRENTLY orders_shop;
