-- safe
ALTER INDEX orders_shop RENAME TO ix_orders_shop;
ALTER TABLE orders RENAME CONSTRAINT a TO b;
