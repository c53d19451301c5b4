-- finds: rewrite-table
CLUSTER orders USING orders_pkey;
