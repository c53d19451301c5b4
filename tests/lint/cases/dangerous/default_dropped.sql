-- finds: drop-default-after-add
ALTER TABLE orders ADD COLUMN status text DEFAULT 'new' NOT NULL;
ALTER TABLE orders ALTER COLUMN status DROP DEFAULT;
