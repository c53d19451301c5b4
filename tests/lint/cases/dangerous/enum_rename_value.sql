-- finds: rename-enum-value
ALTER TYPE status RENAME VALUE 'new' TO 'fresh';
