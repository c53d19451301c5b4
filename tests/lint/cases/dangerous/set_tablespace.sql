-- finds: rewrite-table
ALTER TABLE orders SET TABLESPACE fast;
