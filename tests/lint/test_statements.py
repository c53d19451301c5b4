"""SQL as statements: where each begins, which transaction it runs in, and what it does."""

from __future__ import annotations

import pytest

from holdfast.lint import lint_sql, server_for
from holdfast.lint.actions import AddColumn, CreateTrigger, Drop, Statement
from holdfast.lint.statements import statements_of
from holdfast.tables import TableName


def read(sql: str, database: str = "postgresql", *, in_transaction: bool = False) -> list[Statement]:
    return statements_of(sql, server_for(database), in_transaction=in_transaction)


def test_the_lines_of_statements() -> None:
    sql = "-- a\nSELECT $1; SELECT 'x\ny';\n\n/* b\n */ DROP TABLE a;\nDROP TABLE b"

    assert [each.line for each in read(sql)] == [2, 2, 6, 7]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $body$ BEGIN; DROP TABLE x; END; $body$",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END",
        "DO $$ BEGIN DROP TABLE x; END $$",
        "COMMENT ON TABLE x IS 'a; DROP TABLE x;'",
        'CREATE VIEW "a; b" AS SELECT 1',
        "CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO a VALUES (1); INSERT INTO b VALUES (2))",
    ],
)
def test_a_semicolon_inside_ends_nothing(sql: str) -> None:
    first, last = read(f"{sql};\nANALYZE t;")

    assert first.text == sql
    assert first.understood
    assert last.text == "ANALYZE t"


def test_a_trigger_of_sqlite_is_one_statement() -> None:
    sql = "CREATE TRIGGER t AFTER UPDATE ON orders BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM a; END"
    first, last = read(f"{sql}; DROP TABLE orders;", "sqlite")

    assert isinstance(first.actions[0], CreateTrigger)
    assert last.actions == (Drop("table", TableName("", "orders")),)


def test_transactions() -> None:
    sql = "ANALYZE a; BEGIN; ANALYZE b; COMMIT; ANALYZE c; START TRANSACTION; ANALYZE d; ROLLBACK; ANALYZE e;"

    by_name = {each.text[-1]: each.transaction for each in read(sql) if each.text.startswith("ANALYZE")}

    assert by_name["a"] is by_name["c"] is by_name["e"] is None
    assert by_name["b"] is not None
    assert by_name["d"] not in (None, by_name["b"])


def test_a_savepoint_ends_no_transaction() -> None:
    sql = "BEGIN; SAVEPOINT a; ROLLBACK TO SAVEPOINT a; RELEASE SAVEPOINT a; ANALYZE b; COMMIT;"

    assert len({each.transaction for each in read(sql)}) == 1


def test_a_file_that_is_run_in_one_transaction() -> None:
    assert {each.transaction for each in read("ANALYZE a; ANALYZE b;", in_transaction=True)} != {None}
    assert "concurrently-in-transaction" in {
        each.rule for each in lint_sql("CREATE INDEX CONCURRENTLY a ON b (c);", in_transaction=True).findings
    }


@pytest.mark.parametrize(
    "sql",
    [
        *(
            "SELEC 1",
            "ALTER TABLE a FROB b",
            "CREATE FROB x",
            "DELETE FORM t",
            "ALTER TABLE a ADD COLUMN b int FROB",
            "x",
        ),
        *(
            "drop tabel x;",
            "DROP x",
            "DROP TABLE a b",
            "COMMENT TABLE a IS 'b'",
            "GRANT SELECT ON a",
            "ALTER TABEL a ADD b int",
        ),
    ],
)
def test_what_is_not_understood_is_no_pass(sql: str) -> None:
    report = lint_sql(f"ANALYZE a;\n{sql};")

    assert report.unreadable
    assert [(each.rule, each.line) for each in report.findings if each.severity == "error"][-1] == (
        "unreadable-statement",
        2,
    )


@pytest.mark.parametrize(
    "sql",
    [
        *("VACUUM", "CLUSTER", "DO $$ BEGIN END $$", "CHECKPOINT", "REASSIGN OWNED BY a TO b", "DISCARD ALL"),
        *(
            "DROP CAST (text AS int)",
            "DROP OPERATOR CLASS a USING btree",
            "DROP TEXT SEARCH PARSER a",
            "DROP RULE a ON b",
        ),
        *("DROP FOREIGN DATA WRAPPER a CASCADE", "DROP ACCESS METHOD a", "DROP OWNED BY a", "DROP GROUP a"),
        *(
            "DROP USER MAPPING FOR a SERVER b",
            "DROP DATABASE a WITH (FORCE)",
            "DROP VIEW a, b RESTRICT",
            "DROP DOMAIN a",
        ),
        *("DROP PROCEDURAL LANGUAGE a", "DROP EVENT TRIGGER a", "DROP STATISTICS a", "REVOKE ALL ON a FROM PUBLIC"),
    ],
)
def test_a_command_of_postgresql_is_understood(sql: str) -> None:
    assert not lint_sql(sql).unreadable


@pytest.mark.parametrize("sql", ["SELECT 'a", 'SELECT "a', "SELECT $$a", "ANALYZE a; DROP TABLE b; /* never closed"])
def test_a_file_that_is_cut_off_is_no_pass(sql: str) -> None:
    assert lint_sql(sql).unreadable


def test_names_are_folded_as_the_server_folds_them() -> None:
    (statement,) = read('ALTER TABLE Public."Orders" ADD Note TEXT;')

    action = statement.actions[0]
    assert isinstance(action, AddColumn)
    assert (action.table, action.column.name) == (TableName("", "Orders"), "note")


def test_allows() -> None:
    sql = """\
-- holdfast: allow drop-table it was only for the test
DROP TABLE a;
DROP TABLE b; -- holdfast: allow drop-table so was this
/* holdfast: allow truncate there is no TRUNCATE here */
DROP TABLE c;
"""
    found = [(each.rule, each.line) for each in lint_sql(sql).findings if each.severity != "info"]

    assert sorted(found) == [("drop-table", 5), ("unused-allow", 5)]
