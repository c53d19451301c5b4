-- finds: add-foreign-key
ALTER TABLE orders ADD CONSTRAINT orders_shop FOREIGN KEY (shop_id) REFERENCES shops (id) ON DELETE CASCADE;
