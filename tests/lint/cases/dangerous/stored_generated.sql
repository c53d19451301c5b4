-- finds: add-column-stored-generated
ALTER TABLE orders
    ADD COLUMN total numeric(12, 2) GENERATED ALWAYS AS (price * quantity) STORED;
