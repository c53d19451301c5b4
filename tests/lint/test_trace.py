"""What the server does with the cases, beside what the rules say of them; and the command with --trace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy
from click.testing import CliRunner, Result
from sqlalchemy import Connection

from holdfast.alembic.linting import Asked, read_revisions
from holdfast.cli import main
from holdfast.dialects.postgresql.tracing import PostgreSQLTracing
from holdfast.lint import Server, check, server_for
from holdfast.lint.actions import AddColumn
from holdfast.lint.checking import Migration
from holdfast.lint.configuration import Configuration
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rules import rules
from holdfast.lint.statements import statements_of
from holdfast.lint.tracing import Tracer, traced_rules
from tests.lint.environments import CASES, HERE, expected, write_environment
from tests.lint.traced import BEFORE, OTHER_REVISIONS, OTHER_SERVERS, RESET, REVISION_SETUPS, RULE_ONLY, SETUPS, SINCE

TRACING = PostgreSQLTracing()
TRACED = traced_rules() | set(TRACING.errors.values()) | {"statement-fails"}
Lint = Callable[..., Result]


@pytest.fixture
def scratch(postgresql_database: str) -> Iterator[Connection]:
    engine = sqlalchemy.create_engine(
        postgresql_database, poolclass=sqlalchemy.NullPool, execution_options={"isolation_level": "AUTOCOMMIT"}
    )
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def lint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lint:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["lint", "--trace", *arguments], prog_name="holdfast")

    return run


def prepare(connection: Connection, name: str, text: str, migration: Migration) -> None:
    """What the case needs, without the columns that it is about to add."""
    setup = SETUPS.get(name, ())
    made = [sql for word, sql in BEFORE.items() if word in " ".join([text, *setup])]
    added = [
        f"alter table if exists {action.table} drop column if exists {action.column.name} cascade"
        for statement in migration.statements
        for action in statement.actions
        if isinstance(action, AddColumn)
    ]
    for sql in ("reset all", *RESET, *made, *added, *setup):
        connection.exec_driver_sql(sql)


def loud(findings: tuple[Finding, ...] | list[Finding]) -> set[tuple[int, str]]:
    return {(each.line, each.rule) for each in findings if each.severity in ("error", "warning")}


def disagreements(migration: Migration, traced: list[Finding], server: Server) -> set[str]:
    """By line: what only one of the two found. Of a refused statement the server says no more than that."""
    report = check([migration], History(server), Configuration())
    refused = {each.line for each in traced if each.rule in {*TRACING.errors.values(), "statement-fails"}}
    said = {(line, rule) for line, rule in loud(report.findings) if rule in TRACED}
    said = {(line, rule) for line, rule in said if line not in refused or (line, rule) in loud(traced)}
    return {f"{line}: {rule}: {'rule' if (line, rule) in said else 'trace'} only" for line, rule in said ^ loud(traced)}


def test_the_server_and_the_rules_say_the_same_of_every_case(scratch: Connection) -> None:
    connection = scratch.execution_options(no_parameters=True)
    tracer = Tracer(connection, TRACING)
    compared, found = [], {}
    try:
        for file in sorted((HERE / "cases").rglob("*.sql")):
            text = file.read_text()
            settings, _ = expected(text)
            if settings.get("database", "postgresql") != "postgresql" or file.stem in OTHER_SERVERS:
                continue
            if SINCE.get(file.stem, 0) > (connection.dialect.server_version_info or (0,))[0]:
                continue
            server = server_for("postgresql", settings.get("server-version"))
            migration = Migration(file.name, tuple(statements_of(text, server, file=file.name)))
            prepare(connection, file.stem, text, migration)
            traced = tracer.trace([migration])
            compared.append(loud(traced))
            if different := disagreements(migration, traced, server):
                found[f"{file.parent.name}/{file.stem}"] = different
    finally:
        for sql in RESET:
            connection.exec_driver_sql(sql)

    assert found == {}
    assert len([each for each in compared if each]) >= 50


def test_the_server_and_the_rules_say_the_same_of_every_revision(scratch: Connection, tmp_path: Path) -> None:
    connection = scratch.execution_options(no_parameters=True)
    tracer = Tracer(connection, TRACING)
    compared, found = [], {}
    for case in CASES:
        if case.stem in OTHER_REVISIONS:
            continue
        configuration = write_environment(tmp_path / case.stem, case.read_text())
        server, migrations = read_revisions(configuration, Asked(targets=("base0:case",)))
        for sql in ("reset all", *RESET, REVISION_SETUPS.get(case.stem, "")):
            connection.exec_driver_sql(sql)
        traced = tracer.trace(migrations)
        compared.append(loud(traced))
        said = {
            each for each in loud(check(migrations, History(server), Configuration()).findings) if each[1] in TRACED
        }
        if different := said ^ loud(traced):
            found[case.stem] = different

    assert found == {}
    assert len([each for each in compared if each]) >= 20


def test_a_rule_is_traced_or_it_is_said_why_not() -> None:
    names = {name for name, checked in rules().items() if "postgresql" in checked.rule.databases}

    assert TRACED | set(RULE_ONLY) == names
    assert TRACED & set(RULE_ONLY) == set()


def test_the_server_refutes_a_rule_that_is_wrong(scratch: Connection) -> None:
    """The comparison does find what it is there for."""
    scratch.exec_driver_sql("create table orders (id int primary key, note varchar(50))")
    text = "ALTER TABLE orders ALTER COLUMN note TYPE varchar(100);\nCREATE INDEX a ON orders (note);"
    migration = Migration("a", tuple(statements_of(text, Server())))
    blind = Migration("a", (migration.statements[0],))

    traced = Tracer(scratch, TRACING).trace([migration])

    assert disagreements(migration, traced, Server()) == {"1: change-column-type: rule only"}
    assert disagreements(blind, traced, Server()) >= {"2: create-index: trace only"}


def test_what_a_do_block_does_is_seen_and_made_up_rows_are_in_nobodys_way(scratch: Connection) -> None:
    scratch.exec_driver_sql("create table orders (id int primary key, code text check (length(code) < 3))")
    text = """\
DO $$ BEGIN EXECUTE 'CREATE INDEX orders_code ON orders (code)'; END $$;
ALTER TABLE orders ADD CONSTRAINT none CHECK (id > 100);
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;
BEGIN ISOLATION LEVEL SERIALIZABLE;
ALTER TABLE nowhere ADD COLUMN a int;
ALTER TABLE orders ADD COLUMN a int;
COMMIT;
VACUUM FULL orders;
"""

    traced = Tracer(scratch, TRACING).trace([Migration("a", tuple(statements_of(text, Server())))])

    assert loud(traced) == {(1, "create-index"), (2, "add-check"), (5, "statement-fails"), (8, "rewrite-table")}


def test_files_are_traced_on_a_copy_of_the_scratch_database(lint: Lint, postgresql_database: str) -> None:
    engine = sqlalchemy.create_engine(postgresql_database, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("create table shops (id bigint primary key, name varchar(20))")
    Path("1.sql").write_text("CREATE TABLE orders (id bigint PRIMARY KEY, shop_id bigint REFERENCES shops);\n")
    Path("2.sql").write_text(
        "SET lock_timeout = '1s';\n"
        "-- holdfast: allow create-index it is small\n"
        "CREATE INDEX orders_shop ON orders (shop_id);\n"
        "DO $$ BEGIN ALTER TABLE shops ALTER COLUMN name TYPE varchar(10); END $$;\n"
    )

    result = lint("1.sql", "2.sql", "--scratch", postgresql_database, "--json")

    assert result.exit_code == 1, result.output
    found = [each for each in json.loads(result.stdout)["findings"] if each["severity"] == "error"]
    assert [(each["rule"], each["line"], each["source"]) for each in found] == [("change-column-type", 4, "trace")]
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select to_regclass('orders') is null").scalar_one()
        left = connection.exec_driver_sql("select count(*) from pg_database where datname like 'holdfast\\_trace%%'")
        assert left.scalar_one() == 0


def test_revisions_are_traced_after_those_before_them(lint: Lint, postgresql_database: str) -> None:
    case = next(each for each in CASES if each.stem == "index")
    write_environment(Path.cwd(), case.read_text())

    result = lint("base0:case", "--scratch", postgresql_database, "--json")

    assert result.exit_code == 1, result.output
    assert ("create-index", "both") in {
        (each["rule"], each["source"]) for each in json.loads(result.stdout)["findings"]
    }, result.output


def test_the_database_that_is_asked_is_not_touched(lint: Lint, postgresql_database: str) -> None:
    """Its schema is copied to an embedded server; a server that has it is no scratch server."""
    engine = sqlalchemy.create_engine(postgresql_database, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("create table orders (id int primary key, at timestamp, note varchar(50))")
        connection.exec_driver_sql(f"alter database {engine.url.database} set timezone = 'UTC'")
    Path("1.sql").write_text(
        "SET lock_timeout = '1s';\n"
        "ALTER TABLE orders ALTER COLUMN at TYPE timestamptz;\n"
        "ALTER TABLE orders ALTER COLUMN note SET NOT NULL;\n"
    )

    result = lint("1.sql", "--url", postgresql_database, "--json")
    refused = lint("1.sql", "--url", postgresql_database, "--scratch", postgresql_database)

    sources = {each["rule"]: each["source"] for each in json.loads(result.stdout)["findings"]}
    assert result.exit_code == 1, result.output
    assert sources["set-not-null"] == "both"
    assert "HF447" in refused.output
    with engine.connect() as connection:
        columns = sqlalchemy.inspect(connection).get_columns("orders")
    assert [str(each["type"]) for each in columns] == ["INTEGER", "TIMESTAMP", "VARCHAR(50)"]
    assert all(each["nullable"] for each in columns[1:])
