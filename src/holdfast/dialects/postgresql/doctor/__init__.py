"""What can be wrong with a PostgreSQL database, a file for each topic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdfast.dialects.doctor import Check, Doctor
from holdfast.dialects.postgresql.doctor import access, code, keys, rows, server
from holdfast.dialects.postgresql.doctor.subjects import subjects
from holdfast.dialects.query import Query


class PostgreSQLDoctor(Doctor):
    """All checks are one statement, of one moment; what they are about is looked up once."""

    checks = (*access.CHECKS, *rows.CHECKS, *code.CHECKS, *keys.CHECKS, *server.CHECKS)

    def findings(self, roles: Sequence[str]) -> Query:
        return Query(_together(subjects(journal=True), self.checks), {"roles": list(roles)})

    def findings_at_start(self) -> Query:
        return Query(_together(subjects(journal=False), (each for each in self.checks if each.at_start)), {})


def _together(beginning: str, checks: Iterable[Check]) -> str:
    parts = (
        f"select {number}, '{each.rule}', c.* from (\n{each.sql}\n) as c (severity, object, sentence, mend)"
        for number, each in enumerate(checks)
    )
    every = "\nunion all\n".join(parts)
    return (
        f"{beginning}\nselect f.rule, f.severity, f.object, f.sentence, f.mend\n"
        f"from (\n{every}\n) as f (number, rule, severity, object, sentence, mend)\n"
        "order by f.severity, f.number, f.object, f.sentence"
    )
