-- finds: add-domain-constraint
ALTER DOMAIN percent ADD CONSTRAINT small CHECK (VALUE < 101);
