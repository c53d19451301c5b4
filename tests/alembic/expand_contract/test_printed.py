"""Scripts, revisions and SQL for people to read and to run."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations.ops import UpgradeOps
from click.testing import CliRunner

from holdfast import Audit
from holdfast.alembic.operations import (
    BackfillOp,
    ContractColumnOp,
    DropColumnOp,
    ExpandColumnOp,
    FinalizeColumnOp,
    RetireColumnOp,
)
from holdfast.cli import main
from holdfast.dialects.changing import Target
from holdfast.dialects.postgresql.expanding import PostgreSQLExpanding
from holdfast.migrating import BatchSettings
from holdfast.tables import Expansion
from tests.alembic.expand_contract.people import RETYPE, TABLES, UPGRADES
from tests.alembic.scripts import Scripts, rows, run, schema
from tests.harness import Protected
from tests.servers import PsqlError, psql


@pytest.mark.parametrize("swap", [False, True], ids=["rename", "retype"])
def test_a_script_does_the_same(postgresql_database: str, migrations: Callable[..., Scripts], swap: bool) -> None:
    """Printed by ``--sql`` and run by psql; what it would have to know, it asks, and stops."""
    url = postgresql_database
    column, new = ("amount", "amount_new") if swap else ("name", "full_name")
    scripts = migrations(url, "pass", *([each.format("amount") for each in RETYPE] if swap else UPGRADES))
    with_default = TABLES.replace("not null default 'nobody'", "not null")
    run(url, with_default)
    scripts.upgrade("e")
    wanted = schema(url)
    run(url, "drop table people, teams", TABLES, "update alembic_version set version_num = 'a'")
    if not swap:
        with pytest.raises(PsqlError, match=r"HF466.*has a default"):
            psql(url, scripts.sql("a:b"))
    run(url, "drop table people, teams", with_default)
    psql(url, scripts.sql("a:c"))
    run(url, f"update people set {new} = {new} where id = 1", "insert into people (id, name) values (9, 'Nine')")
    assert rows(url, f"select count(*) from people where {column} is distinct from {new}") == [(0,)]
    with pytest.raises(PsqlError, match=r"HF466.*it lacks"):
        psql(url, scripts.sql("c:d"))
    run(url, "delete from people where id = 9")
    for statement in (
        ("alter table people add constraint people_amount_new_key unique (amount_new)",)
        if swap
        else (
            "create unique index people_full_name_key on people (lower(full_name)) where id > 0",
            "alter table people add constraint people_full_name_check check (full_name <> 'x')",
            "alter table people alter column full_name set not null",
        )
    ):
        run(url, statement)
    psql(url, scripts.sql("c:e"))
    assert schema(url) == wanted
    assert rows(url, "select version_num from alembic_version") == [("e",)]


def test_a_script_stops_where_protection_would_have_to_follow(
    postgresql_database: str, migrations: Callable[..., Scripts]
) -> None:
    """And runs where another table of the database is protected."""
    url = postgresql_database
    scripts = migrations(url, "pass", RETYPE[0].format("amount"), UPGRADES[0])
    run(url, TABLES)
    protected = Protected(url)
    protected.protect({"teams": [Audit()]})
    psql(url, scripts.sql("a:b"))
    assert rows(url, "select amount_new from people where id = 1") == [(None,)]
    protected.protect({"people": [Audit()]})
    with pytest.raises(PsqlError, match=r"HF466.*its protection has to follow"):
        psql(url, scripts.sql("b:c"))


def test_the_operations_can_be_printed() -> None:
    """As Alembic writes a revision: each operation, and what takes it back."""
    context = AutogenContext(MigrationContext.configure(dialect_name="postgresql"))
    context.opts |= {"alembic_module_prefix": "op.", "sqlalchemy_module_prefix": "sa.", "user_module_prefix": None}
    made = [
        ExpandColumnOp("people", "amount", "cents", sa.BigInteger(), up="amount * 100", schema="shop"),
        BackfillOp("people", "cents", sa.text("amount * 100"), batches=BatchSettings(rows=10)),
        FinalizeColumnOp("people", "amount", "cents"),
        ContractColumnOp("people", "amount", "cents", swap=True),
        RetireColumnOp("people", "fax"),
        DropColumnOp("people", "fax", quiet=timedelta(hours=1)),
    ]
    reversed_ = [each.reverse() for each in (made[0], made[3], made[4], made[5])]
    printed = render_python_code(UpgradeOps([*made, *reversed_]), migration_context=context.migration_context)
    assert [line.strip() for line in printed.splitlines() if "op." in line] == [
        "op.hf_expand_column('people', 'amount', 'cents', sa.BigInteger(), up='amount * 100', schema='shop')",
        "op.hf_backfill('people', 'cents', sa.text('amount * 100'), batches=holdfast.alembic.BatchSettings(rows=10))",
        "op.hf_finalize_column('people', 'amount', 'cents')",
        "op.hf_contract_column('people', 'amount', 'cents', swap=True)",
        "op.hf_retire_column('people', 'fax')",
        "op.hf_drop_column('people', 'fax', quiet=datetime.timedelta(seconds=3600))",
        "op.hf_collapse_column('people', 'cents', schema='shop')",
        "op.hf_restore_column('people', 'amount')",
        "op.hf_unretire_column('people', 'fax')",
        "op.hf_restore_column('people', 'fax')",
    ]


GOLDEN = Path(__file__).parents[2] / "golden" / "expanding.sql"


def test_the_sql_is_laid_out_for_people() -> None:
    table, expanding = Target("shop", "people"), PostgreSQLExpanding()
    worked_out = Expansion("amount", "cents", "amount * 100", "cents / 100", "0")
    statements = (
        *expanding.expand(table, Expansion("name", "full_name"), "TEXT"),
        *expanding.expand(table, worked_out, "BIGINT"),
        *expanding.retire(table, "fax"),
    )
    sql = "".join(f"{statement};\n\n" for statement in statements).rstrip("\n") + "\n"
    if os.environ.get("HOLDFAST_UPDATE_GOLDEN"):
        GOLDEN.write_text(sql)
    assert sql == GOLDEN.read_text()


def test_the_linter_finds_nothing_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sqlglot")
    scripts = Scripts(tmp_path / "migrations", "postgresql+psycopg:///nowhere")
    scripts.add(
        "a", "\n".join((*UPGRADES, 'op.hf_retire_column("people", "fax")', 'op.hf_drop_column("people", "fax")'))
    )
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(
        main, ["lint", "--no-env", "--strict", "--database", "postgresql", "--config", str(scripts.ini)]
    )
    assert found.exit_code == 0, found.output
