-- finds: create-index
CREATE INDEX orders_shop ON orders USING btree (shop_id);
