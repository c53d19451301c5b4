-- safe
SET lock_timeout = 0;
CREATE INDEX CONCURRENTLY orders_shop ON orders (shop_id);
