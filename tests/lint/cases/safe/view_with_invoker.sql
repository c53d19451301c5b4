-- safe
CREATE OR REPLACE VIEW open_orders WITH (security_invoker = true) AS SELECT * FROM orders WHERE status = 'open';
