-- finds: add-column-references
ALTER TABLE orders ADD COLUMN a bigint DEFAULT NULL REFERENCES shops;
