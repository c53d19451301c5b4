-- finds: copy-whole-table
CREATE TABLE archive AS SELECT * FROM orders;
