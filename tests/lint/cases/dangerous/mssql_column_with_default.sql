-- database: mssql
-- finds: mssql-column-default
ALTER TABLE orders ADD note int NULL DEFAULT 1;
ALTER TABLE orders DROP COLUMN note;
