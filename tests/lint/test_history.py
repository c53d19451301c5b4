"""What a rule knows from other migrations."""

from __future__ import annotations

from dataclasses import replace

from holdfast.lint.checking import Migration, Report, check
from holdfast.lint.configuration import Configuration
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.servers import Server
from holdfast.lint.statements import statements_of


def run(*texts: str, deployed_together: bool = False, checked_from: int = 0) -> Report:
    migrations = [
        Migration(
            f"m{number}",
            tuple(statements_of(text, Server(), file=f"m{number}", first=1000 * number)),
            checked=number >= checked_from,
        )
        for number, text in enumerate(texts)
    ]
    return check(migrations, History(Server(), deployed_together=deployed_together), Configuration())


def loud(report: Report) -> list[tuple[str, str]]:
    return [(each.migration, each.rule) for each in report.findings if each.severity in ("error", "warning")]


CREATE = "CREATE TABLE notes (id bigint PRIMARY KEY, text varchar(10));"
INDEX = "CREATE INDEX notes_text ON notes (text);"


def test_a_table_of_an_earlier_migration_has_rows() -> None:
    assert loud(run(CREATE + INDEX)) == []
    assert loud(run(CREATE, INDEX)) == [("m1", "create-index")]


def test_a_table_is_empty_where_the_migrations_are_run_together() -> None:
    assert loud(run(CREATE, INDEX, deployed_together=True)) == []


def test_a_migration_that_was_run_long_ago_tells_the_type_and_is_not_reported() -> None:
    widen = "ALTER TABLE notes ALTER COLUMN text TYPE varchar(20);"
    shorten = "ALTER TABLE notes ALTER COLUMN text TYPE varchar(5);"

    assert loud(run(CREATE + "DROP TABLE orders;", widen, shorten, checked_from=1)) == [("m2", "change-column-type")]


def test_a_constraint_is_validated_two_migrations_later() -> None:
    add = "ALTER TABLE orders ADD CONSTRAINT there CHECK (note IS NOT NULL) NOT VALID;"
    validate = "ALTER TABLE orders VALIDATE CONSTRAINT there;"
    not_null = "ALTER TABLE orders ALTER COLUMN note SET NOT NULL;"

    def infos(report: Report) -> set[str]:
        return {each.rule for each in report.findings if each.severity == "info"}

    report = run(add, validate, not_null)
    assert loud(report) == []
    assert "constraint-not-validated" not in infos(report)
    assert "constraint-not-validated" in infos(run(add))
    assert ("m1", "set-not-null") in loud(run(add, not_null))


def test_a_lock_timeout_ends_with_its_transaction() -> None:
    local = "BEGIN; SET LOCAL lock_timeout = '1s'; ALTER TABLE a ADD COLUMN b int; COMMIT;"
    later = "ALTER TABLE c ADD COLUMN d int;"

    found = [each.object for each in run(local, later).findings if each.rule == "missing-lock-timeout"]

    assert found == ["c"]


def test_a_renamed_table_keeps_what_is_known() -> None:
    text = CREATE + "ALTER TABLE notes RENAME TO remarks; CREATE INDEX a ON remarks (text);"

    assert loud(run(text)) == []


def test_what_is_found_otherwise_is_allowed_and_judged_like_the_rest() -> None:
    def found(rule: str, line: int) -> Finding:
        text = statements[line - 1].text
        return Finding(rule, "error", "It was rewritten.", "", "a.sql", line, text, source="trace")

    sql = "-- holdfast: allow rewrite it is small\nALTER TABLE a ADD COLUMN b int;\nALTER TABLE a ADD COLUMN c int;"
    statements = statements_of(sql, Server(), file="a.sql")
    traced = [replace(found("rewrite", 1), line=2), replace(found("rewrite", 2), line=3), found("json-column", 1)]
    configuration = Configuration(severities={"json-column": "off"})

    report = check([Migration("a", tuple(statements))], History(Server()), configuration, traced)

    assert [(each.rule, each.line, each.source) for each in report.findings if each.source == "trace"] == [
        ("rewrite", 3, "trace")
    ]
    assert not [each for each in report.findings if each.rule == "unused-allow"]
