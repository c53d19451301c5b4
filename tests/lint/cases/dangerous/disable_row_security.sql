-- finds: disable-row-security
ALTER TABLE orders DISABLE ROW LEVEL SECURITY;
