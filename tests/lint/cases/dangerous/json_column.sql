-- finds: json-column
ALTER TABLE orders ADD COLUMN data json;
