-- finds: drop-table
/* DROP TABLE is only mentioned here: ' */ DROP /* really */ TABLE -- yes
 orders;
