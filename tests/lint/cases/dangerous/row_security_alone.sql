-- finds: row-security-without-policy
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
