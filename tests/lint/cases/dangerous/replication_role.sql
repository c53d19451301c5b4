-- finds: disable-trigger
SET session_replication_role = 'replica';
