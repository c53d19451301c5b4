"""All that is kept: every table of the journal as text, and whatever of it a file or a catalog repeats."""

from __future__ import annotations

from tests.harness import Protected

_POSTGRESQL = """\
select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = 'holdfast' and c.relkind in ('r', 'v', 'm') or n.nspname like 'pg!_temp%' escape '!' and c.relkind = 'r'"""
_SQLITE = "select name from sqlite_schema where type in ('table', 'view') and name glob 'holdfast_*'"


def kept(protected: Protected) -> str:
    """Every value of every table of the journal; bytes are spelled in hex."""
    if protected.name == "postgresql":
        names = [row[0] for row in protected.rows(_POSTGRESQL)]
        rows = [row for name in names for row in protected.rows(f"select t::text from {name} as t")]
    else:
        names = [row[0] for row in protected.rows(_SQLITE)]
        rows = [row for name in names for row in protected.rows(f'select * from "{name}"')]
    assert names, "the names of the tables are no longer found"
    return "\n".join(each.hex() if isinstance(each, bytes) else str(each) for row in rows for each in row)
