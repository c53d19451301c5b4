-- database: mssql
-- finds: rename-column
EXEC sp_rename 'dbo.orders.state', 'status', 'COLUMN';
