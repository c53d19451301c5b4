-- safe
DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires < now() LIMIT 1000 FOR UPDATE SKIP LOCKED);
DELETE FROM sessions WHERE ctid = ANY (ARRAY(SELECT ctid FROM sessions WHERE expires < now() LIMIT 1000));
