-- finds: change-column-type
ALTER TABLE orders ALTER COLUMN id TYPE bigint;
