-- finds: recreate-trigger drop-trigger
BEGIN;
DROP TRIGGER stamp ON orders;
CREATE TRIGGER stamp BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
COMMIT;
