-- safe
ALTER TABLE orders SET (fillfactor = 80, autovacuum_enabled = true);
ALTER TABLE orders ALTER COLUMN note SET STATISTICS 500;
ALTER TABLE orders ALTER COLUMN note SET STORAGE EXTERNAL;
