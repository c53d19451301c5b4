-- finds: drop-trigger
DROP TRIGGER IF EXISTS stamp ON orders;
