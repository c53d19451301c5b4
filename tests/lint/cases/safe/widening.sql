-- safe
CREATE TABLE seen (a varchar(50), b varchar(50), c numeric(10, 2), d timestamp(3), e cidr, f varbit(8), g citext, h text);
-- the table is new here; the matrix of types itself is tested on its own
ALTER TABLE seen ALTER COLUMN a TYPE varchar(100), ALTER COLUMN b TYPE text, ALTER COLUMN c TYPE numeric(12, 2);
ALTER TABLE seen ALTER COLUMN d TYPE timestamp, ALTER COLUMN e TYPE inet, ALTER COLUMN f TYPE varbit(16);
