-- finds: concurrent-index-if-not-exists
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS orders_number ON orders (number);
