-- finds: add-column-volatile-default
ALTER TABLE public.orders ADD COLUMN number text DEFAULT next_number('orders');
