-- safe
ALTER TABLE orders ADD COLUMN created_at timestamp DEFAULT timezone('utc', now());
ALTER TABLE orders ADD COLUMN changed_at timestamp DEFAULT (now() AT TIME ZONE 'utc');
