-- safe
ALTER TYPE status ADD VALUE IF NOT EXISTS 'lost' AFTER 'new';
