-- database: mysql
-- safe
ALTER TABLE orders ADD COLUMN note varchar(20) DEFAULT 'x', ALGORITHM=INSTANT;
