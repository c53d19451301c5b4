-- database: mysql
-- finds: change-column-type mysql-algorithm
ALTER TABLE orders MODIFY COLUMN id bigint NOT NULL AUTO_INCREMENT;
