-- safe
ALTER TABLE orders ADD COLUMN IF NOT EXISTS note varchar(50);
