-- finds: add-column-references
ALTER TABLE orders ADD COLUMN a bigint DEFAULT NULL::bigint REFERENCES shops;
