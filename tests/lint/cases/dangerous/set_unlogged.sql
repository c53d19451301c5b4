-- finds: rewrite-table
ALTER TABLE orders SET UNLOGGED;
