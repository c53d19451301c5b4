-- finds: rename-column
ALTER TABLE orders RENAME state TO status;
