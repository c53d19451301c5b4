-- safe
INSERT INTO settings (key, value) SELECT 'a', 'b' WHERE NOT EXISTS (SELECT 1 FROM settings WHERE key = 'a');
INSERT INTO settings (key, value) SELECT v.key, 1 FROM (VALUES ('x'), ('y')) AS v (key);
INSERT INTO settings VALUES ('a', 'b') ON CONFLICT (key) DO NOTHING;
INSERT INTO lines SELECT * FROM lines_old WHERE id BETWEEN 1 AND 1000;
