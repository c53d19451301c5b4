-- server-version: 10
-- finds: add-column-default
ALTER TABLE orders ADD COLUMN status text DEFAULT 'new';
