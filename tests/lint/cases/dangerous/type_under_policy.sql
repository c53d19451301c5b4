-- finds: change-type-of-used-column
CREATE POLICY own ON orders USING (owner = current_user);
ALTER TABLE orders ALTER COLUMN owner TYPE text;
