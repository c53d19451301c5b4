"""pgrls, a linter and prover of row security, on what holdfast generates; and both on databases that somebody broke."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

from holdfast.doctor import doctor
from tests.duties import Duties, duties
from tests.harness import Protected
from tests.servers import Servers, libpq_url

SCHEMAS = "public,sales,holdfast"


@pytest.fixture(scope="module")
def shop(servers: Servers) -> Iterator[Duties]:
    with duties(servers) as each:
        yield each


def pgrls(protected: Protected, *arguments: str, schemas: str = SCHEMAS) -> tuple[int, str]:
    from pgrls.cli import main

    outcome = CliRunner().invoke(
        main, [*arguments, "--database-url", libpq_url(protected.url), "--schemas", schemas], catch_exceptions=False
    )
    return outcome.exit_code, outcome.stdout


def configuration(protected: Protected, shop: Duties, path: Path) -> Path:
    """Where pgrls asks for somebody to look, and somebody has; each with what was seen."""
    names = {
        "triggers": "select format('%s.%s.%s', n.nspname, c.relname, t.tgname) from pg_trigger as t"
        " join pg_proc as f on f.oid = t.tgfoid and f.pronamespace = 'holdfast'::regnamespace"
        " join pg_class as c on c.oid = t.tgrelid join pg_namespace as n on n.oid = c.relnamespace",
        "functions": "select distinct 'holdfast.' || f.proname from pg_proc as f"
        " where f.pronamespace = 'holdfast'::regnamespace and f.prosecdef",
        "journal": "select 'holdfast.' || c.relname from pg_class as c"
        " where c.relnamespace = 'holdfast'::regnamespace and c.relkind in ('r', 'p')",
        "beside": "select format('%s.%s.%s', n.nspname, c.relname, p.polname) from pg_policy as p"
        " join pg_class as c on c.oid = p.polrelid join pg_namespace as n on n.oid = c.relnamespace"
        " where p.polname in ('holdfast_read', 'holdfast_all_tenants', 'holdfast_tenant_owner')",
        "keys": "select k.conname from pg_constraint as k where k.contype = 'f' and array_length(k.conkey, 1) > 1"
        " and k.conrelid in (select p.polrelid from pg_policy as p)",
        "auditor": "select format('%s.%s', p.polrelid::regclass, p.polname) from pg_policy as p"
        " where p.polname = 'holdfast_tenant_auditor'",
        "own": "select format('%s.%s', p.polrelid::regclass, p.polname) from pg_policy as p"
        " where p.polrelid in ('holdfast.change'::regclass, 'holdfast.transaction'::regclass)",
        "views": "values ('sales.orders_live'), ('holdfast.timeline')",
        "owners": "values ('holdfast.timeline'), ('holdfast.tenant_timeline')",
    }
    lists = {name: json.dumps([row[0] for row in protected.rows(sql)]) for name, sql in names.items()}
    journal = json.dumps(["holdfast.change", "holdfast.transaction"])
    beside = json.dumps([*json.loads(lists["beside"]), *json.loads(lists["auditor"])])
    path.write_text(f"""
# Asks to look at every trigger: ours record, stamp and refuse; they give back an error about the row itself at most.
[lint.rules.SEC013]
allowlist = {lists["triggers"]}
# Asks to look at every definer function: nobody may call ours but as triggers, and for those that take an argument
# it is what they are for (the application cannot read the journal: asserted below).
[lint.rules.SEC014]
allowlist = {lists["functions"]}
# Of the journal's tables the application may read two, its own rows of them, and what its tables are called in them.
[lint.rules.SEC001]
allowlist = {lists["journal"]}
# Which rows these let through is said by who asks: all_tenants that said why, what records a TRUNCATE, triggers. And
# the auditor reads the journal, all of it.
[lint.rules.SEC005]
allowlist = {beside}
[lint.rules.SEC008]
allowlist = {lists["auditor"]}
[lint.rules.SEC038]
allowlist = {lists["auditor"]}
# The journal is written by its owner's functions, for every tenant, and by nobody else: FORCE, a policy for writes and
# a tenant in each row and key are not for it. A change of a row that is nobody's has no tenant, and is shown to none.
[lint.rules.SEC002]
allowlist = {journal}
[lint.rules.SEC007]
allowlist = {journal}
[lint.rules.SEC022]
allowlist = {journal}
[lint.rules.SEC030]
allowlist = {journal}
[lint.rules.SEC035]
allowlist = ["transaction_xid_at_key", "holdfast.transaction"]
# An index by tenant would cost every change that is written; a row's changes are found by the row.
[lint.rules.PERF003]
allowlist = {lists["own"]}
# The migrator protects tables, and so is a member of the role that owns the journal.
[lint.rules.SEC048]
allowlist = ["{shop.roles.migrator}"]
# The application cannot read the timeline; the tenant's one says itself whose rows it shows.
[lint.rules.VIEW001]
allowlist = {lists["owners"]}
# The view hides nothing from those who may read the table; it leaves out marked rows, with the reader's own rights.
[lint.rules.VIEW002]
allowlist = {lists["views"]}
[lint.rules.SEC044]
grantees = ["PUBLIC", "{shop.roles.application}"]
[lint.rules.SEC047]
low_trust_roles = ["PUBLIC", "{shop.roles.application}"]
# It does not look at the columns: these carry the tenant, so a row of another tenant is the same as none.
allowlist = {lists["keys"]}
""")
    return path


def linted(protected: Protected, shop: Duties, folder: Path) -> list[tuple[str, str]]:
    """Rule and place of each finding."""
    path = configuration(protected, shop, folder / "pgrls.toml")
    code, out = pgrls(protected, "lint", "--config", str(path), "--format", "json")
    findings = [(each["rule_id"], each["location"]) for each in json.loads(out)["violations"]]
    assert code == bool(findings)
    return findings


def test_lint_finds_nothing_in_what_we_generate(shop: Duties, tmp_path: Path) -> None:
    with shop.copy() as copy:
        assert linted(copy, shop, tmp_path) == []
        # The ground of the exceptions.
        rights = "select c.relname from pg_class as c where c.relnamespace = 'holdfast'::regnamespace"
        rights += f" and c.relkind in ('r', 'p', 'v') and has_any_column_privilege('{shop.roles.application}', c.oid, "
        readable = {row[0] for row in copy.rows(f"{rights}'select')")}
        assert readable == {"change", "transaction", "relation", "relation_column", "tenant_timeline"}
        assert copy.rows(f"{rights}'insert, update')") == []


# It knows column = current_setting(…) and no nullif around it. That only makes an empty text no tenant, so it
# lets through fewer rows: what is proved of the policy without it holds with it.
PROVABLE = """\
do $$
declare
    v record;
begin
    for v in
        select p.polname, p.polrelid::regclass as target, regexp_replace(pg_get_expr(p.polqual, p.polrelid),
            'NULLIF\\((current_setting\\([^)]*\\)), ''''::text\\)', '\\1') as qual
        from pg_policy as p
        where p.polname in ('holdfast_tenant', 'holdfast_tenant_only') and p.polcmd = '*'
    loop
        execute format('alter policy %I on %s using (%s) with check (%s)', v.polname, v.target, v.qual, v.qual);
    end loop;
    -- It takes the policies of all roles together. Those of these roles are meant to let through more.
    for v in
        select p.polname, p.polrelid::regclass as target
        from pg_policy as p where p.polname in ('holdfast_read', 'holdfast_all_tenants', 'holdfast_tenant_owner')
    loop
        execute format('drop policy %I on %s', v.polname, v.target);
    end loop;
end
$$"""


def test_tenants_are_proved_apart(shop: Duties) -> None:
    with shop.copy() as copy:
        for mode in ("anon", "cross-tenant", "write", "reachability"):
            code, out = pgrls(copy, "verify", "--mode", mode)
            assert (code, "LEAK" in out) == (0, False), out
        copy.run(PROVABLE)
        for mode in ("anon", "cross-tenant", "write"):
            code, out = pgrls(copy, "verify", "--strict", "--mode", mode, schemas="public,sales")
            assert (code, out.count("PROVEN")) == (0, 4), out


# What was done, our rule, and theirs. Those of a group are done to one database.
BROKEN: dict[str, list[tuple[str, str, str]]] = {
    "rows": [
        ("alter table customers disable row level security", "row-security-off", "SEC032"),
        ("alter table events_1 disable row level security", "row-security-off", "SEC041"),
        ("alter table sales.orders no force row level security", "row-security-not-forced", "SEC002"),
        ("create policy everything on sales.orders to {app} using (true)", "permissive-policy", "SEC008"),
        ("alter policy holdfast_tenant on events using (true)", "policy-altered", "SEC038"),
        ("alter table events alter tenant_id drop not null", "tenant-nullable", "SEC030"),
        ("create table extra (id int primary key, tenant_id int)", "tenant-undeclared", "SEC001"),
        ("alter default privileges in schema public grant select on tables to {app}", "default-privileges", "SEC044"),
        ("alter role {app} bypassrls", "bypasses-row-security", "SEC016"),
        ("grant {app} to {readonly}", "bypasses-row-security", "SEC029"),
    ],
    "code": [
        ("create view names as select name from customers", "definer-view", "VIEW001"),
        (
            "create materialized view totals as select count(*) from sales.orders; grant select on totals to {app}",
            "materialized-view",
            "VIEW003",
        ),
        (
            (
                "create function all_names() returns setof text language sql security definer"
                " set search_path = public, pg_temp as 'select name from customers'"
            ),
            "definer-function",
            "SEC014",
        ),
        (
            "create function one() returns integer language sql security definer as 'select 1'",
            "definer-search-path",
            "SEC015",
        ),
        (
            (
                "create function mine() returns integer language sql immutable"
                " as $$ select current_setting('holdfast.tenant', true)::integer $$;"
                " create policy mine on customers as restrictive to {app} using (tenant_id = mine())"
            ),
            "immutable-getter",
            "SEC046",
        ),
        (
            "create policy seldom on customers as restrictive to {app} using (tenant_id > random())",
            "volatile-policy",
            "PERF002",
        ),
        ("create unique index on customers (name)", "unique-key", "SEC035"),
        (
            (
                "create table notes (id int primary key, customer_id bigint references customers);"
                " grant select, insert on notes to {app}"
            ),
            "refers-to-tenants",
            "SEC047",
        ),
    ],
}
PAIRS = [(group, *each[1:]) for group, listed in BROKEN.items() for each in listed]
Both = Callable[[str], tuple[set[str], set[str]]]


@pytest.fixture(scope="module")
def both(shop: Duties, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """The rules by which each of the two finds something in the database that a group broke."""
    known: dict[str, tuple[set[str], set[str]]] = {}
    names = {"app": shop.roles.application, "readonly": shop.roles.read_only}
    with ExitStack() as exits:

        def of(group: str) -> tuple[set[str], set[str]]:
            if group not in known:
                copy = exits.enter_context(shop.copy())
                exits.callback(
                    copy.run,
                    "alter role {app} nobypassrls".format(**names),
                    "revoke {app} from {readonly}".format(**names),
                )
                audited = configuration(copy, shop, tmp_path_factory.mktemp("pgrls") / "pgrls.toml")
                for done, _, _ in BROKEN[group]:
                    copy.run(*done.format(**names).split("; "))
                code, out = pgrls(copy, "lint", "--config", str(audited), "--format", "json")
                assert code == 1
                theirs = {each["rule_id"] for each in json.loads(out)["violations"]}
                known[group] = {each.rule for each in doctor(copy.database)}, theirs
            return known[group]

        yield of


@pytest.mark.parametrize("group, ours, theirs", PAIRS, ids=[f"{each[1]}-{each[2]}" for each in PAIRS])
def test_both_find_what_somebody_broke(both: Both, group: str, ours: str, theirs: str) -> None:
    mine, others = both(group)
    assert (ours in mine, theirs in others) == (True, True), sorted(others)
