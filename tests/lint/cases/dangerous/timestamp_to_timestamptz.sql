-- finds: change-column-type
ALTER TABLE orders ALTER COLUMN created_at TYPE timestamp with time zone;
