-- finds: unbounded-write
EXPLAIN (ANALYZE, BUFFERS) DELETE FROM orders;
