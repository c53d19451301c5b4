-- finds: change-policy
DROP POLICY own ON orders;
