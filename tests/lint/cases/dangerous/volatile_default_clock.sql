-- finds: add-column-volatile-default
ALTER TABLE orders ADD COLUMN at timestamptz DEFAULT clock_timestamp();
