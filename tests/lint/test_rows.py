"""The list of what hurts in a migration, row by row: each has its rules, and what must not be reported is a case."""

from __future__ import annotations

from holdfast.lint.rules import rules
from tests.lint.environments import HERE

ROWS = {
    "a column with a volatile default": "add-column-volatile-default",
    "a column with a default, before 11": "add-column-default",
    "a stored generated column": "add-column-stored-generated",
    "a serial or identity column": "add-column-serial",
    "a column NOT NULL without a default": "add-column-not-null",
    "a default that is dropped again": "drop-default-after-add",
    "a column that is UNIQUE": "add-column-unique",
    "a column with REFERENCES": "add-column-references",
    "a column with CHECK": "add-column-check",
    "a column of json": "json-column",
    "a default that is an expression": "mysql-expression-default",
    "a column of a constrained domain": "add-column-constrained-domain",
    "a type that rewrites": "change-column-type",
    "a type of a column that is used": "change-type-of-used-column",
    "SET NOT NULL": "set-not-null mysql-strict-mode",
    "DROP NOT NULL": "drop-not-null",
    "SET DEFAULT": "change-default",
    "values of an enum": "rename-enum-value enum-value-in-transaction enum-value-position",
    "a plan that was prepared": "cached-plan",
    "a key of 32 bits": "integer-primary-key",
    "foreign keys": "add-foreign-key drop-foreign-key several-foreign-keys foreign-key-without-index"
    " foreign-key-type-mismatch mysql-inline-references",
    "checks": "add-check mssql-with-check",
    "unique constraints, exclusions": "add-unique add-exclusion",
    "VALIDATE": "validate-in-same-transaction constraint-not-validated",
    "what refuses writes of old code": "new-restriction",
    "a constraint of a domain": "add-domain-constraint",
    "indexes": "create-index drop-index reindex index-gap redundant-index mssql-index-online",
    "CONCURRENTLY": "concurrently-in-transaction concurrent-index-if-not-exists concurrent-index-on-14"
    " concurrent-index-on-partitioned concurrent-index-short-timeout",
    "RENAME": "rename-column rename-table rename-enum-value mysql-table-swap",
    "DROP": "drop-column drop-table drop-cascade mssql-column-default",
    "TRUNCATE": "truncate",
    "what writes a table anew": "rewrite-table mysql-algorithm mysql-character-set mssql-add-not-null-default",
    "LOCK TABLE": "lock-table",
    "partitions": "detach-partition attach-partition create-partition-of",
    "a materialized view": "refresh-materialized-view",
    "OWNER": "change-owner",
    "many ALTER TABLE": "many-alters",
    "locks": "missing-lock-timeout work-under-strong-lock several-tables-locked data-under-strong-lock",
    "transactions": "autocommit-after-transaction transaction-nesting mysql-several-ddl sqlite-pragma-in-transaction",
    "revisions": "edited-revision irreversible-migration models-in-migration multiple-heads",
    "what cannot be read": "opaque-statement unreadable-statement statement-fails unused-allow",
    "names": "identifier-too-long unqualified-name",
    "backfills": "unbounded-write copy-whole-table backfill-restarts recorded-backfill",
    "triggers": "create-trigger disable-trigger drop-trigger recreate-trigger",
    "row security": "row-security-without-policy row-security-not-forced view-without-security-invoker change-policy"
    " disable-row-security",
    "protection": "drop-protection change-protected-column",
    "a table made anew": "sqlite-table-recreate",
    "rights": "grant-to-public revoke security-definer-search-path",
}
NOT_REPORTED = {
    "a default that is constant, or now()": "constant_default now_default utc_default default_null cast_default",
    "a column that is computed when read": "virtual_column",
    "REFERENCES of a column that is NULL": "inline_foreign_key",
    "a wider type": "widening",
    "NOT NULL after a valid CHECK": "not_null_by_check not_null_not_valid",
    "a constraint in two steps": "check_not_valid foreign_key_not_valid unique_using_index",
    "an index without a lock": "index_concurrently drop_index_concurrently reindex_concurrently",
    "a value added to an enum": "enum_value enum_value_then_use",
    "a partition by way of a CHECK": "attach_after_check detach_concurrently",
    "a table that is new": "new_table new_table_in_transaction temporary_table",
    "rows in batches": "bounded_update batch_by_limit batch_by_cte batch_of_what_is_left",
    "a function that is replaced": "function_replaced",
    "row security in its order": "row_security_with_policy policy_first view_with_invoker",
    "a table made anew with its keys off": "sqlite_recreate_with_keys_off sqlite_trigger",
    "what is instant": "mysql_instant mysql_character_set_of_new_columns",
}


def test_each_row_has_its_rules_and_each_rule_its_row() -> None:
    assert {rule for listed in ROWS.values() for rule in listed.split()} == set(rules())


def test_what_must_not_be_reported_is_a_case() -> None:
    there = {each.stem for each in (HERE / "cases" / "safe").glob("*.sql")}
    assert {case for listed in NOT_REPORTED.values() for case in listed.split()} - there == set()
