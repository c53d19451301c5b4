"""Revisions that are written and run where they stand, without files: one for each change of the models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code, renderers
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy.pool import NullPool

import holdfast.alembic
from holdfast.dialects import dialect_for
from tests.alembic.changing import DEFAULTS, Models, metadata_of

IMPORTS = (
    "import sqlalchemy as sa",
    "from sqlalchemy.dialects import postgresql, sqlite",
    "import holdfast.sqlalchemy.times",
)
EVERYTHING = """\
with ours as (
    select c.oid, c.relname, c.relkind, n.nspname, c.oid::regclass::text as name, c.relrowsecurity,
        c.relforcerowsecurity, c.reloptions, c.relowner::regrole::text as owner, c.relacl::text as acl
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema')
select line from (
    select concat_ws(' ', 'relation', name, relkind, relrowsecurity, relforcerowsecurity, reloptions, owner,
        acl) as line
    from ours where relkind <> 'i'
    union all
    select concat_ws(' ', 'column', o.name, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        a.attidentity, a.attgenerated, a.attacl::text, pg_get_expr(d.adbin, d.adrelid))
    from ours as o join pg_attribute as a on a.attrelid = o.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef as d on d.adrelid = o.oid and d.adnum = a.attnum where o.relkind not in ('i', 'I')
    union all
    select concat_ws(' ', 'constraint', o.name, k.conname, pg_get_constraintdef(k.oid), k.convalidated)
    from ours as o join pg_constraint as k on k.conrelid = o.oid where k.contype <> 'n'
    union all
    select concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid)
    from ours as o join pg_index as i on i.indrelid = o.oid
    union all
    select concat_ws(' ', 'trigger', o.name, t.tgenabled, pg_get_triggerdef(t.oid))
    from ours as o join pg_trigger as t on t.tgrelid = o.oid where not t.tgisinternal
    union all
    select concat_ws(' ', 'policy', o.name, p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[]::text,
        pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    from ours as o join pg_policy as p on p.polrelid = o.oid
    union all
    select concat_ws(' ', 'view', o.name, pg_get_viewdef(o.oid)) from ours as o where relkind = 'v'
    union all
    select concat_ws(' ', 'function', p.proowner::regrole, p.proacl::text, pg_get_functiondef(p.oid))
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and p.prokind <> 'a'
    union all
    select concat_ws(' ', 'comment', i.type, i.identity, d.description)
    from pg_description as d cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) as i
    where d.classoid in ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass,
            'pg_constraint'::regclass) and d.objoid >= 16384) as found
order by line"""


class Renamed(ops.RenameTableOp):
    """A rename as people write it; of a column where ``column`` is given. Alembic renders no rename."""

    def __init__(self, old: str, new: str, *, schema: str | None, table: str | None = None) -> None:
        super().__init__(old, new, schema=schema)
        self.of = table

    def reverse(self) -> Renamed:
        return Renamed(self.new_table_name, self.table_name, schema=self.schema, table=self.of)


@renderers.dispatch_for(Renamed)
def _render(context: Any, each: Renamed) -> str:
    old, new = each.table_name, each.new_table_name
    if each.of is None:
        return f"op.rename_table({old!r}, {new!r}, schema={each.schema!r})"
    if context._has_batch:
        return f"batch_op.alter_column({old!r}, new_column_name={new!r})"
    return f"op.alter_column({each.of!r}, {old!r}, new_column_name={new!r}, schema={each.schema!r})"


def _is_theirs(name: str | None, kind: str, _parents: Any) -> bool:
    """What people say who do not want to wait for the journal's tables to be reflected."""
    return not (kind in ("schema", "table") and str(name).startswith("holdfast"))


class Evolution:
    """A database and its models. ``upgrade`` and ``downgrade`` are the two halves of a revision, as Python."""

    def __init__(self, url: str, models: Models) -> None:
        self.engine = sa.create_engine(url, poolclass=NullPool)
        self.hides = self.engine.name == "postgresql"
        self.models = models
        holdfast.alembic.setup()

    @contextmanager
    def connected(self) -> Iterator[None]:
        with self.engine.connect() as self.connection, warnings.catch_warnings():
            # What SQLAlchemy does not reflect is of no matter here.
            warnings.filterwarnings("ignore", category=sa.exc.SAWarning)
            self.metadata = metadata_of(self.models, self.engine.name)
            if self.hides:
                self.connection.exec_driver_sql("create schema other")
                self.connection.commit()
            self.run(self.revision()[0])
            yield

    def revision(self, edit: Callable[[list[Any]], None] | None = None) -> tuple[str, str]:
        upgrade = self._compare()
        if edit is not None:
            edit(upgrade.ops)
        context = self.context()
        imports: set[str] = set()
        written = [
            render_python_code(each, render_as_batch=not self.hides, migration_context=context, imports=imports)
            for each in (upgrade, upgrade.reverse())
        ]
        head = "\n".join([*IMPORTS, *sorted(imports), "def run():\n"])
        return f"{head}{written[0]}\n    pass", f"{head}{written[1]}\n    pass"

    def context(self) -> MigrationContext:
        options = {
            "target_metadata": self.metadata, "include_schemas": self.hides, "holdfast_roles_apart": False,
            "compare_server_default": True, "include_name": _is_theirs, "transaction_per_migration": True,
        }  # fmt: skip
        return MigrationContext.configure(self.connection, opts=options)

    def _compare(self) -> ops.UpgradeOps:
        found = produce_migrations(self.context(), self.metadata).upgrade_ops
        self.connection.rollback()
        assert found is not None
        return found

    def run(self, half: str) -> None:
        context = self.context()
        space: dict[str, Any] = {"op": Operations(context)}
        exec(compile(half, "<revision>", "exec"), space)
        # As Alembic does where each revision has a transaction of its own: some commit in between.
        with context.begin_transaction(_per_migration=True):
            space["run"]()

    def drift(self) -> list[Any]:
        return self._compare().as_diffs()

    # ------------------------------------------------------------------ what there is

    def shape(self) -> list[str]:
        """The whole schema, without regard to the order of columns, which a migration cannot bring back."""
        if self.hides:
            found = [row[0] for row in self.connection.exec_driver_sql(EVERYTHING.replace("%", "%%"))]
        else:
            found = self._shape_of_file()
        self.connection.rollback()
        return found

    def _shape_of_file(self) -> list[str]:
        found = [
            str(tuple(row))
            for row in self.connection.exec_driver_sql(
                "select type, name, sql from sqlite_schema where type <> 'table' and name not glob 'sqlite_*'"
                " union all select t.name, c.name, c.type || c.'notnull' || coalesce(c.dflt_value, '') || c.pk"
                " from pragma_table_list as t join pragma_table_xinfo(t.name) as c"
                " union all select t.name, 'key', k.'from' || k.'table' || k.'to' || k.on_delete || k.on_update"
                " from pragma_table_list as t join pragma_foreign_key_list(t.name) as k"
            )
        ]
        revising = dialect_for("sqlite").revising
        rows = self.connection.exec_driver_sql(revising.constraints())
        found += [f"check {each.table} {each.name} {each.expression}" for each in revising.read_constraints(rows)]
        return sorted(found)

    def fill(self) -> None:
        """A row in each table, and no value missing that could become required: as a database is that is in use."""
        for table in self.metadata.sorted_tables:
            model = self.models.tables[table.name]
            if not self.hides and {"Tenant", "Permit"} & set(model.policies):
                continue
            values = {
                "id": "1",
                "tenant_id": "1",
                **{c: DEFAULTS.get(m.family, "null") for c, m in model.columns.items()},
            }
            name = self.engine.dialect.identifier_preparer.format_table(table)
            listed = ", ".join(values)
            there = self.connection.exec_driver_sql(f"select 1 from {name} where id = 1").first()
            if there is None:
                self.connection.exec_driver_sql(f"insert into {name} ({listed}) values ({', '.join(values.values())})")
            else:
                missing = [f"{c} = coalesce({c}, {v})" for c, v in values.items() if c not in ("id", "tenant_id")]
                self.connection.exec_driver_sql(f"update {name} set {', '.join(missing)} where id = 1")
        self.connection.commit()

    # ------------------------------------------------------------------ one change

    def go_to(self, models: Models) -> None:
        """Up, checked, down, and up again."""
        self.fill()
        before = self.shape()
        self.models, self.metadata = models, metadata_of(models, self.engine.name)
        upgrade, downgrade = self.revision(self._as_by_hand if models.renamed or models.moved else None)
        self.run(upgrade)
        if models.moved is None:
            # The journal's part is left to the next revision.
            assert (self.drift(), upgrade) == ([], upgrade)
        after = self.shape()
        self.run(downgrade)
        self._same(self.shape(), before, upgrade, downgrade)
        self.run(upgrade)
        self._same(self.shape(), after, upgrade, downgrade)
        if models.moved is not None:
            self.run(self.revision()[0])
            assert self.drift() == []

    def _same(self, found: list[str], wanted: list[str], *texts: str) -> None:
        if found != wanted:
            difference = [f"+ {each}" for each in found if each not in wanted]
            difference += [f"- {each}" for each in wanted if each not in found]
            raise AssertionError("\n".join([*difference, *texts]))

    def _as_by_hand(self, operations: list[Any]) -> None:
        """Takes a drop and an addition for the rename that they are."""
        if self.models.moved is not None:
            old, new = self.models.moved
            [made] = [each for each in operations if isinstance(each, ops.CreateTableOp)]
            operations[:] = [Renamed(old, new, schema=made.schema)]
            return
        assert self.models.renamed is not None
        table, old, new = self.models.renamed
        for each in operations:
            if isinstance(each, ops.ModifyTableOps) and each.table_name == table:
                kept = [inner for inner in each.ops if not isinstance(inner, (ops.AddColumnOp, ops.DropColumnOp))]
                each.ops[:] = [Renamed(old, new, schema=each.schema, table=table), *kept]
