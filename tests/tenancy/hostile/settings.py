"""Rows 23 to 37: what holds the tenant, and how long."""

# ruff: noqa: E501 (the rows are read as the lines of a table)

from __future__ import annotations

import threading
from typing import ClassVar

import pytest
import sqlalchemy as sa

import holdfast
import holdfast.sqlalchemy as hs
from holdfast.errors import DeclarationError, HoldfastError, TenantError
from tests.tenancy.hostile.models import Note, Order
from tests.tenancy.hostile.sides import BOTH, MINE, Row, Side, Sides

ORDERS = "select distinct tenant_id from orders order by 1"


def _seen(connection: sa.Connection) -> list[tuple[int]]:
    return [tuple(row) for row in connection.exec_driver_sql(ORDERS)]


def _empty_setting(side: Side) -> str | None:
    """What comes of the second transaction of a connection, after a first one that had a tenant."""
    with side.engine(side.app).connect() as connection:
        connection.exec_driver_sql(side.tell.format(tenant=1))
        connection.commit()
        for reset in (None, "discard all"):
            if reset:
                connection.rollback()
                connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(reset)
            try:
                assert _seen(connection) == []
            except sa.exc.DBAPIError as error:
                return str(error.orig.sqlstate)  # type: ignore[union-attr]
    return None


def _empty_shows(sides: Sides) -> None:
    assert _empty_setting(sides.plain) == "22P02"


def _empty_holds(sides: Sides) -> None:
    assert _empty_setting(sides.held) is None


def _one_argument_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.do(
            "create table empty (tenant_id integer)",
            "create policy own on empty using (tenant_id = (select current_setting('never.set')::integer))",
            "alter table empty enable row level security",
            "grant select on empty to public",
        )
        desk.app()
        assert desk.rows("select * from empty") == []
        desk.admin()
        desk.do("insert into empty values (1)")
        desk.app()
        assert desk.refused("select * from empty") == "42704"


def _one_argument_holds(sides: Sides) -> None:
    engine = sides.held.application()
    with holdfast.context(tenant=3), hs.Session(engine) as session:
        assert session.scalars(sa.select(Order)).all() == []
    with hs.Session(engine) as session, pytest.raises(TenantError):
        session.scalars(sa.select(Order).where(sa.false())).all()
    with sides.held.desk() as desk:
        desk.app()
        assert desk.rows("select id from orders") == []


def _null_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.do(
            "alter policy own on orders using "
            "(tenant_id is not distinct from nullif(current_setting('app.tenant', true), '')::integer)",
            "insert into orders (id, tenant_id) values (30, null)",
        )
        desk.app()
        assert desk.rows("select id from orders") == [(30,)]


def _null_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        assert desk.refused("insert into orders (id, tenant_id) values (30, null)") == "23502"
        desk.do(
            "alter table orders alter tenant_id drop not null", "insert into orders (id, tenant_id) values (30, null)"
        )
        assert "tenant-nullable" in desk.doctor()
        for tenant in (None, 1):
            desk.app(tenant)
            assert desk.rows("select id from orders where tenant_id is null") == []
            desk.admin()


def _falsy_shows(sides: Sides) -> None:
    def orders_of(tenant: object) -> sa.Select[tuple[int]]:
        found = sa.select(Order.tenant_id).distinct().order_by(Order.tenant_id)
        return found.where(Order.tenant_id == tenant) if tenant else found

    with sides.plain.desk() as desk:
        for tenant in (0, "", [], None):
            assert [tuple(row) for row in desk.connection.execute(orders_of(tenant))] == BOTH


def _falsy_holds(sides: Sides) -> None:
    for tenant in ("", [], (), False):
        with pytest.raises(DeclarationError, match="HF120"), holdfast.context(tenant=tenant):  # type: ignore[arg-type]
            pass
    with holdfast.context(tenant=0), hs.Session(sides.held.application()) as session:
        assert session.scalars(sa.select(Order.tenant_id)).all() == []
        assert session.scalars(sa.text(ORDERS)).all() == []
    with sides.held.desk() as desk:
        desk.app()
        assert desk.refused(sides.held.tell.format(tenant="")) == "HF203"
        assert desk.rows(ORDERS) == []


def _pool_shows(sides: Sides) -> None:
    engine = sides.plain.engine(sides.plain.app)
    with engine.begin() as connection:
        connection.exec_driver_sql(sides.plain.tell.format(tenant=2).replace("true", "false"))
    with engine.connect() as connection:
        assert _seen(connection) == [(2,)]


def _pool_holds(sides: Sides) -> None:
    engine = sides.held.application()
    for end in ("commit", "rollback"):
        with holdfast.context(tenant=2), engine.connect() as connection:
            assert _seen(connection) == [(2,)]
            getattr(connection, end)()
        with engine.connect() as connection:
            assert _seen(connection) == []


def _autocommit_shows(sides: Sides) -> None:
    engine = sides.plain.engine(sides.plain.app, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(sides.plain.tell.format(tenant=1))
        # Nobody is told that the tenant is not there any more.
        assert connection.exec_driver_sql("select current_setting('app.tenant', true)").scalar() in (None, "")


def _autocommit_holds(sides: Sides) -> None:
    engine = sides.held.application(isolation_level="AUTOCOMMIT")
    with holdfast.context(tenant=1), pytest.raises(HoldfastError) as refused, engine.connect() as connection:
        connection.exec_driver_sql(ORDERS)
    assert refused.value.code == "HF413"


def _rolled_back_shows(sides: Sides) -> None:
    with sides.plain.engine(sides.plain.app).connect() as connection:
        connection.exec_driver_sql(sides.plain.tell.format(tenant=2).replace("true", "false"))
        connection.commit()
        # The scrub of somebody who means well, and a rollback after it.
        connection.exec_driver_sql(sides.plain.tell.format(tenant=0).replace("true", "false"))
        connection.rollback()
        assert _seen(connection) == [(2,)]


def _rolled_back_holds(sides: Sides) -> None:
    engine = sides.held.application()
    with holdfast.context(tenant=1), engine.connect() as connection:
        assert _seen(connection) == MINE
        connection.rollback()
        assert _seen(connection) == MINE
    with engine.connect() as connection:
        assert _seen(connection) == []
        connection.exec_driver_sql("set holdfast.tenant = '2'")
        connection.commit()
    # What somebody else left in the session is not taken for the tenant, and not passed over.
    with holdfast.context(tenant=1), pytest.raises(sa.exc.DBAPIError) as refused, engine.connect() as connection:
        connection.exec_driver_sql(ORDERS)
    assert refused.value.orig.sqlstate == "HF203"  # type: ignore[union-attr]


def _nested_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.app(1)
        savepoint = desk.connection.begin_nested()
        desk.do(sides.plain.tell.format(tenant=2))
        savepoint.commit()
        assert desk.rows(ORDERS) == [(2,)]


def _nested_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.app(1)
        assert desk.refused(sides.held.tell.format(tenant=2)) == "HF203"
        assert desk.rows(ORDERS) == MINE
    engine = sides.held.application()
    with holdfast.context(tenant=1), hs.Session(engine) as session:
        session.scalars(sa.select(Order)).all()
        with holdfast.context(tenant=2), session.begin_nested():
            with pytest.raises(TenantError):
                session.scalars(sa.select(Order)).all()
        assert session.scalars(sa.text(ORDERS)).all() == [1]


def _role_setting_shows(sides: Sides) -> None:
    side = sides.plain
    admin, database = side.engine(), sa.make_url(side.url).database
    with admin.begin() as connection:
        connection.exec_driver_sql(f'alter role {side.app} in database "{database}" set app.tenant = 2')
    try:
        with side.engine(side.app).connect() as connection:
            assert _seen(connection) == [(2,)]
    finally:
        with admin.begin() as connection:
            connection.exec_driver_sql(f'alter role {side.app} in database "{database}" reset app.tenant')


def _role_setting_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.do(f"alter role {sides.held.app} set holdfast.tenant = '2'")
        desk.app()
        assert desk.refused_at_start() == {"setting"}


GETTER = (
    "create function getter() returns integer language sql {volatility} as "
    "$$ select nullif(current_setting('{setting}', true), '')::integer $$"
)
PREPARE = (
    "set local plan_cache_mode = force_generic_plan",
    "prepare mine as select distinct tenant_id from orders",
)


def _immutable_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.do(
            GETTER.format(volatility="immutable", setting="app.tenant"),
            "alter policy own on orders using (tenant_id = getter())",
        )
        desk.app(1)
        desk.do(*PREPARE)
        assert desk.rows("execute mine") == MINE
        desk.do(sides.plain.tell.format(tenant=2))
        assert desk.rows("execute mine") == MINE
        desk.do("deallocate mine")


def _immutable_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        assert desk.refused(GETTER.format(volatility="stable", setting="holdfast.tenant")) is None
        desk.do(GETTER.format(volatility="immutable", setting="holdfast.tenant"))
        desk.app()
        assert desk.refused_at_start() == {"immutable-getter"}
    for function in ("holdfast.across_tenants()", "holdfast.set_context(text, text, text, jsonb)"):
        with sides.held.desk() as desk:
            assert desk.value(f"select provolatile from pg_proc where oid = '{function}'::regprocedure") in ("s", "v")


def _injected(side: Side) -> list[tuple[int]]:
    with side.desk() as desk:
        desk.app(1)
        desk.do(f"set local {side.setting} = '2'")
        return desk.rows(ORDERS)


def _injection_shows(sides: Sides) -> None:
    assert _injected(sides.plain) == [(2,)]


def _injection_holds(sides: Sides) -> None:
    """No setting shows all tenants; which tenant it is can be forged until contexts are signed."""
    with sides.held.desk() as desk:
        found = desk.rows(
            "select distinct s[1] from pg_policy, regexp_matches(pg_get_expr(polqual, polrelid), "
            "'current_setting\\(''([^'']+)''', 'g') as s"
        )
        assert found == [("holdfast.tenant",)]
        across = desk.rows(
            "select distinct polroles::regrole[]::text from pg_policy where polname = 'holdfast_all_tenants'"
        )
        assert across
        assert sides.held.app not in across[0][0].strip("{}").split(",")
        desk.app(1)
        for each in ("holdfast.across", "holdfast.all_tenants", "holdfast.bypass", "holdfast.context"):
            assert desk.refused(f"set local {each} = 'true'") is None
        assert desk.refused("select holdfast.all_tenants('because')") == "42501"
        desk.do("set local holdfast.bypass = 'true'", "set local holdfast.all_tenants = 'true'")
        assert desk.rows(ORDERS) == MINE


def _reset_shows(sides: Sides) -> None:
    """One login, and a role for each tenant that it becomes."""
    side = sides.plain
    with side.desk() as desk:
        desk.do(
            f"create role {side.app}_1",
            f"grant {side.app}_1 to {side.app}",
            "alter table orders disable row level security",
            f"revoke select on orders from {side.app}_1",
        )
        desk.app()
        desk.do(f"set local role {side.app}_1")
        assert desk.refused(ORDERS) == "42501"
        desk.do("reset role")
        assert desk.rows(ORDERS) == BOTH


def _reset_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.app(1)
        for each in ("reset role", "set role none", f"set role {sides.held.app}"):
            desk.do(each)
            assert desk.rows(ORDERS) == MINE
        for role in (sides.held.owner, sides.held.owner.replace("_owner", "_all_tenants"), "holdfast"):
            assert desk.refused(f"set local role {role}") == "42501"


def _deferred_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        version = desk.value("select current_setting('server_version_num')::integer")
        desk.do(
            "create table audit (who text)",
            "create function note() returns trigger language plpgsql as "
            "$$ begin insert into audit values (current_user); return null; end $$",
            "create constraint trigger note after update on orders deferrable initially deferred "
            "for each row execute function note()",
            "grant all on audit to public",
        )
        desk.app(1)
        desk.do("update orders set status = 'x' where id = 10")
        desk.admin()
        desk.do("set constraints all immediate")
        [(who,)] = desk.rows("select who from audit")
        # From 18 on the server itself remembers who it was.
        assert (who == sides.plain.app) == (version >= 180000)


def _deferred_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.app()
        desk.do("select holdfast.set_context('ada', '1')", "update orders set status = 'x' where id = 10")
        desk.admin()
        desk.do("set constraints all immediate")
        found = desk.rows(
            "select c.tenant, t.actor, t.session_user_name from holdfast.change as c "
            "join holdfast.transaction as t on t.xid = c.xid "
            "where c.id = (select max(id) from holdfast.change)"
        )
        assert found == [("1", "ada", sides.held.app)]


def _recursive_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.do("create policy members on orders using (exists (select from orders))")
        desk.app(1)
        assert desk.refused(ORDERS) == "42P17"


def _recursive_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        read = desk.rows(
            "select p.polname from pg_policy as p join pg_depend as d on d.classid = 'pg_policy'::regclass and d.objid = p.oid "
            "and d.refclassid = 'pg_class'::regclass and d.refobjid <> p.polrelid where p.polname like 'holdfast%'"
        )
        assert read == []
        assert desk.value("select count(*) from pg_policy where polname like 'holdfast%'") > 0


def _stack_shows(sides: Sides) -> None:
    """What a class-level stack does, as one peer has it: two requests leave in the order in which they came."""

    class Stack:
        before: ClassVar[list[object]] = []
        tenant: object = None

        def __init__(self, tenant: object) -> None:
            self.own = tenant

        def __enter__(self) -> None:
            Stack.before.append(Stack.tenant)
            Stack.tenant = self.own

        def __exit__(self, *_: object) -> None:
            Stack.tenant = Stack.before.pop()

    def present() -> object:
        return Stack.tenant

    assert _two_threads(Stack, present) != [1, 2]


def _stack_holds(sides: Sides) -> None:
    engine = sides.held.application(max_overflow=2)

    def present() -> object:
        with hs.Session(engine) as session:
            session.add(Note(id=50, text="x"))
            session.flush()
            return session.scalar(sa.text("select tenant_id from notes where id = 50"))

    assert _two_threads(lambda tenant: holdfast.context(tenant=tenant), present) == [1, 2]


def _two_threads(block: object, present: object) -> list[object]:
    """Of two requests that overlap: which tenant each has when the other one has begun too."""
    begun, seen, found = threading.Barrier(2), threading.Barrier(2), [None, None]
    first = threading.Event()

    def work(index: int) -> None:
        if index:
            first.wait(10)
        with block(index + 1):  # type: ignore[operator]
            first.set()
            begun.wait(10)
            found[index] = present()  # type: ignore[operator]
            seen.wait(10)

    threads = [threading.Thread(target=work, args=(index,)) for index in (0, 1)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return list(found)


ROWS = (
    Row(23, "A setting that was once set is `''` ever after, not NULL", "`nullif(current_setting(…, true), '')` everywhere: no tenant, no rows, no error", _empty_shows, _empty_holds),
    Row(24, "`(SELECT current_setting(…))` fails only once there are rows", "The ORM refuses to work without a tenant (HF203), rows or not; SQL finds nothing", _one_argument_shows, _one_argument_holds, ("tests/sqlalchemy/test_tenants.py::test_no_read_goes_without_a_tenant",)),
    Row(25, "A row without a tenant is seen by who has none", "The column is NOT NULL, and the condition is `=`", _null_shows, _null_holds),
    Row(26, "An empty tenant passes for no filter", "HF120; 0 is a tenant; nothing is decided by what is true", _falsy_shows, _falsy_holds, ("tests/sqlalchemy/test_tenants.py::test_what_names_nobody_is_no_tenant",)),
    Row(27, "A setting of the session goes on with the pooled connection", "The context ends with its transaction", _pool_shows, _pool_holds, ("tests/tenancy/test_pgbouncer.py::test_what_a_session_sets_leaks_and_what_a_transaction_sets_does_not",)),
    Row(28, "SET LOCAL does nothing under AUTOCOMMIT", "A tenant is refused under AUTOCOMMIT (HF413)", _autocommit_shows, _autocommit_holds),
    Row(29, "A rollback gives the session its former tenant back", "Nothing is set for the session; what others left there is refused (HF203)", _rolled_back_shows, _rolled_back_holds, ("tests/suite/test_tenant.py::test_nothing_of_the_tenant_is_left_on_the_connection",)),
    Row(30, "A nested block leaves its tenant behind", "A transaction is of one tenant (HF203); a savepoint that is rolled back gives it back", _nested_shows, _nested_holds, ("tests/suite/test_tenant.py::test_a_savepoint_that_is_rolled_back_gives_the_tenant_back",)),
    Row(31, "ALTER ROLE … SET gives every session a tenant", "`check_roles` refuses to start", _role_setting_shows, _role_setting_holds),
    Row(32, "An IMMUTABLE getter keeps the first tenant in the plan", "The policies call no such function; one that reads a setting is refused at the start", _immutable_shows, _immutable_holds, ("tests/suite/test_tenant.py::test_a_prepared_plan_serves_each_tenant_its_own",)),
    Row(34, "Injected SQL sets the tenant", "No setting shows all tenants, which is another login's; with signed contexts a forged tenant is refused (HF206). Unsigned, the tenant can be forged", _injection_shows, _injection_holds, ("tests/tenancy/signed_context/test_forging.py::test_whoever_can_run_sql_is_any_tenant_and_any_actor_until_contexts_are_signed",)),
    Row(35, "RESET ROLE leaves the role of the tenant", "The tenant is not a role; the application can become no other one", _reset_shows, _reset_holds),
    Row(36, "A deferred trigger runs as another role", "The journal takes the tenant and the actor from the context, and the login from the session, when the row is written", _deferred_shows, _deferred_holds),
    Row(37, "A policy that reads its own table", "The policies read no table", _recursive_shows, _recursive_holds),
    Row(47, "A tenant kept by class or thread is swapped between requests", "The context is a ContextVar; each thread and each task has its own", _stack_shows, _stack_holds, ("tests/sqlalchemy/test_tenants.py::test_threads_and_one_connection_never_mix",)),
)  # fmt: skip
