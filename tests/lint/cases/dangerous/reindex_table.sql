-- finds: reindex
REINDEX TABLE orders;
