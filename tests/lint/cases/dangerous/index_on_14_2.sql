-- server-version: 14.2
-- finds: concurrent-index-on-14
CREATE INDEX CONCURRENTLY a ON orders (b);
