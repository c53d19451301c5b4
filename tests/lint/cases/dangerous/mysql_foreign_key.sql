-- database: mysql
-- finds: add-foreign-key
ALTER TABLE `orders` ADD CONSTRAINT `a` FOREIGN KEY (`shop_id`) REFERENCES `shops` (`id`), ALGORITHM=INPLACE;
