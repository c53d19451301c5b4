"""``holdfast lint``: what it prints, how it ends, and what it knows from a database."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy
from click.testing import CliRunner, Result

from holdfast.cli import main
from tests.lint.environments import write_environment

Lint = Callable[..., Result]
INDEX = "CREATE INDEX orders_note ON orders (note);\n"
REVISION = """\
import sqlalchemy as sa
from alembic import op

revision = "{name}"
down_revision = "{before}"


def upgrade():
    {body}


def downgrade():
    raise NotImplementedError("a test")
"""


def revision(name: str, before: str, body: str) -> str:
    return REVISION.format(name=name, before=before, body=body)


@pytest.fixture
def lint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lint:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(main, ["lint", *arguments], input=text, prog_name="holdfast")

    return run


def rules_in(result: Result) -> set[str]:
    return {each["rule"] for each in json.loads(result.stdout)["findings"]}


@pytest.mark.parametrize(
    "text, options, code",
    [
        ("ANALYZE orders;", (), 0),
        (INDEX, (), 1),
        ("DROP TRIGGER a ON orders;", (), 0),
        ("DROP TRIGGER a ON orders;", ("--strict",), 1),
        ("FROB orders;", (), 3),
        ("FROB orders;" + INDEX, (), 3),
        ("-- holdfast: allow create-index\n" + INDEX, (), 2),
        (INDEX, ("--database", "dbase"), 2),
        (INDEX, ("--server-version", "new"), 2),
    ],
)
def test_exit_codes(lint: Lint, text: str, options: tuple[str, ...], code: int) -> None:
    assert lint("-", *options, text=text).exit_code == code


def test_a_file_that_is_not_there_could_not_be_checked(lint: Lint) -> None:
    assert lint("nothing.sql").exit_code == 3


def test_without_sqlglot_it_says_what_to_install(lint: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)

    result = lint("-", text=INDEX)

    assert (result.exit_code, result.stderr[:5]) == (3, "HF440")
    assert "holdfast[lint]" in result.stderr


def test_without_alembic_and_without_a_file_the_usage_is_wrong(lint: Lint) -> None:
    assert lint().exit_code == 2


def test_text_names_file_line_rule_and_what_to_do(lint: Lint) -> None:
    Path("a.sql").write_text("ANALYZE orders;\n\n" + INDEX)

    printed = lint("a.sql").stdout

    assert "a.sql:3: error: create-index: Nobody can write orders" in printed
    assert "CREATE INDEX orders_note ON orders (note)" in printed
    assert "Fix: CREATE INDEX CONCURRENTLY" in printed
    assert printed.endswith("1 error, 1 info in 2 statements of 1 migration.\n")


def test_json_github_and_sarif(lint: Lint) -> None:
    Path("a.sql").write_text(INDEX)

    (found, _) = json.loads(lint("a.sql", "--json").stdout)["findings"]
    assert (found["rule"], found["file"], found["line"], found["source"]) == (
        "create-index",
        "a.sql",
        1,
        "rule",
    )

    assert "::error file=a.sql,line=1,title=create-index::Nobody can write orders" in lint(
        "a.sql", "--format", "github"
    ).stdout.replace("%0A", "\n")

    run = json.loads(lint("a.sql", "--format", "sarif").stdout)["runs"][0]
    result = run["results"][0]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "create-index"
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 1


def test_github_is_not_steered_by_what_is_in_a_file(lint: Lint) -> None:
    Path("a.sql").write_text('CREATE INDEX "x%\n::error::y" ON orders (note);\n')

    assert len(lint("a.sql", "--format", "github").stdout.splitlines()) == 2


def test_configuration(lint: Lint) -> None:
    Path("a.sql").write_text(INDEX + "DROP TRIGGER a ON orders;\n")
    Path("pyproject.toml").write_text(
        '[tool.holdfast.lint]\ndisable = ["create-index"]\nrunner = "holdfast"\n'
        '[tool.holdfast.lint.severity]\ndrop-trigger = "error"\n'
    )

    result = lint("a.sql", "--json")

    assert result.exit_code == 1
    assert rules_in(result) == {"drop-trigger"}


@pytest.mark.parametrize(
    "section",
    [
        'disable = ["crate-index"]',
        'severity = {create-index = "loud"}',
        "colour = 1",
        "disable = 1",
        'runner = "x"',
        "==",
    ],
)
def test_a_wrong_configuration_is_refused(lint: Lint, section: str) -> None:
    Path("pyproject.toml").write_text(f"[tool.holdfast.lint]\n{section}\n")

    result = lint("-", text=INDEX)

    assert (result.exit_code, result.stderr[:5]) == (2, "HF444")


def test_the_version_of_the_server_decides(lint: Lint) -> None:
    sql = "ALTER TABLE orders ADD COLUMN a int DEFAULT 1;"

    assert lint("-", "--server-version", "10", text=sql).exit_code == 1
    assert lint("-", "--server-version", "11", text=sql).exit_code == 0


def test_revisions(lint: Lint, tmp_path: Path) -> None:
    write_environment(
        tmp_path,
        revision("one", "base0", 'op.drop_column("orders", "note")'),
        revision("two", "one", 'op.create_index("a", "orders", ["status"])'),
    )

    assert rules_in(lint("--json")) >= {"drop-column", "create-index"}
    assert rules_in(lint("one:head", "--json")) >= {"create-index"}
    assert rules_in(lint("one:head", "--json")).isdisjoint({"drop-column", "work-under-strong-lock"})
    assert "create-index" not in rules_in(lint("one", "--json"))
    assert "drop-column" not in rules_in(lint("migrations/versions/r1.py", "--json"))
    assert "create-index" in rules_in(lint("head", "--no-env", "--json"))
    assert lint("three").exit_code == 3
    assert "migrations/versions/r1.py:9: error: create-index" in lint("one:head").stdout


def test_two_revisions_are_one_transaction_unless_the_runner_parts_them(lint: Lint, tmp_path: Path) -> None:
    add = 'op.create_check_constraint("c", "orders", "total > 0", postgresql_not_valid=True)'
    validate = 'op.execute("ALTER TABLE orders VALIDATE CONSTRAINT c")'
    write_environment(tmp_path, revision("one", "base0", add), revision("two", "one", validate))

    assert "validate-in-same-transaction" in rules_in(lint("base0:head", "--json"))
    Path("pyproject.toml").write_text('[tool.holdfast.lint]\nrunner = "holdfast"\n')
    assert rules_in(lint("base0:head", "--json")).isdisjoint({"validate-in-same-transaction", "missing-lock-timeout"})


def test_transaction_per_migration_in_env_is_seen(lint: Lint, tmp_path: Path) -> None:
    add = 'op.create_check_constraint("c", "orders", "total > 0", postgresql_not_valid=True)'
    validate = 'op.execute("ALTER TABLE orders VALIDATE CONSTRAINT c")'
    env = (
        "from alembic import context\n"
        'context.configure(dialect_name="postgresql", literal_binds=True, transaction_per_migration=True)\n'
        "with context.begin_transaction():\n    context.run_migrations()\n"
    )
    write_environment(tmp_path, revision("one", "base0", add), revision("two", "one", validate), env=env)

    assert "validate-in-same-transaction" not in rules_in(lint("base0:head", "--json"))


def test_a_revision_that_needs_a_database_is_no_pass(lint: Lint, tmp_path: Path) -> None:
    body = 'op.drop_table("shops"); sa.inspect(op.get_bind())'
    write_environment(
        tmp_path, revision("one", "base0", body), revision("two", "one", 'op.drop_column("orders", "id")')
    )

    result = lint("--json")

    assert result.exit_code == 3
    assert rules_in(result) >= {"unreadable-statement", "drop-table", "drop-column"}


def test_a_revision_that_cannot_be_imported_could_not_be_checked(lint: Lint, tmp_path: Path) -> None:
    write_environment(tmp_path, "import no_such_module\n" + revision("one", "base0", "pass"))

    result = lint()

    assert (result.exit_code, result.stderr[:5]) == (3, "HF445")
    assert "no_such_module" in result.stderr


def test_a_comment_at_the_margin_is_about_the_whole_revision(lint: Lint, tmp_path: Path) -> None:
    body = 'op.execute("ANALYZE orders")\n    op.drop_column("orders", "note")\n    op.drop_column("orders", "status")'
    head = "# holdfast: allow drop-column nobody reads them\n# holdfast: allow drop-table there is none here\n"
    write_environment(tmp_path, head + revision("one", "base0", body))

    found = [each for each in json.loads(lint("base0:head", "--json").stdout)["findings"] if each["severity"] != "info"]

    assert [(each["rule"], each["object"]) for each in found] == [("unused-allow", "drop-table")]


def test_what_is_said_of_a_revision_as_a_whole(lint: Lint, tmp_path: Path) -> None:
    (tmp_path / "shop_models.py").write_text(
        "from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column\n"
        "class Base(DeclarativeBase): pass\n"
        'class Order(Base):\n    __tablename__ = "orders"\n    id: Mapped[int] = mapped_column(primary_key=True)\n'
    )
    first = "from shop_models import Order\n" + revision("one", "base0", "op.execute('ANALYZE orders')")
    second = revision("two", "base0", "pass").replace('raise NotImplementedError("a test")', "pass")
    configuration = write_environment(tmp_path, first, second)

    found = rules_in(lint("--config", str(configuration), "--json"))

    assert {"models-in-migration", "irreversible-migration", "multiple-heads"} <= found


def test_sqlite_batch_mode_is_reported(lint: Lint, tmp_path: Path) -> None:
    body = 'exec(\'with op.batch_alter_table("orders") as b: b.drop_constraint("c", type_="check")\')'
    env = (
        "from alembic import context\ncontext.configure(dialect_name='sqlite')\n"
        "with context.begin_transaction():\n    context.run_migrations()\n"
    )
    write_environment(tmp_path, revision("one", "base0", body), env=env)

    assert "sqlite-table-recreate" in rules_in(lint("base0:head", "--json"))


def test_a_database_tells_types_constraints_and_what_is_pending(
    lint: Lint, tmp_path: Path, postgresql_database: str
) -> None:
    engine = sqlalchemy.create_engine(postgresql_database)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "create table alembic_version (version_num varchar(32)); insert into alembic_version values ('base0');"
            "create table orders (id int primary key, note varchar(10) constraint there check (note is not null),"
            " status varchar(10), size text); create schema sales; create table sales.orders (note text)"
        )
    engine.dispose()
    write_environment(
        tmp_path,
        revision("one", "base0", 'op.execute("CREATE TABLE lines (id bigint)")'),
        revision("two", "one", 'op.execute("CREATE INDEX lines_id ON lines (id)")'),
    )
    url = ("--url", postgresql_database)

    assert rules_in(lint(*url, "--json")).isdisjoint({"create-index", "integer-primary-key"})
    assert lint("-", *url, text="ALTER TABLE orders ALTER status TYPE varchar(20);").exit_code == 0
    assert lint("-", *url, text="ALTER TABLE orders ALTER status TYPE varchar(5);").exit_code == 1
    assert lint("-", *url, text="ALTER TABLE orders ALTER note SET NOT NULL;").exit_code == 0
    assert lint("-", *url, text="ALTER TABLE orders ALTER status SET NOT NULL;").exit_code == 1
    assert lint("-", *url, text="ALTER TABLE sales.orders ALTER note TYPE varchar(5);").exit_code == 1


def test_a_sqlite_database_is_read_as_well(lint: Lint, sqlite_database: str) -> None:
    assert lint("-", "--url", sqlite_database, text="DROP TABLE orders;").exit_code == 1
    assert lint("-", "--url", sqlite_database, text="PRAGMA foreign_keys = OFF;").exit_code == 0


def test_the_rules_are_listed_and_explained(lint: Lint) -> None:
    assert "add-column-volatile-default" in lint("--rules").stdout

    explained = CliRunner().invoke(main, ["explain", "set-not-null"], prog_name="holdfast")

    assert explained.exit_code == 0
    assert "## Solution" in explained.stdout


@pytest.mark.parametrize("kind", ["postgresql_database", "sqlite_database"])
def test_what_holdfast_protects_is_known(lint: Lint, request: pytest.FixtureRequest, kind: str) -> None:
    url = request.getfixturevalue(kind)
    time = "timestamptz" if kind == "postgresql_database" else "timestamp"
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"create table orders (id integer primary key, note text, deleted_at {time})")
    engine.dispose()
    Path("holdfast.toml").write_text("[tables.orders]\naudit = true\nsoft_delete = true\n")
    protect = CliRunner().invoke(main, ["protect", "--all", "--yes", "--url", url], prog_name="holdfast")
    assert protect.exit_code == 0, protect.output

    def severities(sql: str) -> dict[str, str]:
        found = json.loads(lint("-", "--json", "--url", url, text=sql).stdout)["findings"]
        return {each["rule"]: each["severity"] for each in found}

    assert severities("ALTER TABLE orders RENAME deleted_at TO gone_at;")["change-protected-column"] == "error"
    assert severities("ALTER TABLE orders RENAME note TO remark;")["change-protected-column"] == "warning"
    assert severities("UPDATE orders SET note = '';")["recorded-backfill"] == "warning"
    assert "recorded-backfill" not in severities("UPDATE orders SET note = '' WHERE id = 1;")
