-- finds: create-index
CREATE UNIQUE INDEX IF NOT EXISTS orders_number ON orders (lower(number)) WHERE number IS NOT NULL;
