-- safe
-- nothing here;
;
