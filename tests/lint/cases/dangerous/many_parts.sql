-- finds: set-not-null add-check drop-column
ALTER TABLE orders
    ADD COLUMN a text,
    ALTER COLUMN status SET NOT NULL,
    ADD CONSTRAINT positive CHECK (total > 0),
    DROP COLUMN note;
