-- finds: view-without-security-invoker
CREATE POLICY own ON orders USING (owner = current_user);
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE VIEW open_orders AS SELECT * FROM orders WHERE status = 'open';
