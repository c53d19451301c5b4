-- finds: unbounded-write
UPDATE orders SET note = '' WHERE id > 0;
