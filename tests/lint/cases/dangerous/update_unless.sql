-- finds: unbounded-write
UPDATE orders SET note = '' WHERE id = 1 OR status = 'new';
