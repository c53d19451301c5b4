-- finds: unbounded-write
DELETE FROM sessions WHERE expires < now();
