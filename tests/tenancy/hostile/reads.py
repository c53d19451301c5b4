"""Rows 1 to 11: what is read beside the policies."""

# ruff: noqa: E501 (the rows are read as the lines of a table)

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from tests.tenancy.hostile.sides import BOTH, MINE, Desk, Row, Side, Sides

ORDERS = "select distinct tenant_id from orders"
LEAKY = """\
create function pg_temp.leak(text) returns boolean language plpgsql cost 0.0000001 as $$
begin
    perform set_config('leak.seen', concat(current_setting('leak.seen', true), $1), true);
    return true;
end $$"""
FILTER = "create view mine as select * from customers where tenant_id = {present}"
GUESS = "select tenant_id from {table} where 1 / (case when secret = 's2' then 0 else 1 end) = 1"


def _present(side: Side) -> str:
    return f"nullif(current_setting('{side.setting}', true), '')::integer"


def _owner_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.play(sides.plain.owner)
        assert desk.rows(ORDERS) == BOTH


def _owner_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.play(sides.held.owner)
        assert desk.rows(ORDERS) == []
        desk.do(sides.held.tell.format(tenant=1))
        assert desk.rows("select tenant_id from orders where tenant_id = 2") == []
    with sides.held.desk() as desk:
        desk.do(f"alter table orders owner to {sides.held.app}")
        desk.app()
        assert "owner" in desk.refused_at_start()


def _bypass(desk: Desk) -> None:
    desk.do(f"create role {desk.side.app}_bypass bypassrls", f"grant {desk.side.app}_bypass to {desk.side.app}")
    desk.do(f"grant select on orders to {desk.side.app}_bypass")
    desk.app(1)


def _bypass_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        _bypass(desk)
        desk.do(f"set local role {sides.plain.app}_bypass")
        assert desk.rows(ORDERS) == BOTH


def _bypass_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.app()
        assert desk.refused_at_start() == set()
    with sides.held.desk() as desk:
        _bypass(desk)
        assert desk.refused_at_start() == {"bypasses-row-security"}
    with sides.held.desk() as desk:
        desk.do(f"alter role {sides.held.app} superuser")
        desk.app()
        assert desk.refused_at_start() >= {"superuser"}


def _made(desk: Desk, what: str, by: str | None = None) -> None:
    """A view, as the owner of the tables would make it, or the superuser."""
    desk.do(f"grant create, usage on schema public to {desk.side.owner}")
    if by is not None:
        desk.play(by)
    desk.do(what)
    desk.do("grant all on seen to public")
    desk.admin()
    desk.app(1)


DEFINER_VIEW = "create view seen as select tenant_id from orders"


def _view_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        _made(desk, DEFINER_VIEW, sides.plain.owner)
        assert set(desk.rows("select * from seen")) == set(BOTH)


def _view_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        _made(desk, DEFINER_VIEW, sides.held.owner)
        assert desk.rows("select * from seen") == []
    with sides.held.desk() as desk:
        _made(desk, DEFINER_VIEW)
        assert desk.refused_at_start() == {"definer-view"}
    with sides.held.desk() as desk:
        _made(desk, "create view seen with (security_invoker) as select tenant_id from orders")
        assert desk.refused_at_start() == set()
        assert set(desk.rows("select * from seen")) == set(MINE)


def _leak(desk: Desk, table: str) -> str:
    desk.do(LEAKY)
    desk.rows(f"select id from {table} where pg_temp.leak(secret)")
    return str(desk.value("select current_setting('leak.seen', true)"))


def _filter_view(desk: Desk) -> None:
    desk.do(FILTER.format(present=_present(desk.side)), "grant select on mine to public")
    desk.app(1)


def _leaky_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        _filter_view(desk)
        assert "s2" in _leak(desk, "mine")


def _leaky_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        _filter_view(desk)
        assert _leak(desk, "customers") == "s1"
        assert desk.refused_at_start() == {"definer-view"}


def _error_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        _filter_view(desk)
        assert desk.refused(GUESS.format(table="mine")) == "22012"


def _error_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.app(1)
        assert desk.rows(GUESS.format(table="customers")) == [(1,)]


DEFINER = (
    "create function f_def() returns setof integer language sql security definer as 'select tenant_id from orders'"
)


def _definer(desk: Desk, by: str | None) -> None:
    desk.do(f"grant create, usage on schema public to {desk.side.owner}")
    if by is not None:
        desk.play(by)
    desk.do(DEFINER)
    desk.admin()
    desk.app(1)


def _definer_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        _definer(desk, sides.plain.owner)
        assert set(desk.rows("select * from f_def()")) == set(BOTH)


def _definer_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        _definer(desk, sides.held.owner)
        assert desk.rows("select * from f_def() where f_def <> 1") == []
    with sides.held.desk() as desk:
        _definer(desk, None)
        assert desk.refused_at_start() == {"definer-function"}
        desk.admin()
        assert {"definer-function", "definer-search-path"} <= desk.doctor()


MATERIALIZED = "create materialized view seen as select tenant_id from orders"


def _materialized_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        _made(desk, MATERIALIZED, sides.plain.owner)
        assert set(desk.rows("select * from seen")) == set(BOTH)


def _materialized_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        _made(desk, MATERIALIZED, sides.held.owner)
        assert desk.rows("select * from seen") == []
        assert desk.refused_at_start() == {"materialized-view"}


def _part(table: str, child: str, new: str) -> tuple[object, object]:
    def show(sides: Sides) -> None:
        with sides.plain.desk() as desk:
            desk.app(1)
            assert desk.rows(f"select tenant_id from {table}") == MINE
            assert desk.rows(f"select tenant_id from {child}") == BOTH

    def hold(sides: Sides) -> None:
        with sides.held.desk() as desk:
            desk.app(1)
            assert desk.rows(f"select tenant_id from {child}") == MINE
            assert desk.refused_at_start() == set()
        with sides.held.desk() as desk:
            desk.do(new)
            desk.app()
            assert desk.refused_at_start() >= {"row-security-off"}

    return show, hold


PARTITION = _part(
    "events",
    "events_1",
    "create table events_2 partition of events for values from ('2040-01-01') to ('2050-01-01')",
)
CHILD = _part("notes", "notes_child", "create table notes_more () inherits (notes)")


def _later(desk: Desk) -> None:
    desk.do("create table later (id integer, tenant_id integer)", "insert into later values (1, 1), (2, 2)")
    desk.app(1)


def _defaults_show(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.do(f"alter default privileges in schema public grant all on tables to {sides.plain.app}")
        _later(desk)
        assert desk.rows("select tenant_id from later") == BOTH


def _defaults_hold(sides: Sides) -> None:
    with sides.held.desk() as desk:
        _later(desk)
        assert desk.refused("select tenant_id from later") == "42501"
        desk.admin()
        assert "default-privileges" not in desk.doctor()
        desk.do(f"alter default privileges in schema public grant all on tables to {sides.held.app}")
        assert {"default-privileges", "tenant-undeclared"} <= desk.doctor()


OPEN = "create policy oops on orders for select using (true)"


def _permissive_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.do(OPEN)
        desk.app(1)
        assert desk.rows(ORDERS) == BOTH


def _permissive_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.do(OPEN)
        assert "permissive-policy" in desk.doctor()
        desk.app(1)
        assert desk.rows(ORDERS) == MINE


def _off_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.play(sides.plain.owner)
        desk.do("set local row_security = off")
        assert desk.rows(ORDERS) == BOTH


def _off_holds(sides: Sides) -> None:
    for role in (sides.held.app, sides.held.owner):
        with sides.held.desk() as desk:
            desk.play(role, 1)
            desk.do("set local row_security = off")
            with pytest.raises(DBAPIError) as refused:
                desk.rows(ORDERS)
            assert refused.value.orig.sqlstate == "42501"  # type: ignore[union-attr]
    with sides.held.desk() as desk:
        desk.do(f"alter role {sides.held.app} set row_security = off")
        assert "setting" in desk.doctor()


ROWS = (
    Row(1, "The owner of a table reads past its row security", "FORCE; the owner has no tenant's rows; an application that owns a table does not start", _owner_shows, _owner_holds, ("tests/suite/test_tenant.py::test_the_owner_is_no_exception",)),
    Row(2, "A superuser, BYPASSRLS, or membership in such a role", "`check_roles` refuses to start", _bypass_shows, _bypass_holds, ("tests/suite/test_doctor.py::test_what_gets_past_row_security_is_found_and_mended",)),
    Row(3, "A view reads with its owner's rights", "The owner sees nobody's rows; a superuser's view is refused at the start; ours are `security_invoker`", _view_shows, _view_holds),
    Row(4, "A cheap function is asked before the condition of a filter view", "Row security asks its own condition first; such a view is refused at the start", _leaky_shows, _leaky_holds),
    Row(5, "An error tells of a row behind a filter view", "The same", _error_shows, _error_holds),
    Row(6, "A SECURITY DEFINER function", "The owner sees nobody's rows; a superuser's function is refused at the start", _definer_shows, _definer_holds),
    Row(7, "A materialized view", "Filled by the owner it is empty; one that the application can read is refused at the start", _materialized_shows, _materialized_holds),
    Row(8, "A partition that is read by itself", "Each partition has the policies; one without is refused at the start", *PARTITION, elsewhere=("tests/suite/test_tenant.py::test_partitions_and_children_are_covered_and_new_ones_are_found",)),
    Row(9, "A child table that is read by itself", "The same", *CHILD, elsewhere=("tests/suite/test_tenant.py::test_partitions_and_children_are_covered_and_new_ones_are_found",)),
    Row(10, "Default privileges open a table that is made later", "Nothing is granted by default; `holdfast doctor` finds default privileges and tables without `Tenant`", _defaults_show, _defaults_hold),
    Row(11, "A permissive policy that somebody adds", "The tenant's policy is restrictive as well", _permissive_shows, _permissive_holds, ("tests/suite/test_tenant.py::test_a_policy_that_somebody_adds_opens_nothing",)),
    Row(40, "`row_security = off` reads everything for an owner", "It is an error for every role here", _off_shows, _off_holds),
)  # fmt: skip
