-- safe
COMMENT ON TABLE orders IS 'DROP TABLE orders; -- no';
ANALYZE orders;
CREATE STATISTICS s (dependencies) ON a, b FROM orders;
VACUUM orders;
