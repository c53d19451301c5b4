-- finds: rename-table
ALTER TABLE IF EXISTS orders RENAME TO purchases;
