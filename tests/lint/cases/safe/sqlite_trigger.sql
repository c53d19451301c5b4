-- database: sqlite
-- safe
CREATE TRIGGER stamp AFTER UPDATE ON orders BEGIN
  UPDATE orders SET at = CASE WHEN at IS NULL THEN 1 ELSE 2 END WHERE id = new.id;
  SELECT 1;
END;
CREATE INDEX orders_note ON orders (note);
ALTER TABLE orders ADD COLUMN shop_id INTEGER REFERENCES shops (id);
