-- finds: add-column-serial
ALTER TABLE orders ADD COLUMN number bigserial;
