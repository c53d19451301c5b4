-- safe
ALTER TABLE orders ADD COLUMN a varchar DEFAULT NULL::character varying, ADD COLUMN b bigint REFERENCES shops;
