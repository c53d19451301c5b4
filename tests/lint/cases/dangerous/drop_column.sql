-- finds: drop-column
ALTER TABLE orders DROP COLUMN IF EXISTS note CASCADE;
