-- finds: add-column-volatile-default
ALTER TABLE orders ADD COLUMN b int DEFAULT nextval('numbers'::regclass);
