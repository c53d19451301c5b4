-- safe
UPDATE users SET role = 'admin' WHERE email = 'ada@example.com';
DELETE FROM permissions WHERE name = 'delete';
UPDATE orders SET note = '' WHERE id = ANY ('{1,2,3}');
