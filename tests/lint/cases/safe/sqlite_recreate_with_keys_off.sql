-- database: sqlite
-- safe
PRAGMA foreign_keys = OFF;
BEGIN;
CREATE TABLE new_orders (id INTEGER PRIMARY KEY);
INSERT INTO new_orders SELECT id FROM orders;
DROP TABLE orders;
ALTER TABLE new_orders RENAME TO orders;
PRAGMA foreign_key_check;
COMMIT;
PRAGMA foreign_keys = ON;
