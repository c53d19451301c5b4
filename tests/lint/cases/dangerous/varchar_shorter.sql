-- finds: change-column-type
-- known from an earlier migration
CREATE TABLE IF NOT EXISTS other (a int);
ALTER TABLE orders ALTER COLUMN note TYPE varchar(50);
