-- finds: create-partition-of
CREATE TABLE events_2025 PARTITION OF events FOR VALUES IN (1, 2);
