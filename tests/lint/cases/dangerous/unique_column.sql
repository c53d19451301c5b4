-- finds: add-column-unique
ALTER TABLE orders ADD COLUMN number text UNIQUE;
