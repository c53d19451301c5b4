-- finds: grant-to-public
GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
