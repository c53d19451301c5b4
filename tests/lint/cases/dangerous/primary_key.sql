-- finds: add-unique
ALTER TABLE orders ADD PRIMARY KEY (id);
