-- finds: identifier-too-long
ALTER TABLE orders ADD CONSTRAINT fk_orders_customer_identifier_shop_identifier_references_customers_id CHECK (a > 0) NOT VALID;
