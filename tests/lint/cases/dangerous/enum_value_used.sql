-- finds: enum-value-in-transaction
BEGIN;
ALTER TYPE status ADD VALUE IF NOT EXISTS 'lost' AFTER 'new';
ALTER TABLE orders ALTER COLUMN status SET DEFAULT 'lost';
COMMIT;
