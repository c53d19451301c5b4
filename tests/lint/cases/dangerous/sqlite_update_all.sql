-- database: sqlite
-- finds: unbounded-write
UPDATE orders SET note = '';
