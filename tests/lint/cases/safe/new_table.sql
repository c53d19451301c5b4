-- safe
CREATE TABLE invoices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number text NOT NULL,
    order_id bigint REFERENCES orders (id),
    at timestamptz DEFAULT clock_timestamp()
);
CREATE INDEX invoices_order ON invoices (order_id);
ALTER TABLE invoices ADD CONSTRAINT invoices_number UNIQUE (number);
ALTER TABLE invoices ALTER COLUMN at SET NOT NULL;
ALTER TABLE invoices ADD CHECK (number <> '');
ALTER TABLE invoices DROP COLUMN at;
DROP INDEX invoices_order;
