"""Columns of which a digest is kept. SQLite has no function for it that the triggers of every writer could call, and
worked out in SQL it takes a second for some kilobytes; so the value waits in the journal until holdfast comes by.
Whoever reads the journal through holdfast is shown the digest from the first moment.
"""

from __future__ import annotations

import hashlib

from holdfast.dialects.sqlite.sql import literal
from holdfast.dialects.sqlite.statement import MAINTAIN, MAINTAINED
from holdfast.dialects.sqlite.values import HIDDEN, WAITING

FUNCTION = "holdfast_sha256"
"""What a connection of holdfast brings along; nothing that is kept in the file calls it."""

# Only what waits is in it.
INDEX = f"create index if not exists main.holdfast_value_waiting on holdfast_value (change)\nwhere masked = {WAITING}"

# Rows that were in the way of a statement are kept aside until the next one, and nobody reads them any more.
_LEFT_BEHIND = """\
from main.holdfast_replaced
where relation in (
    select o.id from main.holdfast_relation as o, json_each(o.policies) as p
    where json_array_length(p.value, '$.large') > 0)"""

COUNT = f"""\
select (select count(*) from main.holdfast_value as v where v.masked = {WAITING})
    + (select count(*) from (select distinct relation, key {_LEFT_BEHIND}))"""


def sha256_text(value: bytes | str | float | None, encoding: str | None) -> str | None:
    """The digest of a value as the journal has it; a text comes as bytes, in the encoding of the file."""
    if value is None:
        return None
    if isinstance(value, bytes) and encoding not in (None, "UTF-8"):
        # The same text has the same digest in every file.
        value = value.decode(encoding or "", "replace")
    content = value if isinstance(value, bytes) else str(value).encode()
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest(value: str) -> str:
    """An expression: the digest of a value, NULL for NULL. Not every text of SQLite is one that Python can read."""
    return (
        f"{FUNCTION}(case typeof({value}) when 'text' then cast({value} as blob) else {value} end, "
        f"case typeof({value}) when 'text' then (select p.encoding from pragma_encoding as p) end)"
    )


def digest_json(value: str) -> str:
    """An expression: the digest as JSON text."""
    return f"""coalesce('"' || {digest(value)} || '"', 'null')"""


def shown(value: str) -> str:
    """An expression for those who read without holdfast: the value as it is kept, or that it waits."""
    return f"case when v.masked is {WAITING} and {value} is not null then {literal('sha256:waiting')} else {value} end"


def make(condition: str) -> str:
    """Puts the digests in the place of the values that wait, and that meet the condition on ``v``."""
    return (
        f"update main.holdfast_value as v\nset before = {digest('v.before')},\n    after = {digest('v.after')},\n"
        f"    masked = {HIDDEN}\nwhere v.masked = {WAITING} and {condition}"
    )


def make_some(number: int | None) -> tuple[str, ...]:
    """Makes the digests of so many values, or of all; in one transaction, and what they were made of is overwritten."""
    bound = "" if number is None else f"\norder by w.change limit {number}"
    some = f"select w.change, w.column_id from main.holdfast_value as w where w.masked = {WAITING}{bound}"
    return (
        "pragma secure_delete = on",
        MAINTAIN,
        make("true" if number is None else f"(v.change, v.column_id) in ({some})"),
        f"delete {_LEFT_BEHIND}",
        *MAINTAINED,
    )
