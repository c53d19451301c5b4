-- finds: drop-table
DROP TABLE IF EXISTS orders;
