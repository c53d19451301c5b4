-- database: sqlite
-- finds: drop-protection
DROP TRIGGER IF EXISTS holdfast_audit_orders_update;
