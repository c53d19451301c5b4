-- finds: rename-table change-column-type
BEGIN;
ALTER TYPE status RENAME TO status_old;
CREATE TYPE status AS ENUM ('new', 'done');
ALTER TABLE orders ALTER COLUMN status TYPE status USING status::text::status;
DROP TYPE status_old;
COMMIT;
