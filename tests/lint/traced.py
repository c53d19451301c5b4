"""What is there before the cases are run, and of what a trace cannot tell."""

from __future__ import annotations

RESET = (
    'drop schema if exists public, sales, archive, "Sales" cascade',
    "drop tablespace if exists fast",
    "create schema public",
)

STAMP = "create function stamp() returns trigger language plpgsql as $$ begin return new; end $$"

# Made where the case names it.
BEFORE = {
    "status": "create type status as enum ('new', 'done')",
    "percent": "create domain percent as int",
    "shops": "create table shops (id bigint primary key, name text)",
    "customers": "create table customers (id bigint primary key, name text)",
    "orders": """\
create table orders (
    id int primary key, number text, shop_id bigint, customer_id bigint, status text, state text, total numeric(10, 2),
    price numeric, quantity int, code text, note varchar(100), owner varchar(50), shop text, created_at timestamp,
    share int, a int, b int
)""",
    "lines": "create table lines (id bigint primary key, order_id bigint)",
    "lines_old": "create table lines_old (id bigint primary key, order_id bigint)",
    "sessions": "create table sessions (id bigint primary key, expires timestamptz)",
    "settings": "create table settings (key text primary key, value text)",
    "users": "create table users (id bigint primary key, email text unique, role text)",
    "permissions": "create table permissions (id bigint primary key, name text unique)",
    "bookings": "create table bookings (id bigint primary key, room int4range, during tsrange)",
    "events": "create table events (at date not null, name text) partition by range (at)",
    "events_2024": "create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01')",
    "stamp": STAMP,
}

# What else a case needs.
SETUPS: dict[str, tuple[str, ...]] = {
    "attach_partition": ("create table events_2025 (at date not null, name text)",),
    "default_nextval": ("create sequence numbers",),
    "delete_in_cte": ("create table archive (like orders)",),
    "disable_trigger": ("create trigger stamp before update on orders for each row execute function stamp()",),
    "domain_constraint": ("alter table orders alter column share type percent",),
    "drop_holdfast_trigger": (
        "create trigger holdfast_audit before update on orders for each row execute function stamp()",
    ),
    "drop_index": ("create index orders_shop on orders (shop_id)",),
    "drop_index_concurrently": ("create index orders_shop on orders (shop_id)",),
    "drop_policy": ("create policy own on orders using (true)",),
    "drop_schema": (
        "create schema sales",
        "create table sales.orders (id int)",
    ),
    "drop_trigger": ("create trigger stamp before update on orders for each row execute function stamp()",),
    "enum_value_then_use": ("alter table orders alter column status type status using 'new'",),
    "enum_value_used": ("alter table orders alter column status type status using 'new'",),
    "insert_select": ("create table archive (like orders)",),
    "partition_of": (
        "drop table events",
        "create table events (kind int, name text) partition by list (kind)",
    ),
    "primary_key": ("alter table orders drop constraint orders_pkey",),
    "quoted_names": (
        'create schema "Sales"',
        'create table "Sales"."Order" ("shop id" int)',
    ),
    "recreate_enum": ("alter table orders alter column status type status using 'new'",),
    "recreate_trigger": ("create trigger stamp before update on orders for each row execute function stamp()",),
    "refresh_view": ("create materialized view totals as select shop_id, sum(total) from orders group by shop_id",),
    "reindex_concurrently": ("create index orders_shop on orders (shop_id)",),
    "rename_column": ("alter table orders drop column status",),
    "rename_index": (
        "create index orders_shop on orders (shop_id)",
        "alter table orders add constraint a check (true)",
    ),
    "sequence_value": ("create sequence orders_id_seq",),
    "set_schema": ("create schema archive",),
    "set_tablespace": (
        "set allow_in_place_tablespaces = on",
        "create tablespace fast location ''",
    ),
    "validate_after_other_alter": (
        "alter table orders add constraint orders_shop foreign key (shop_id) references shops not valid",
    ),
    "volatile_default_own_function": (
        "create function next_number(text) returns text language sql volatile as 'select random()::text'",
    ),
    "widening": ("create domain citext as text",),
}

# Rules of which a trace says nothing, and why.
_COMPATIBILITY = "what running code meets, not what the server does"
_PROTECTION = "what is protected afterwards, not what the server does"
_FORM = "how the migration is written"
_ROWS = "how many rows: those of the scratch database are made up"
_LATER = "what happens on another day"
_NO_HARM = "a lock for a moment, as every ALTER TABLE takes one"
RULE_ONLY = {
    "add-column-default": "servers before 11",
    "autocommit-after-transaction": _FORM,
    "backfill-restarts": _ROWS,
    "cached-plan": _COMPATIBILITY,
    "change-default": _COMPATIBILITY,
    "change-owner": _NO_HARM,
    "change-policy": _PROTECTION,
    "change-protected-column": _PROTECTION,
    "concurrent-index-if-not-exists": _LATER,
    "concurrent-index-on-14": "servers before 14.4",
    "concurrent-index-short-timeout": _LATER,
    "constraint-not-validated": _LATER,
    "copy-whole-table": _ROWS,
    "create-trigger": _NO_HARM,
    "disable-row-security": _PROTECTION,
    "disable-trigger": _PROTECTION,
    "drop-cascade": _FORM,
    "drop-column": _COMPATIBILITY,
    "drop-default-after-add": _COMPATIBILITY,
    "drop-foreign-key": _NO_HARM,
    "drop-not-null": _COMPATIBILITY,
    "drop-protection": _PROTECTION,
    "drop-trigger": _PROTECTION,
    "edited-revision": _FORM,
    "enum-value-position": _FORM,
    "foreign-key-type-mismatch": _LATER,
    "foreign-key-without-index": _LATER,
    "grant-to-public": _PROTECTION,
    "identifier-too-long": _FORM,
    "index-gap": _LATER,
    "integer-primary-key": _LATER,
    "irreversible-migration": _FORM,
    "json-column": _COMPATIBILITY,
    "many-alters": _FORM,
    "missing-lock-timeout": "whether somebody else is in the way",
    "models-in-migration": _FORM,
    "multiple-heads": _FORM,
    "new-restriction": _COMPATIBILITY,
    "opaque-statement": "a trace does see what a DO block does",
    "recorded-backfill": _PROTECTION,
    "recreate-trigger": _PROTECTION,
    "redundant-index": _LATER,
    "rename-column": _COMPATIBILITY,
    "rename-enum-value": _COMPATIBILITY,
    "rename-table": _COMPATIBILITY,
    "revoke": _PROTECTION,
    "row-security-not-forced": _PROTECTION,
    "row-security-without-policy": _PROTECTION,
    "security-definer-search-path": _PROTECTION,
    "transaction-nesting": _FORM,
    "unbounded-write": _ROWS,
    "unqualified-name": _FORM,
    "unreadable-statement": _FORM,
    "unused-allow": _FORM,
    "view-without-security-invoker": _PROTECTION,
}

# Cases for servers that are not at hand.
OTHER_SERVERS = {
    "enum_value_before_12": "since 12 the server takes it",
}

SINCE = {"not_null_not_valid": 18, "virtual_column": 18}

# What a revision needs beside the one before it.
REVISION_SETUPS = {"primary_key": "create table scraps (id bigint)"}

OTHER_REVISIONS = {
    "enum_value": "nothing uses the value in the end, which the rule cannot know",
    "exclude": "needs the extension btree_gist",
}
