"""Rows 33, 39, 44, 45, 49 and 50: other servers, and what is outside of the tables."""

# ruff: noqa: E501 (the rows are read as the lines of a table)

from __future__ import annotations

import re
from pathlib import Path

import pytest

import holdfast
from holdfast.context import tenant_key
from holdfast.dialects.postgresql.doctor.server import VERSION
from holdfast.errors import TenantError
from tests.tenancy.hostile.sides import Row, Side, Sides

GOLDEN = Path(__file__).parents[2] / "golden"


def _versions(side: Side, number: int) -> str:
    """What the doctor says of a server of that version."""
    with side.desk() as desk:
        asked = VERSION.replace("current_setting('server_version_num')::integer", str(number))
        return " ".join(str(row) for row in desk.rows(asked))


def _old_plans_show(sides: Sides) -> None:
    assert "a plan that was made for one role may serve another" in _versions(sides.held, 150001)


def _old_plans_hold(sides: Sides) -> None:
    for version in (140019, 150014, 160010, 170006, 180000):
        assert _versions(sides.held, version) == ""
    assert "CVE-2023-39418" in _versions(sides.held, 150003)
    assert "CVE-2024-10976" in _versions(sides.held, 170000)


def _statistics_show(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.do("alter table customers disable row level security", "analyze customers")
        desk.app(1)
        assert "s2" in str(desk.rows("select histogram_bounds::text from pg_stats where tablename = 'customers'"))


def _statistics_hold(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.do("analyze customers")
        desk.app(1)
        assert desk.rows("select attname from pg_stats where tablename = 'customers'") == []
    assert "CVE-2025-8713" in _versions(sides.held, 160009)


def totals_are_hidden(sides: Sides) -> None:
    with sides.held.desk() as desk:
        desk.do("analyze orders")
        desk.app(1)
        assert desk.value("select reltuples from pg_class where relname = 'orders'") == 2


def _objects_show(sides: Sides) -> None:
    """A cache by the row's key, as most are."""
    cache = {"order:20": "of tenant 2"}
    assert cache.get("order:20") is not None
    assert _large_object(sides.plain) == b"of tenant 1"


def _keys_hold(sides: Sides) -> None:
    """A cache by the tenant's key: the same words mean another entry for each, however they are put together."""
    cache = {}
    for tenant in (1, 2):
        with holdfast.context(tenant=tenant):
            cache[tenant_key("order", 20)] = tenant
    with holdfast.context(tenant=1):
        assert cache[tenant_key("order", 20)] == 1
    for tenant, parts in (("1/order", ("20",)), ("1", ("order/20",)), ("..", ("2", "order", "20"))):
        with holdfast.context(tenant=tenant):
            assert tenant_key(*parts) not in cache
    with pytest.raises(TenantError):
        tenant_key("order", 20)


def _large_object(side: Side) -> bytes:
    with side.desk() as desk:
        desk.app(1)
        oid = desk.value("select lo_from_bytea(0, 'of tenant 1')")
        desk.admin()
        desk.app()
        return bytes(desk.value(f"select lo_get({oid})"))


def large_objects_are_hidden(sides: Sides) -> None:
    assert _large_object(sides.held) == b""


def _publication_shows(sides: Sides) -> None:
    with sides.plain.desk() as desk:
        desk.do("create publication feed for table orders")
        assert desk.value("select rowfilter is null from pg_publication_tables where pubname = 'feed'")


def _publication_holds(sides: Sides) -> None:
    with sides.held.desk() as desk:
        assert "published" not in desk.doctor()
        desk.do("create publication feed for table orders")
        assert "published" in desk.doctor()
        desk.do("alter publication feed set table orders where (tenant_id = 1)")
        assert "published" not in desk.doctor()


NAIVE = "using (tenant_id = current_setting('app.tenant')::integer)"
SAFE = re.compile(r"nullif\(current_setting\('holdfast\.tenant', true\), ''\)")


def _conditions(*files: str) -> list[str]:
    """Of every tenant's policy in the texts of what is installed."""
    found = []
    for file in files:
        text = (GOLDEN / file).read_text()
        for policy in re.findall(r'create policy "holdfast_tenant(?:_only)?".*?;\n', text, re.DOTALL):
            found += re.findall(r"(?:using|with check) \((.*)\)", policy)
    return found


def _shape_shows(sides: Sides) -> None:
    assert not SAFE.search(NAIVE)
    with sides.plain.desk() as desk:
        desk.do("alter policy own on orders " + NAIVE)
        desk.app()
        # Never set, or set once and left empty.
        assert desk.refused("select id from orders") in ("42704", "22P02")


def _shape_holds(sides: Sides) -> None:
    conditions = _conditions("postgresql/tenant.sql", "postgresql/tenant_of_roles.sql", "citus/tenant.sql")
    assert len(conditions) >= 12
    assert all(SAFE.search(each) for each in conditions)
    with sides.held.desk() as desk:
        # As on a connection where nobody ever said a tenant, and on one where the last one is gone.
        for left in ("reset holdfast.tenant", "set local holdfast.tenant = ''"):
            desk.app()
            desk.do(left)
            assert desk.rows("select id from orders") == []
            desk.admin()
        # The placeholder is never set for the session, so a logical one cannot inherit it.
        source = desk.value(
            "select prosrc from pg_proc where oid = 'holdfast.set_context(text, text, text, jsonb)'::regprocedure"
        )
        assert "set local" in source
        assert not re.search(r"\bset session\b|set_config\([^)]*false\)", source)


def _worker_holds(sides: Sides) -> None:
    conditions = _conditions("citus/tenant.sql")
    assert len(conditions) >= 4
    # A worker that was told no tenant has none, and a subquery would be refused.
    assert all(SAFE.search(each) and "select" not in each for each in conditions)
    text = (GOLDEN / "citus" / "tenant.sql").read_text()
    tables = set(re.findall(r'create policy "holdfast_tenant" on (\S+)', text))
    assert len(tables) == 2
    for each in tables:
        assert f"alter table {each} enable row level security, force row level security" in text
    with sides.held.desk() as desk:
        desk.app()
        assert desk.rows("select id from orders") == []


ROWS = (
    Row(33, "A plan that is kept serves another tenant or role", "The condition is asked anew for each run; the doctor knows the servers that mixed up roles", _old_plans_show, _old_plans_hold, ("tests/suite/test_tenant.py::test_a_prepared_plan_serves_each_tenant_its_own",), documented=True),
    Row(39, "Statistics show values; counts, sizes and sequences show totals", "Values are hidden by row security; the doctor knows the servers that showed them. **Totals are not hidden**: use UUIDs for keys", _statistics_show, _statistics_hold, ("tests/tenancy/test_hostile_list.py::test_totals_are_hidden",), fails="Totals: every role may read pg_class."),
    Row(44, "Caches, files, NOTIFY, large objects", "They are outside of the tables: `tenant_key` puts the tenant into each key. **Large objects are not held**: keep bytes in a column", _objects_show, _keys_hold, ("tests/tenancy/test_hostile_list.py::test_large_objects_are_hidden",), fails="Large objects belong to a role, and have no row security."),
    Row(45, "Logical replication sends all tenants' rows", "The doctor finds tables that are published without a row filter", _publication_shows, _publication_holds, documented=True),
    Row(49, "Yugabyte's connection manager leaves an empty setting behind", "`nullif(current_setting(…, true), '')` and SET LOCAL in every text that is installed", _shape_shows, _shape_holds, documented=True),
    Row(50, "A Citus worker that is asked by itself", "The text for Citus has the policies, FORCE and no subquery; without a setting there are no rows", _shape_shows, _worker_holds, documented=True),
)  # fmt: skip
