-- finds: add-column-volatile-default
ALTER TABLE orders ADD COLUMN a int, ADD COLUMN b int DEFAULT (random() * 100)::int;
