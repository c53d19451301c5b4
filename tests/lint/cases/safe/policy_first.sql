-- safe
CREATE POLICY own ON orders FOR SELECT TO app USING (owner = current_user);
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
