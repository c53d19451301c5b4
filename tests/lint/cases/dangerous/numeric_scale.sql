-- finds: change-column-type
ALTER TABLE orders ALTER COLUMN total SET DATA TYPE numeric(10, 4);
