-- finds: refresh-materialized-view
REFRESH MATERIALIZED VIEW totals;
