-- finds: truncate
TRUNCATE TABLE ONLY orders, lines RESTART IDENTITY CASCADE;
