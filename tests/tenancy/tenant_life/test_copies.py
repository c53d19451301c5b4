"""A copy of a tenant: out into a file and back in, all of it or nothing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from holdfast.errors import HoldfastError, UnsupportedError
from holdfast.tenant_life import export_tenant, import_tenant, ledger
from tests.harness import Protected
from tests.tenancy.tenant_life.shop import HOSTILE, QUOTED, contents, place

UPPER = "create function f() returns trigger language plpgsql as $$begin new.body := upper(new.body); return new; end$$"


def test_what_comes_back_is_what_went(shop: Protected, other: Protected, tmp_path: Path) -> None:
    before = contents(shop, HOSTILE)
    file = tmp_path / "tenant.zip"
    shop.run(
        f"insert into holdfast.permission_role values ('{QUOTED}', 'clerk')",
        f"insert into holdfast.actor_role values ('{QUOTED}', 'bo', '{QUOTED}', 'clerk')",
    )
    exported = export_tenant(place(shop), HOSTILE, file, reason="copy", actor="ada", with_history=True)
    assert exported.rows["orders"] == 2
    assert exported.changes
    brought = import_tenant(place(other), file, reason="copy", actor="ada")
    assert brought.rows == exported.rows
    assert contents(other, HOSTILE) == before
    assert other.rows("select tenant, actor from holdfast.actor_role") == [(HOSTILE, "bo")]
    assert {change.operation for change in other.log()} == {"insert"}
    assert [each.kind for each in ledger(place(other), HOSTILE)] == ["tenant_import"]
    # The numbers go on after those that came.
    other.run("insert into orders (shop) values ('new')", "insert into customers (shop) values ('new')")
    assert other.rows("select id from orders where shop = 'new'") == [(12,)]
    # Once more, it is refused; under another name too, since the keys are there.
    for name in (None, "another"):
        with pytest.raises(UnsupportedError, match=r"HF482"):
            import_tenant(place(other), file, reason="copy", tenant=name)
    assert contents(other, HOSTILE) == before


def test_a_tenant_comes_under_another_name(shop: Protected, other: Protected, tmp_path: Path) -> None:
    file = tmp_path / "tenant.zip"
    shop.run(
        "insert into holdfast.permission_role values ('acme', 'reader')",
        "insert into holdfast.permission_role values ('acme', 'clerk', 'acme', 'reader')",
        "insert into holdfast.actor_role values ('acme', 'bo', 'acme', 'clerk')",
    )
    export_tenant(place(shop), "acme", file, reason="copy")
    import_tenant(place(other), file, reason="copy", tenant=HOSTILE)
    assert other.rows("select tenant, role_tenant, role from holdfast.actor_role") == [(HOSTILE, HOSTILE, "clerk")]
    assert contents(other, HOSTILE) == contents(shop, "acme")
    assert not any(contents(other, "acme").values())


def test_an_import_is_all_or_nothing(shop: Protected, other: Protected, tmp_path: Path) -> None:
    file = tmp_path / "tenant.zip"
    export_tenant(place(shop), "acme", file, reason="copy")
    other.run(UPPER)
    for spoil, mend, code in (
        ("alter table notes add extra int", "alter table notes drop extra", "HF482"),
        ("alter table notes alter body type varchar(9)", "alter table notes alter body type text", "HF482"),
        ("create table more (id int primary key, shop text not null)", "drop table more", "HF481"),
        ("delete from countries", "insert into countries values ('BE')", "HF602"),
        (
            "create trigger t before insert on notes for each row execute function f()",
            "drop trigger t on notes",
            "HF483",
        ),
    ):
        other.run(spoil)
        with pytest.raises(HoldfastError) as refused:
            import_tenant(place(other), file, reason="copy")
        assert refused.value.code == code
        assert not any(contents(other, "acme").values())
        other.run(mend)
    assert other.log() == []
    import_tenant(place(other), file, reason="copy")


def test_a_file_that_is_not_whole_is_refused(shop: Protected, other: Protected, tmp_path: Path) -> None:
    whole, edited, half = tmp_path / "whole.zip", tmp_path / "edited.zip", tmp_path / "half.zip"
    export_tenant(place(shop), "acme", whole, reason="copy")
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(edited, "w") as target:
        for each in source.namelist():
            target.writestr(each, source.read(each).replace(b"1.50", b"9.50"))
    half.write_bytes(whole.read_bytes()[:-200])
    for file in (edited, half, tmp_path / "none.zip"):
        with pytest.raises(UnsupportedError, match=r"HF482"):
            import_tenant(place(other), file, reason="copy")
    assert not any(contents(other, "acme").values())


def test_a_killed_export_leaves_no_file_of_that_name(shop: Protected, tmp_path: Path) -> None:
    file = tmp_path / "tenant.zip"

    def killed(table: str, done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_tenant(place(shop), "acme", file, reason="copy", progress=killed)
    assert not list(tmp_path.iterdir())
    file.write_text("mine")
    with pytest.raises(UnsupportedError, match=r"HF482"):
        export_tenant(place(shop), "acme", file, reason="copy")
    assert file.read_text() == "mine"


def test_an_export_is_of_one_moment(shop: Protected, other: Protected, tmp_path: Path) -> None:
    before = contents(shop, "acme")

    def meanwhile(table: str, done: int, total: int) -> None:
        if done == 1:
            shop.run(
                "insert into notes values ('acme', 'late')",
                "set local holdfast.allow = 'mass'",
                "update orders set total = 9 where shop = 'acme'",
            )

    export_tenant(place(shop), "acme", tmp_path / "a.zip", reason="copy", progress=meanwhile)
    import_tenant(place(other), tmp_path / "a.zip", reason="copy")
    assert contents(other, "acme") == before
