-- safe
ALTER TABLE orders ADD COLUMN a varchar DEFAULT NULL::character varying REFERENCES shops;
