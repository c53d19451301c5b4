-- database: sqlite
-- finds: sqlite-pragma-in-transaction
BEGIN;
PRAGMA foreign_keys = OFF;
COMMIT;
