"""Rows 12 to 22 and 38: what a write does to another tenant's rows, or tells of them."""

# ruff: noqa: E501 (the rows are read as the lines of a table)

from __future__ import annotations

import sqlalchemy as sa

import holdfast
import holdfast.sqlalchemy as hs
from tests.tenancy.hostile.models import Order
from tests.tenancy.hostile.sides import MINE, Row, Sides

THEIRS = "insert into customers (id, tenant_id, email) values (30, 1, 'b@x')"


def _split_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.do(
            "drop policy own on orders",
            "create policy r on orders for select using (true)",
            "create policy w on orders for update using (tenant_id = current_setting('app.tenant', true)::int) "
            "with check (true)",
        )
        desk.app(1)
        assert desk.count("update orders set tenant_id = 2") == 2


def _split_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.do("create policy w on orders for update using (true) with check (true)")
        desk.app(1)
        for each in ("update orders set tenant_id = 2", "update orders set tenant_id = 2 where id = 10"):
            assert desk.refused(each) in ("HF203", "42501")
        desk.admin()
        # Not even by a superuser, who is past every policy.
        assert desk.refused("update orders set tenant_id = 2 where id = 10") == "HF203"
        assert (
            desk.value(
                "select count(*) from pg_policy where polrelid = 'orders'::regclass and polname like 'holdfast!_tenant%' escape '!' and polwithcheck is null"
            )
            == 0
        )


def _unique_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.app(1)
        assert desk.refused(THEIRS) == "23505"


def _unique_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.app(1)
        assert desk.count(THEIRS) == 1
        assert desk.refused(THEIRS.replace("30", "31")) == "23505"
        desk.admin()
        desk.do("create unique index on customers (secret)")
        assert "unique-key" in desk.doctor()


def _primary_key_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.app(1)
        assert desk.refused("insert into customers (id, tenant_id) values (2, 1)") is None


def _nothing_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.app(1)
        assert desk.count(f"{THEIRS} on conflict do nothing") == 0


def _nothing_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.app(1)
        assert desk.count(f"{THEIRS} on conflict do nothing") == 1


def _do_update_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.app(1)
        assert desk.refused(f"{THEIRS} on conflict (email) do update set secret = 'x'") == "42501"


def _do_update_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.app(1)
        assert desk.count(f"{THEIRS} on conflict (tenant_id, email) do update set secret = 'x'") == 1
        desk.admin()
        assert desk.rows("select secret from customers where id = 2") == [("s2",)]


REFERENCE = "insert into orders (id, tenant_id, customer_id) values (30, 1, {customer})"


def _reference_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.app(1)
        assert [desk.refused(REFERENCE.format(customer=each)) for each in (2, 999)] == [None, "23503"]


def _reference_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.app(1)
        assert [desk.refused(REFERENCE.format(customer=each)) for each in (1, 2, 999)] == [None, "23503", "23503"]
        desk.admin()
        assert desk.refused(REFERENCE.format(customer=2)) == "23503"
        desk.do("alter table orders add other bigint references customers")
        assert "foreign-key" in desk.doctor()


def _cascade_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.do("update orders set customer_id = 1 where id = 20")
        desk.app(1)
        desk.do("delete from customers where id = 1")
        desk.admin()
        assert desk.rows("select id from orders where tenant_id = 2") == []


def _cascade_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        assert desk.refused("update orders set customer_id = 1 where id = 20") == "23503"
        desk.app(1)
        assert desk.count("delete from customers") == 1
        assert desk.rows("select id from orders") == []
        desk.admin()
        assert desk.rows("select id from orders") == [(20,)]


OWN_TABLE = "create table pg_temp.mine (customer_id bigint references customers)"


def _references_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.app(1)
        desk.do(OWN_TABLE.replace("pg_temp.", ""))
        asked = [desk.refused(f"insert into mine values ({each})") for each in (2, 999)]
        assert asked == [None, "23503"]


def _privilege(*statements: str) -> tuple[object, object]:
    def show(sides: Sides) -> None:
        with sides.plain.desk() as desk:
            desk.app(1)
            assert [desk.refused(each) for each in statements] == [None] * len(statements)

    def hold(sides: Sides) -> None:
        with sides.held.desk() as desk:
            # Whatever else it may do, such as to make tables of its own.
            desk.do(f"grant create on schema public to {sides.held.app}")
            desk.app(1)
            assert [desk.refused(each) for each in statements] == ["42501"] * len(statements)
            desk.admin()
            desk.do(f"grant truncate, references, trigger on customers to {sides.held.app}")
            desk.app()
            assert desk.refused_at_start() == {"privileges"}

    return show, hold


_, _references_hold = _privilege("create table mine (customer_id bigint references customers)")
_truncate = _privilege("truncate orders")
_trigger = _privilege(
    "create trigger mine before update on orders for each row execute function suppress_redundant_updates_trigger()"
)


def _waits_show(sides: Sides) -> None:
    with sides.plain.desk() as other, sides.plain.engine(sides.plain.app).connect() as connection:
        other.do(THEIRS.replace("b@x", "c@x").replace("30, 1", "31, 2"))
        connection.exec_driver_sql("set local lock_timeout = '50ms'")
        connection.exec_driver_sql(sides.plain.tell.format(tenant=1))
        assert _state(connection, THEIRS.replace("b@x", "c@x")) == "55P03"


def _waits_hold(sides: Sides) -> None:
    with sides.held.desk() as other, sides.held.engine(sides.held.app).connect() as connection:
        other.do(THEIRS.replace("b@x", "c@x").replace("30, 1", "31, 2"))
        connection.exec_driver_sql("set local lock_timeout = '2s'")
        connection.exec_driver_sql(sides.held.tell.format(tenant=1))
        assert _state(connection, THEIRS.replace("b@x", "c@x")) is None


def _state(connection: sa.Connection, statement: str) -> str | None:
    try:
        connection.exec_driver_sql(statement)
    except sa.exc.DBAPIError as error:
        return str(error.orig.sqlstate)  # type: ignore[union-attr]
    finally:
        connection.rollback()
    return None


def _copy_shows(sides: Sides) -> None:
    """The way out that people take: another role."""
    with sides.plain.desk() as desk:
        desk.app(1)
        assert desk.refused("copy orders (id, tenant_id) from program 'true'") is not None
        assert desk.refused("copy orders from stdin") == "0A000"


def _copy_holds(sides: Sides) -> None:
    engine = sides.held.application()
    with sides.held.desk() as desk:
        desk.app(1)
        assert desk.refused("copy orders (id, status) from stdin") == "0A000"
    with holdfast.context(tenant=1), hs.Session(engine) as session:
        hs.bulk_insert(session, Order, [{"id": 900 + each, "status": "bulk"} for each in range(3)])
        found = session.execute(sa.text("select tenant_id, count(*) from orders where status = 'bulk' group by 1"))
        assert [tuple(row) for row in found] == [(1, 3)]
        with session.connection().connection.cursor() as cursor, cursor.copy("copy orders to stdout") as copy:
            assert {line.split(b"\t")[1] for block in copy for line in bytes(block).splitlines()} == {b"1"}
        session.rollback()


MERGE = """\
merge into customers as c using (values ({id}, 'b@x')) as n (id, email) on c.email = n.email
when matched then update set secret = 'x'
when not matched then insert (id, tenant_id, email) values (n.id, 1, n.email)"""


def _merge_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.app(1)
        assert desk.refused(MERGE.format(id=30)) == "23505"


def _merge_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.app(1)
        assert desk.count(MERGE.format(id=30)) == 1
        assert desk.refused(MERGE.format(id=31).replace("set secret = 'x'", "set tenant_id = 2")) in ("HF203", "42501")
        assert desk.rows("select distinct tenant_id from customers") == MINE
        desk.admin()
        assert desk.rows("select secret from customers where id = 2") == [("s2",)]


ROWS = (
    Row(12, "A policy for UPDATE without its WITH CHECK moves rows to another tenant", "Both clauses in both policies, and a trigger: the tenant of a row never changes", _split_shows, _split_holds, ("tests/suite/test_tenant.py::test_nothing_is_written_for_another",)),
    Row(13, "A duplicate tells what another tenant has", "Unique keys begin with the tenant, unless declared in `global_keys`. The primary key stays as it is", _unique_shows, _unique_holds, ("tests/suite/test_tenant.py::test_a_value_that_another_tenant_has_is_free", "tests/tenancy/test_hostile_list.py::test_a_primary_key_tells_nothing")),
    Row(14, "ON CONFLICT DO NOTHING that does nothing", "The same", _nothing_shows, _nothing_holds),
    Row(15, "ON CONFLICT DO UPDATE of a row that is not seen", "The same", _do_update_shows, _do_update_holds),
    Row(16, "A reference to another tenant's row", "Foreign keys carry the tenant, for every writer", _reference_shows, _reference_holds, ("tests/suite/test_tenant.py::test_a_reference_to_another_tenants_row_tells_nothing",)),
    Row(17, "A cascade that deletes another tenant's rows", "The same", _cascade_shows, _cascade_holds, ("tests/suite/test_tenant.py::test_a_cascade_stays_within_the_tenant",)),
    Row(18, "REFERENCES: a table of one's own that refers", "`holdfast roles` never gives it; who has it does not start", _references_shows, _references_hold),
    Row(19, "TRUNCATE asks no policy", "The same", *_truncate),
    Row(20, "TRIGGER: a trigger of one's own", "The same", *_trigger),
    Row(21, "Waiting for a lock tells of an insert that is not committed", "Unique keys begin with the tenant", _waits_show, _waits_hold),
    Row(22, "COPY is refused under row security, so people load by another role", "`bulk_insert` works under row security and stays within the tenant; COPY TO gives one's own rows", _copy_shows, _copy_holds, ("tests/sqlalchemy/test_tenants.py::test_a_new_row_is_the_present_tenants_by_any_insert",)),
    Row(38, "MERGE tells by its errors, and passed over policies in old servers", "Unique keys begin with the tenant; the doctor knows the old servers", _merge_shows, _merge_holds),
)  # fmt: skip
