-- safe
ALTER TABLE orders ADD CONSTRAINT status_there NOT NULL status NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT status_there;
