-- safe
BEGIN;
CREATE TABLE regions (id bigint PRIMARY KEY, name text);
CREATE UNIQUE INDEX regions_name ON regions (name);
INSERT INTO regions VALUES (1, 'north'), (2, 'south');
COMMIT;
