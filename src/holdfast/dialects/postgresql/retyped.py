"""PL/pgSQL that goes on when the type of a column is changed while a session lasts.

A session keeps an expression about a record's field with the type that the field had when it first came there, and refuses
it with datatype_mismatch ever after. A query that reads a table, transition tables included, is planned anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.dialects.postgresql.sql import dollar, indent


def unless_retyped(steps: str, otherwise: str) -> str:
    """Takes the steps; ``otherwise`` where a column that they name has another type by now."""
    return (
        f"begin\n{indent(steps, '    ')}\nexception when datatype_mismatch then\n"
        "    -- A column's type was changed while this session lasts, and its expressions are of the old one.\n"
        f"{indent(otherwise, '    ')}\nend;"
    )


def ask(variables: Mapping[str, str], **records: str) -> str:
    """Sets the variables to their values by a query that is planned each time; ``records``: their names in it, and outside."""
    source = ", ".join(f"(select (${number}).*) as {name}" for number, name in enumerate(records, 1))
    query = "select " + ",\n    ".join(variables.values()) + f"\nfrom {source}"
    return f"execute {dollar(query, 'query')}\ninto {', '.join(variables)} using {', '.join(records.values())};"
