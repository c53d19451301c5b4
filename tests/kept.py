"""All that is kept: every table of the journal as text."""

from __future__ import annotations

from holdfast.database import execute
from tests.harness import Protected

_POSTGRESQL = """\
select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = 'holdfast' and c.relkind in ('r', 'v', 'm')"""
_SQLITE = "select name from sqlite_schema where type in ('table', 'view') and name glob 'holdfast_*'"


def kept(protected: Protected) -> str:
    """Every value of every table of the journal; bytes are spelled in hex."""
    of_postgresql = protected.name == "postgresql"
    with protected.database.begin() as connection:
        names = [row[0] for row in execute(connection, _POSTGRESQL if of_postgresql else _SQLITE)]
        queries = [f"select * from {name}" for name in names]
        if of_postgresql:
            queries = [" union all ".join(f"select t::text from {name} as t" for name in names)]
        rows = [tuple(row) for query in queries for row in execute(connection, query)]
    assert len(names) > 8, "the tables of the journal are no longer found"
    return "\n".join(each.hex() if isinstance(each, bytes) else str(each) for row in rows for each in row)
