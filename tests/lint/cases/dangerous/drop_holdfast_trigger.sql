-- finds: drop-protection
DROP TRIGGER holdfast_audit ON orders;
