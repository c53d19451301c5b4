-- database: mssql
-- finds: mssql-index-online
CREATE NONCLUSTERED INDEX orders_shop ON [dbo].[orders] ([shop_id]);
GO
