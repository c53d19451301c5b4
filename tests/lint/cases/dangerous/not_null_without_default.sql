-- finds: add-column-not-null
ALTER TABLE orders ADD COLUMN status varchar(20) NOT NULL;
