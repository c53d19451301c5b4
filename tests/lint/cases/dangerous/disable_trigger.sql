-- finds: disable-trigger
ALTER TABLE orders DISABLE TRIGGER ALL;
UPDATE orders SET note = '' WHERE id = 1;
ALTER TABLE orders ENABLE TRIGGER ALL;
