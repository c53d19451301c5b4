-- finds: concurrent-index-if-not-exists
CREATE INDEX CONCURRENTLY ON orders (number);
