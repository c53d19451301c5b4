-- database: mysql
-- finds: mysql-table-swap rename-table
RENAME TABLE `shop`.`orders` TO `shop`.`_orders_old`, `shop`.`_orders_new` TO `shop`.`orders`;
