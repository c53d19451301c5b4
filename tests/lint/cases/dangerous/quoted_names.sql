-- finds: create-index
CREATE INDEX "Orders; --" ON "Sales"."Order" ("shop id");
