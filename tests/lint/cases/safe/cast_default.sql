-- safe
ALTER TABLE orders ADD COLUMN tags jsonb NOT NULL DEFAULT '{}'::jsonb;
ALTER TABLE orders ADD COLUMN price numeric(10, 2) DEFAULT 0.00::numeric(10, 2);
ALTER TABLE orders ADD COLUMN open boolean DEFAULT true NOT NULL;
