-- finds: add-foreign-key
ALTER TABLE orders ADD COLUMN shop_id bigint;
ALTER TABLE orders ADD FOREIGN KEY (shop_id) REFERENCES shops (id);
