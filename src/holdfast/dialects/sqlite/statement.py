"""Which statement a trigger runs in, and what the transaction's context says: SQLite tells neither.

The time that SQLite calls 'now' stands still within one statement, but only to the millisecond. total_changes()
grows within a statement, by what its triggers write; so each of our triggers leaves behind what it must read at
the next of our triggers, if nothing but we wrote in between. Where triggers of others or foreign-key actions write
too (``mixed``), the millisecond alone decides.
"""

from __future__ import annotations

NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
MICROSECONDS = (
    "(cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)"
)

# SQLite keeps the text of a table as it was written: between the words of a foreign key's action there may be any
# space, and comments. What begins or ends them is a control character, a space, a hyphen or a slash.
_BETWEEN = "[^!-,.0-~]"
_SETS = f"*on{_BETWEEN}*[du][ep][ld][ea]te*{_BETWEEN}set{_BETWEEN}*"

# The first step of every trigger that needs to know its statement.
BEGIN = f"""\
update holdfast_statement
set number = number + 1,
    at = {NOW},
    total = total_changes() + 1,
    clock = max(clock + 1, {MICROSECONDS}),
    keeping = null,
    reviving = 0,
    mixed = case when at is {NOW} then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set{_BETWEEN}*' and lower(s.sql) glob '{_SETS}')
    ) end
where at is not {NOW} or not mixed and total is not total_changes();"""

# The step after every one that wrote: one row is what this step itself adds.
SETTLE = "update holdfast_statement set total = total_changes() + 1;"

# The same after what was recorded: the next event is known by the id of its first change.
RECORDED = """\
update holdfast_statement
set total = total_changes() + 1,
    event = (select coalesce(max(id), 0) + 1 from holdfast_change);"""

# While a trigger corrects the row that fired it. The flag is a time, so that one left behind by a statement
# that failed half way (OR FAIL) means nothing to the next.
KEEP = f"update holdfast_statement set keeping = {NOW}, total = total_changes() + 1;"
KEPT = "update holdfast_statement set keeping = null, total = total_changes() + 1;"
NOT_KEEPING = f"not exists (select 1 from holdfast_statement where keeping is {NOW})"

# While rows that went together come back, one after the other; they may do so within each other.
REVIVE = "update holdfast_statement set reviving = reviving + 1, total = total_changes() + 1;"
REVIVED = "update holdfast_statement set reviving = reviving - 1, total = total_changes() + 1;"
NOT_REVIVING = "not exists (select 1 from holdfast_statement where reviving > 0)"

# Or may have: what was found out holds for its millisecond.
OTHERS_HAVE_TRIGGERS = f"exists (select 1 from holdfast_statement where mixed & 2 or at is not {NOW})"
# While the journal itself is put right, which is append-only else.
MAINTAIN = (
    "insert into main.holdfast_context (id, token, maintenance) values (1, 'maintenance', 1)\n"
    "on conflict (id) do update set maintenance = 1"
)
MAINTAINED = (
    "delete from main.holdfast_context where token = 'maintenance'",
    "update main.holdfast_context set maintenance = 0",
)
UNDOING = "exists (select 1 from holdfast_context where undo)"
NOT_UNDOING = "not exists (select 1 from holdfast_context where undo)"


def text_of(microseconds: str) -> str:
    """An expression: a time as the text 'YYYY-MM-DD HH:MM:SS.ffffff', in UTC."""
    return (
        f"strftime('%Y-%m-%d %H:%M:%S', {microseconds} / 1000000, 'unixepoch')"
        f" || printf('.%06d', {microseconds} % 1000000)"
    )


STAMP = f"(select {text_of('coalesce((select mark from holdfast_context), clock)')} from holdfast_statement)"
"""The mark of this statement's deletes, unlike that of any other statement; statements may share one."""


def allowed(word: str) -> str:
    """A condition: the transaction has said that word."""
    return (
        "exists (select 1 from holdfast_context\n"
        f"            where undo or instr(',' || replace(allow, ' ', '') || ',', ',{word},'))"
    )


def allowed_rows(rows: str) -> str:
    """A condition: the transaction has announced that many rows, or any number."""
    return f"""exists (
        select 1 from holdfast_context as c,
            json_each('["' || replace(replace(replace(coalesce(c.allow, ''), '"', ''), ' ', ''), ',', '","') || '"]') as w
        where c.undo or w.value = 'mass' or w.value glob '[0-9]*' and w.value not glob '*[^0-9]*' and cast(w.value as integer) >= {rows}
    )"""
