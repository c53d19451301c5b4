-- database: sqlite
-- finds: sqlite-table-recreate
BEGIN;
CREATE TABLE _alembic_tmp_orders (id INTEGER PRIMARY KEY, note VARCHAR(100));
INSERT INTO _alembic_tmp_orders (id, note) SELECT orders.id, orders.note FROM orders;
DROP TABLE orders;
ALTER TABLE _alembic_tmp_orders RENAME TO orders;
COMMIT;
