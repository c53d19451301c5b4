"""``holdfast tenants`` manifest, export, import, move, delete, ledger and reopen."""

from __future__ import annotations

import json
import pathlib

import pytest

from holdfast.policies import Audit, Tenant
from tests.cli.conftest import Shell
from tests.harness import Protected

HOSTILE = "o'neil; drop table notes"


@pytest.fixture
def notes(postgresql_database: str) -> Protected:
    shop = Protected(postgresql_database, kept=False)
    shop.run(
        "create table notes (id bigint primary key, tenant_id text not null, body text)",
        "create table countries (code text primary key)",
        "create schema tenant_beta",
        "create table tenant_beta.notes (id bigint primary key, tenant_id text not null, body text)",
    )
    shop.protect({"public.notes": [Tenant(), Audit()]})
    shop.run("insert into notes values (1, 'acme', 'x'), (2, 'o''neil; drop table notes', 'y')")
    return shop


@pytest.fixture
def tenants(notes: Protected, empty_folder: pathlib.Path) -> Shell:
    return Shell(notes.url)


def test_the_manifest_says_what_is_forgotten(notes: Protected, tenants: Shell) -> None:
    found = tenants("tenants", "manifest", "--json")
    assert (found.code, found.json["unrelated"]) == (0, ["countries"])
    assert found.json["tables"][0] == {"table": "notes", "column": "tenant_id", "group": 0}
    notes.run("create table invoices (tenant_id text)")
    found = tenants("tenants", "manifest", "--shared", "countries=the same for all")
    assert found.code == 1
    assert "invoices" in found.err
    assert "countries (the same for all)" in found.out
    assert tenants("tenants", "manifest", "--shared", "countries").code == 2


def test_out_and_in_and_away(notes: Protected, tenants: Shell, empty_folder: pathlib.Path) -> None:
    out = tenants("tenants", "export", HOSTILE, "--to", "a.zip", "--reason", "copy", "--json")
    assert (out.code, out.json["rows"]["notes"]) == (0, 1)
    assert tenants("tenants", "export", HOSTILE, "--to", "nowhere/a.zip", "--reason", "copy").code == 3
    looked = tenants("tenants", "delete", HOSTILE)
    assert looked.code == 0
    assert "notes: 1 row" in looked.out
    assert tenants("tenants", "delete", HOSTILE, "--yes").code == 2
    assert notes.rows("select count(*) from notes") == [(2,)]
    done = tenants("tenants", "delete", HOSTILE, "--yes", "--reason", "left", "--certificate", "c.json")
    assert done.code == 0
    assert json.loads((empty_folder / "c.json").read_text())["tables"]["notes"]["rows"] == 1
    assert notes.rows("select id from notes") == [(1,)]
    assert tenants("tenants", "delete", HOSTILE, "--yes", "--reason", "left").code == 1
    assert "HF480" in tenants("tenants", "export", "nobody", "--to", "b.zip", "--reason", "copy").err
    assert tenants("tenants", "import", "a.zip", "--as", "gamma", "--reason", "back").code == 0
    assert notes.rows("select tenant_id, body from notes where id = 2") == [("gamma", "y")]
    kinds = [each["kind"] for each in tenants("tenants", "ledger", HOSTILE, "--json").json]
    assert kinds[0] == "tenant_export"
    assert kinds[-1] == "tenant_delete"
    assert tenants("tenants", "ledger", "never").code == 1


def test_a_move_shows_its_plan(notes: Protected, tenants: Shell) -> None:
    assert tenants("tenants", "move", "acme", "--reason", "r").code == 2
    into = ("tenants", "move", "acme", "--to-schema", "tenant_beta", "--reason", "r")
    plan = tenants(*into, "--dry-run")
    assert plan.code == 0
    assert "notes: 1 row" in plan.out
    assert tenants(*into).code == 2
    assert notes.rows("select count(*) from tenant_beta.notes") == [(0,)]
    assert tenants(*into, "--yes").code == 0
    assert notes.rows("select body from tenant_beta.notes") == [("x",)]
    assert notes.rows("select count(*) from notes where tenant_id = 'acme'") == [(0,)]
    # Nothing was begun that could be given up; the tables are as they were.
    assert tenants("tenants", "reopen", "acme", "--reason", "r").code == 0
    notes.run("insert into notes values (9, 'acme', 'again')")
