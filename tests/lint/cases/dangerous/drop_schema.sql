-- finds: drop-table drop-cascade
DROP SCHEMA sales CASCADE;
