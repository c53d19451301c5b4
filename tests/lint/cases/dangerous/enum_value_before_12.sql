-- server-version: 11
-- finds: enum-value-in-transaction
BEGIN;
ALTER TYPE status ADD VALUE 'lost' AFTER 'new';
COMMIT;
