-- finds: rewrite-table
VACUUM (FULL, ANALYZE) orders;
