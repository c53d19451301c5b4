"""Soft delete: marking, following, refusing and coming back, whoever writes."""

from __future__ import annotations

import json
import sqlite3
import time
from typing import Any

import pytest

from holdfast.errors import DeclarationError
from holdfast.policies import Audit, SoftDelete, Timestamps, Version


@pytest.fixture
def shop(house: Any) -> Any:
    house.script("""
        create table customers (id integer primary key, name text unique, deleted_at text);
        create table orders (id integer primary key, customer references customers on delete cascade, deleted_at text);
        create table items (id integer primary key, "order" references orders on delete cascade, deleted_at text);
        insert into customers (id, name) values (1, 'a'), (2, 'b');
        insert into orders (id, customer) values (10, 1), (11, 1), (20, 2);
        insert into items (id, "order") values (100, 10), (101, 10), (110, 11), (200, 20);
    """)
    house.protect(customers=(Audit(), SoftDelete()), orders=(Audit(), SoftDelete()), items=(Audit(), SoftDelete()))
    return house


def alive(house: Any, table: str) -> list[int]:
    return [row[0] for row in house(f"select id from {table} where deleted_at is null order by id")]


def test_a_raw_delete_marks_the_row_and_all_below_it(shop: Any) -> None:
    shop("delete from customers where id = 1")
    assert alive(shop, "customers") == [2]
    assert alive(shop, "orders") == [20]
    assert alive(shop, "items") == [200]
    stamps = shop(
        "select deleted_at from customers union select deleted_at from orders union select deleted_at from items"
    )
    assert len([each for each in stamps if each[0]]) == 1
    assert len(shop("select * from items")) == 4
    assert {each["operation"] for each in shop.log()} == {"S"}
    assert len(shop.log()) == 6
    assert len({each["transaction"] for each in shop.log()}) == 1
    assert all(each["after"] == {"deleted_at": stamps[-1][0]} for each in shop.log())


def test_restore_brings_back_exactly_what_went_together(shop: Any) -> None:
    shop("delete from items where id = 100")
    time.sleep(0.002)
    shop("delete from customers where id = 1")
    shop.connection.execute(shop.dialect.undo.restore(shop["customers"]), {"key": "1"}).fetchall()
    assert alive(shop, "customers") == [1, 2]
    assert alive(shop, "orders") == [10, 11, 20]
    assert alive(shop, "items") == [101, 110, 200]
    assert sum(each["operation"] == "R" for each in shop.log()) == 5


def test_restore_answers_a_row_only_for_a_dead_one(shop: Any) -> None:
    assert shop.connection.execute(shop.dialect.undo.restore(shop["customers"]), {"key": "1"}).fetchall() == []
    shop("delete from customers where id = 1")
    assert len(shop.connection.execute(shop.dialect.undo.restore(shop["customers"]), {"key": "1"}).fetchall()) == 1


def test_restore_tells_texts_apart_that_differ_after_a_nul(house: Any) -> None:
    house("create table t (a text, b integer, deleted_at, primary key (a, b)) without rowid")
    house.protect(t=(Audit(), SoftDelete()))
    texts = ["a", "a\0b", "a\\u0000b"]
    for each in texts:
        house("insert into t (a, b) values (?, 1)", each)
    house("delete from t")
    for number, each in enumerate(reversed(texts), start=1):
        restored = house.connection.execute(house.dialect.undo.restore(house["t"]), {"key": json.dumps([each, 1])})
        assert len(restored.fetchall()) == 1
        assert house("select count(*), sum(a = ?) from t where deleted_at is null", each) == [(number, 1)]


def test_restore_does_not_replace_a_living_row(house: Any) -> None:
    house("""
        create table t (id integer primary key, name text, deleted_at,
            alive text generated always as (case when deleted_at is null then name end) stored,
            unique (alive) on conflict replace)""")
    house.protect(t=(Audit(), SoftDelete()))
    house("insert into t (id, name) values (1, 'bob')")
    house("delete from t")
    house("insert into t (id, name) values (2, 'bob')")
    with pytest.raises(sqlite3.IntegrityError, match=r"UNIQUE constraint failed: t\.alive"):
        house.connection.execute(house.dialect.undo.restore(house["t"]), {"key": "1"}).fetchall()
    assert alive(house, "t") == [2]


def test_a_delete_by_update_is_stamped_and_follows(shop: Any) -> None:
    shop("update customers set deleted_at = 'whenever' where id = 1")
    stamp = shop("select deleted_at from customers where id = 1")[0][0]
    assert stamp.startswith("20")
    assert len(stamp) == 26
    assert shop("select distinct deleted_at from items where id < 200") == [(stamp,)]
    assert {each["after"]["deleted_at"] for each in shop.log()} == {stamp}


def test_a_stamp_cannot_be_moved(shop: Any) -> None:
    shop("delete from customers where id = 1")
    before = shop("select deleted_at from customers where id = 1")
    told = len(shop.log())
    shop("update customers set deleted_at = '1999-01-01' where id = 1")
    assert shop("select deleted_at from customers where id = 1") == before
    assert len(shop.log()) == told


def test_stamps_differ_between_statements(house: Any) -> None:
    house("create table t (id integer primary key)")
    house.protect(t=SoftDelete())
    house("insert into t (id) values (1), (2), (3), (4)")
    for number in (1, 2):
        house(f"update t set deleted_at = 1 where id = {number}")
    house("update t set deleted_at = 1 where id > 2")
    assert len(set(house("select deleted_at from t"))) == 3


def test_deleting_a_dead_row_does_nothing(shop: Any) -> None:
    shop("delete from items where id = 100")
    told = len(shop.log())
    shop("delete from items where id = 100")
    shop("delete from items where id = 100")
    assert len(shop.log()) == told
    assert len(shop("select * from items")) == 4


def test_a_new_child_cannot_have_a_dead_parent(shop: Any) -> None:
    shop("delete from customers where id = 1")
    for statement in (
        "insert into orders (id, customer) values (99, 1)",
        "update orders set customer = 1 where id = 20",
        "update orders set deleted_at = null where id = 10",
        'insert into items (id, "order") values (99, 10)',
    ):
        with pytest.raises(sqlite3.IntegrityError, match="HF201"):
            shop(statement)
    shop("insert into orders (id, customer, deleted_at) values (99, 1, 'x')")


def test_an_unprotected_child_cannot_have_a_dead_parent_either(house: Any) -> None:
    house.script("""
        create table p (id integer primary key);
        create table c (id integer primary key, p references p);
        insert into p values (1), (2);
    """)
    house.protect(p=SoftDelete())
    house("delete from p where id = 1")
    with pytest.raises(sqlite3.IntegrityError, match="HF201"):
        house("insert into c values (1, 1)")
    house("insert into c values (1, 2)")
    with pytest.raises(sqlite3.IntegrityError, match="HF201"):
        house("update c set p = 1")
    with pytest.raises(sqlite3.IntegrityError, match=r"HF201.*cannot be deleted while rows of c"):
        house("delete from p")
    house("delete from c")
    house("delete from p")


def test_set_default_knows_a_bare_word(house: Any) -> None:
    house.script("""
        create table p (id text primary key not null);
        create table c (id integer primary key, p text default nobody references p on delete set default);
        insert into p values ('a'), ('nobody'); insert into c values (1, 'a');
    """)
    house.protect(p=SoftDelete(), c=Audit())
    house("delete from p where id = 'a'")
    assert house("select * from c") == [(1, "nobody")]


@pytest.mark.parametrize("action, after", [("set null", None), ("set default", 7)])
def test_set_null_and_set_default_act(house: Any, action: str, after: Any) -> None:
    house.script(f"""
        create table p (id integer primary key);
        create table c (id integer primary key, p integer default 7 references p on delete {action});
        insert into p values (1), (7); insert into c values (1, 1);
    """)
    house.protect(p=SoftDelete(), c=Audit())
    house("delete from p where id = 1")
    assert house("select * from c") == [(1, after)]
    assert house.told("c") == [("U", 1, {"p": 1}, {"p": after})]


@pytest.mark.parametrize("default", ["nobody", '"nobody"', "[nobody]", "'nobody'"])
def test_set_default_takes_a_name_for_a_text(house: Any, default: str) -> None:
    house.script(f"""
        create table p (name text primary key);
        create table c (id integer primary key, nobody default 1,
            p text default {default} references p on delete set default);
        insert into p values ('ann'), ('nobody'); insert into c (id, p) values (1, 'ann');
    """)
    house.protect(p=SoftDelete(), c=Audit())
    house("delete from p where name = 'ann'")
    assert house("select p from c") == [("nobody",)]


def test_restrict_refuses_and_nothing_is_written(house: Any) -> None:
    house.script("""
        create table p (id integer primary key, deleted_at text);
        create table c (id integer primary key, p references p on delete restrict, deleted_at text);
        insert into p (id) values (1); insert into c (id, p) values (1, 1);
    """)
    house.protect(p=(Audit(), SoftDelete()), c=(Audit(), SoftDelete()))
    with pytest.raises(sqlite3.IntegrityError, match="HF201"):
        house("delete from p")
    with pytest.raises(sqlite3.IntegrityError, match="HF201"):
        house("update p set deleted_at = 1")
    assert house.told() == []
    house("delete from c")
    house("delete from p")
    assert alive(house, "p") == []


def test_a_tree_is_followed_to_its_leaves_and_back(house: Any) -> None:
    house.script("""
        create table tree (id integer primary key, up integer references tree on delete cascade, deleted_at text);
        create table leaf (id integer primary key, at integer references tree on delete cascade, deleted_at text);
        insert into tree (id, up) values (1, null), (2, 1), (3, 2), (4, 3), (5, 1), (6, null), (7, 7);
        insert into leaf (id, at) values (1, 4), (2, 5), (3, 6);
    """)
    house.protect(tree=(Audit(), SoftDelete(), Version()), leaf=(Audit(), SoftDelete()))
    house("delete from tree where id = 5")
    time.sleep(0.002)
    house("delete from tree where id = 1")
    assert (alive(house, "tree"), alive(house, "leaf")) == ([6, 7], [3])
    assert house("select id, version from tree order by id") == [(1, 2), (2, 2), (3, 2), (4, 2), (5, 2), (6, 1), (7, 1)]
    house("update tree set deleted_at = null where id = 1")
    assert (alive(house, "tree"), alive(house, "leaf")) == ([1, 2, 3, 4, 6, 7], [1, 3])
    house("delete from tree where id = 7")
    assert alive(house, "tree") == [1, 2, 3, 4, 6]
    house("delete from tree")
    assert alive(house, "tree") == []


def test_two_parents_of_one_child(house: Any) -> None:
    house.script("""
        create table a (id integer primary key, deleted_at text);
        create table b (id integer primary key, deleted_at text);
        create table c (id integer primary key, a references a on delete cascade,
                        b references b on delete cascade, deleted_at text);
        insert into a (id) values (1); insert into b (id) values (1); insert into c (id, a, b) values (1, 1, 1);
    """)
    house.protect(a=SoftDelete(), b=SoftDelete(), c=SoftDelete())
    house("delete from a")
    time.sleep(0.002)
    house("delete from b")
    with pytest.raises(sqlite3.IntegrityError, match="HF201"):
        house("update a set deleted_at = null")
    house("update b set deleted_at = null")
    assert alive(house, "c") == []
    house("update a set deleted_at = null")
    assert alive(house, "c") == [1]


def test_refuse_and_hard_delete_by_announcement(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=(Audit(), SoftDelete(raw_delete="refuse")))
    house("insert into t (id) values (1), (2)")
    with pytest.raises(sqlite3.IntegrityError, match="HF201"):
        house("delete from t where id = 1")
    house.work("delete from t where id = 1", allow="mass, hard_delete")
    assert house("select id from t") == [(2,)]
    house("update t set deleted_at = 1")
    assert house("select count(*) from t") == [(1,)]


def test_children_are_found_as_the_key_compares(house: Any) -> None:
    """By the collation of the parent's column, whatever that of the child's is."""
    house("create table p (code text collate nocase primary key, deleted_at text)")
    house("create table c (id integer primary key, p references p on delete cascade, deleted_at text)")
    house("insert into p (code) values ('a')")
    house("insert into c (id, p) values (1, 'A')")
    house.protect(p=SoftDelete(), c=SoftDelete())
    house("delete from p")
    assert alive(house, "c") == []
    house.connection.execute(house.dialect.undo.restore(house["p"]), {"key": '"a"'}).fetchall()
    assert alive(house, "c") == [1]


def test_hard_delete_runs_the_real_cascade(shop: Any) -> None:
    shop.work("delete from customers where id = 1", allow="hard_delete")
    assert shop("select count(*) from items") == [(1,)]
    assert shop("pragma foreign_key_check") == []
    assert sorted(each["operation"] for each in shop.log()) == ["D"] * 6


def test_allow_really_deletes(house: Any) -> None:
    house("create table t (id integer primary key)")
    house.protect(t=SoftDelete(raw_delete="allow"))
    house("insert into t (id) values (1)")
    house("delete from t")
    assert house("select * from t") == []


def test_replace_is_refused(house: Any) -> None:
    house("create table t (id integer primary key, u unique, x)")
    house.protect(t=SoftDelete())
    house("insert into t (id, u, x) values (1, 'a', 1), (2, 'b', 2)")
    for statement in (
        "insert or replace into t (id, u, x) values (1, 'z', 9)",
        "replace into t (u, x) values ('a', 9)",
        "update or replace t set u = 'b' where id = 1",
        "update or replace t set id = 2 where id = 1",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="constraint failed" if house.recursive else "HF201"):
            house(statement)
    house("insert into t (id, u, x) values (1, 'z', 9) on conflict (id) do update set x = 9")
    house("insert or ignore into t (id, u, x) values (2, 'z', 9)")
    assert house("select id, u, x from t") == [(1, "a", 9), (2, "b", 2)]
    assert house("pragma integrity_check") == [("ok",)]


def test_replace_is_refused_as_the_index_compares(house: Any) -> None:
    house("create table t (id integer primary key, u text, s text not null default pending unique)")
    house("create unique index i on t (u collate nocase)")
    house.protect(t=SoftDelete())
    house("insert into t (id, u) values (1, 'a')")
    for statement in (
        "insert or replace into t (id, u, s) values (2, 'A', 'other')",
        "insert or replace into t (id, u, s) values (2, 'b', null)",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="constraint failed" if house.recursive else "HF201"):
            house(statement)
    assert house("select * from t") == [(1, "a", "pending", None)]


def test_a_delete_marks_the_one_row_that_has_exactly_the_key(house: Any) -> None:
    house("create table t (k text collate nocase not null, x, primary key (k collate binary)) without rowid")
    house.protect(t=(Audit(), SoftDelete(), Version()))
    house("insert into t (k, x) values ('a', 1), ('A', 2)")
    house("delete from t where x = 1")
    assert house("select k, deleted_at is null, version from t order by x") == [("a", 0, 2), ("A", 1, 1)]
    assert [each[:2] for each in house.told() if each[0] != "I"] == [("S", "a")]


def test_times_and_version_move_with_the_mark(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=(Audit(), SoftDelete(), Timestamps(), Version()))
    house("insert into t (id, x) values (1, 'a')")
    created, updated = house("select created_at, updated_at from t")[0]
    house("delete from t")
    row = house("select created_at, updated_at, version, deleted_at from t")[0]
    assert row[0] == created
    assert row[1] > updated
    assert row[2] == 2
    assert house.told() == [("I", 1, None, None), ("S", 1, {"deleted_at": None}, {"deleted_at": row[3]})]
    house("update t set deleted_at = null")
    assert house("select version, deleted_at from t") == [(3, None)]


@pytest.mark.parametrize(
    "policies, code",
    [
        ({"c": SoftDelete()}, "HF106"),
        ({"p": SoftDelete()}, "HF107"),
        ({"p": SoftDelete(raw_delete="allow"), "c": SoftDelete()}, "HF106"),
    ],
)
def test_declarations_that_cannot_hold(house: Any, policies: Any, code: str) -> None:
    house("create table p (id integer primary key)")
    house("create table c (id integer primary key, p references p on delete cascade)")
    with pytest.raises(DeclarationError) as error:
        house.protect(**policies)
    assert error.value.code == code


def test_a_circle_of_cascades_is_refused(house: Any) -> None:
    house("create table p (id integer primary key, c references c on delete cascade)")
    house("create table c (id integer primary key, p references p on delete cascade)")
    with pytest.raises(DeclarationError, match="HF110"):
        house.protect(p=SoftDelete(), c=SoftDelete())


def test_composite_and_textual_keys(house: Any) -> None:
    house.script("""
        create table p (a text, b integer, "de""l" text, primary key (a, b)) without rowid;
        create table c (id text primary key, a, b, "de""l" text, foreign key (a, b) references p on delete cascade);
        insert into p (a, b) values ('x', 1), ('x', 2); insert into c (id, a, b) values ('1', 'x', 1), ('2', 'x', 2);
    """)
    house.protect(p=(Audit(), SoftDelete('de"l')), c=(Audit(), SoftDelete('de"l')))
    house("delete from p where b = 1")
    assert house('select id from c where "de""l" is null') == [("2",)]
    house.connection.execute(house.dialect.undo.restore(house["p"]), {"key": '["x", 1]'}).fetchall()
    assert house('select id from c where "de""l" is null') == [("1",), ("2",)]
