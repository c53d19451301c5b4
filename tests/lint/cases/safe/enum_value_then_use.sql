-- safe
BEGIN;
ALTER TYPE status ADD VALUE 'lost' AFTER 'new';
COMMIT;
UPDATE orders SET status = 'lost' WHERE id = 7;
