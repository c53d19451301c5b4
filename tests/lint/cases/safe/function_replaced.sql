-- safe
CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.at := now();  -- DROP TABLE orders;
  RETURN NEW;
END;
$$;
