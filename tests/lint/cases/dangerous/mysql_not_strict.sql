-- database: mysql
-- finds: mysql-strict-mode
SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION';
ALTER TABLE orders MODIFY note varchar(20) NOT NULL, ALGORITHM=INPLACE, LOCK=NONE;
