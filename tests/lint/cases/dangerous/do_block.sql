-- finds: opaque-statement
DO $$
BEGIN
  EXECUTE 'ALTER TABLE orders ADD COLUMN x int';
END;
$$;
