-- finds: unbounded-write
UPDATE orders o SET shop = s.name FROM shops s WHERE s.id = o.shop_id;
