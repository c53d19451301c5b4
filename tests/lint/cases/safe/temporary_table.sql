-- safe
CREATE TEMPORARY TABLE scratch (id bigint);
INSERT INTO scratch VALUES (1);
UPDATE scratch SET id = 2;
DROP TABLE scratch;
