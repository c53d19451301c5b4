-- safe
SELECT setval('orders_id_seq', 1000);
SELECT setval('orders_id_seq', (SELECT max(id) FROM orders));
SELECT pg_notify('a', 'b');
