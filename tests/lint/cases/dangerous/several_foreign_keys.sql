-- finds: several-foreign-keys
BEGIN;
ALTER TABLE orders ADD CONSTRAINT a FOREIGN KEY (shop_id) REFERENCES shops NOT VALID;
ALTER TABLE orders ADD CONSTRAINT b FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;
COMMIT;
