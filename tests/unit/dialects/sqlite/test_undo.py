"""Undo: the net effect taken back exactly, or nothing written and every reason told."""

from __future__ import annotations

import json
import random
import sqlite3
from typing import Any

import pytest

from holdfast.policies import Audit, Guard, SoftDelete, Timestamps, Version


def rows(house: Any, table: str) -> list[tuple[Any, ...]]:
    columns = [column.name for column in house[table].table.columns]
    typed = ", ".join(f'"{name}", typeof("{name}")' for name in columns)
    return house(f'select {typed} from "{table}" order by 1, 3')


def test_each_kind_of_change_comes_back(house: Any) -> None:
    house("create table t (id integer primary key, x, y text unique)")
    house.protect(t=Audit())
    house.work("insert into t values (1, 'a', 'p'), (2, 2.0, 'q'), (3, x'00ff', 'r')")
    before = rows(house, "t")
    transaction = house.work(
        "update t set x = 'changed' where id = 1",
        "update t set x = 'again', y = null where id = 1",
        "delete from t where id = 2",
        "update t set id = 30 where id = 3",
        "insert into t values (4, 1, 1)",
        "insert into t values (5, 1, 2)",
        "delete from t where id = 5",
    )
    after = rows(house, "t")
    undone = house.undo(transaction)
    assert undone.conflicts == []
    assert rows(house, "t") == before
    assert sorted(undone.counts) == [(1, "delete", 2), (1, "insert", 2), (1, "update", 1)]
    again = house.undo(undone.transaction)
    assert again.conflicts == []
    assert rows(house, "t") == after
    assert house.undo(again.transaction).conflicts == []
    assert rows(house, "t") == before


def test_preview_tells_what_comes_back(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=Audit(inserts="full"))
    house.work("insert into t values (1, 'a'), (2, 'b')")
    transaction = house.work(
        "update t set x = 'c' where id = 1", "delete from t where id = 2", "insert into t values (3, null)"
    )
    preview = house.undo(transaction).preview
    assert [
        (key, action, before and json.loads(before), after and json.loads(after))
        for _, key, action, before, after in preview
    ] == [
        ("3", "delete", None, {"id": 3, "x": None}),
        ("2", "insert", {"id": 2, "x": "b"}, None),
        ("1", "update", {"x": "a"}, {"x": "c"}),
    ]


def test_a_cascade_comes_back_with_the_children(house: Any) -> None:
    house.script("""
        create table p (id integer primary key, up references p on delete cascade);
        create table c (id integer primary key, p references p on delete cascade);
        create table n (id integer primary key, p references p on delete set null on update cascade);
    """)
    house.protect(p=Audit(), c=Audit(), n=Audit())
    house.work(
        "insert into p values (1, null), (2, 1), (3, 3)",
        "insert into c values (1, 2), (2, 3)",
        "insert into n values (1, 2)",
    )
    before = [rows(house, name) for name in "pcn"]
    transaction = house.work("delete from p")
    assert house("select * from n") == [(1, None)]
    assert house.undo(transaction).conflicts == []
    assert [rows(house, name) for name in "pcn"] == before
    assert house("pragma foreign_key_check") == []
    assert house("pragma foreign_keys") == [(1,)]


def test_a_field_that_somebody_changed_since_is_a_conflict(house: Any) -> None:
    house("create table t (id integer primary key, x, y)")
    house.protect(t=Audit())
    house.work("insert into t values (1, 'a', 1)")
    transaction = house.work("update t set x = 'b'")
    house.work("update t set y = 2")
    assert house.undo(transaction).conflicts == []
    assert house("select x, y from t") == [("a", 2)]
    transaction = house.work("update t set x = 'b', y = 3")
    house.work("update t set x = 'c'")
    undone = house.undo(transaction)
    assert [(row[1], row[2], json.loads(row[3])) for row in undone.conflicts] == [
        ("1", "the row was changed since", [{"x": ["b", "c", "a"]}])
    ]
    assert house("select x, y from t") == [("c", 3)]
    assert house.undo(transaction, force=True).conflicts == []
    assert house("select x, y from t") == [("a", 2)]


def test_a_type_that_changed_since_is_a_conflict_too(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=Audit())
    house.work("insert into t values (1, 'a')")
    transaction = house.work("update t set x = 1")
    house.work("update t set x = 1.0")
    assert house.undo(transaction).why == ["the row was changed since"]


def test_rows_that_went_or_came_since(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=Audit())
    house.work("insert into t values (1, 'a'), (2, 'b')")
    update = house.work("update t set x = 'c' where id = 1")
    delete = house.work("delete from t where id = 2")
    insert = house.work("insert into t values (3, 'c')")
    house.work("delete from t where id in (1, 3)", "insert into t values (2, 'new')")
    assert house.undo(update).why == ["the row was deleted since"]
    assert house.undo(delete).why == ["a row with this key exists again"]
    assert "the row is gone already" in house.undo(insert).why
    assert house.undo(delete, force=True).why == ["a row with this key exists again"]


def test_a_created_row_that_was_changed_since(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=Audit())
    insert = house.work("insert into t values (1, 'a')")
    house.work("update t set x = 'b'")
    undone = house.undo(insert)
    assert [(row[2], json.loads(row[3])) for row in undone.conflicts] == [
        ("the row was changed since", [{"x": ["a", "b", None]}])
    ]
    assert house.undo(insert, force=True).conflicts == []
    assert house("select * from t") == []


@pytest.mark.parametrize("audited", [True, False])
def test_a_created_row_that_is_referred_to_since(house: Any, audited: bool) -> None:
    house.script("create table p (id integer primary key); create table c (id integer primary key, p references p);")
    house.protect(p=Audit(), **({"c": Audit()} if audited else {}))
    insert = house.work("insert into p values (1), (2)", "insert into c values (1, 1)")
    house.work("insert into c values (2, 2)")
    why = house.undo(insert).why
    assert why[-1] == "rows of c refer to it now (c_p_fkey)"
    assert len(why) == (1 if audited else 2)


def test_a_unique_value_that_is_taken_is_named(house: Any) -> None:
    house("create table t (id integer primary key, mail text collate nocase, unique (mail))")
    house.protect(t=Audit())
    house.work("insert into t values (1, 'a@x'), (2, 'b@x')")
    delete = house.work("delete from t where id = 1")
    update = house.work("update t set mail = 'c@x' where id = 2")
    house.work("insert into t values (8, 'A@x'), (9, 'b@x')")
    assert house.undo(delete).why == [
        'the value of sqlite_autoindex_t_1 (mail) = ("a@x") is now taken by the row with key 8'
    ]
    assert house.undo(update, force=True).why == [
        'the value of sqlite_autoindex_t_1 (mail) = ("b@x") is now taken by the row with key 9'
    ]


@pytest.mark.parametrize(
    "columns, taken",
    [
        (
            "name text collate nocase not null primary key on conflict {}, x, id",
            'the value of PRIMARY KEY (name) = ("bob") is now taken by the row with key "BOB"',
        ),
        (
            "name text not null, x, id integer primary key, unique (name collate nocase) on conflict {}",
            'the value of sqlite_autoindex_t_1 (name) = ("bob") is now taken by the row with key 2',
        ),
        (
            "name text, x, id, primary key (name collate nocase, id) on conflict {}",
            'the value of PRIMARY KEY (name, id) = ("bob", 2) is now taken by the row with key ["BOB",2]',
        ),
    ],
)
@pytest.mark.parametrize("clause", ["replace", "ignore", "rollback"])
def test_a_row_that_a_constraint_would_replace_is_in_the_way(house: Any, columns: str, taken: str, clause: str) -> None:
    house(f"create table t ({columns.format(clause)})")
    house.protect(t=Audit())
    house(f"insert into t (name, x, id) values ('bob', 1, {2 if 'id,' in columns else 1})")
    delete = house.work("delete from t")
    house("insert into t (name, x, id) values ('BOB', 'precious', 2)")
    for force in (False, True):
        assert house.undo(delete, force=force).why == [taken]
    assert house("select name, x from t") == [("BOB", "precious")]


def test_a_value_that_differs_by_the_columns_collation_alone_is_not_taken(house: Any) -> None:
    house("create table t (id integer primary key, name text collate nocase, unique (name collate binary))")
    house.protect(t=Audit())
    house("insert into t values (1, 'bob')")
    delete = house.work("delete from t")
    house("insert into t values (2, 'BOB')")
    assert house.undo(delete).conflicts == []
    assert house("select * from t") == [(1, "bob"), (2, "BOB")]


def test_values_that_a_constraint_takes_for_the_same_are_exchanged_back(house: Any) -> None:
    house("create table t (id integer primary key, name text, x, unique (name collate nocase) on conflict replace)")
    house.protect(t=Audit())
    house("insert into t values (1, 'a', 1), (2, 'b', 2)")
    before = rows(house, "t")
    transaction = house.work(
        "update t set name = 'c' where id = 1",
        "update t set name = 'A' where id = 2",
        "update t set name = 'B' where id = 1",
    )
    assert house.undo(transaction).conflicts == []
    assert rows(house, "t") == before


def test_a_parent_that_is_gone(house: Any) -> None:
    house.script("create table p (id integer primary key); create table c (id integer primary key, p references p);")
    house.protect(c=Audit())
    house("insert into p values (1)")
    house.work("insert into c values (1, 1)")
    delete = house.work("delete from c")
    house("delete from p")
    assert house.undo(delete).why == ["it refers to a row of p that is not there (c_p_fkey)"]
    assert house("select * from c") == []


@pytest.mark.parametrize(
    "parent, child, old, new, referring",
    [
        ("text collate nocase", "text", "'a'", "'Bob'", "'BOB'"),
        ("text", "", "'a'", "'1'", "1"),
        ("integer", "text", "1", "2", "'2'"),
        ("text", "integer", "'1'", "'2'", "2"),
    ],
)
@pytest.mark.parametrize("width", [1, 2])
def test_what_refers_to_a_new_value_is_compared_as_the_parent_is(
    house: Any, width: int, parent: str, child: str, old: str, new: str, referring: str
) -> None:
    """By the collation and the type of the parent's column, whatever those of the child's are."""
    columns = ", ".join("ab"[:width])
    house.script(f"""
        create table p (id integer primary key, a {parent}, b default 0, unique ({columns}));
        create table c (id integer primary key, a {child}, b default 0,
            foreign key ({columns}) references p ({columns}));
    """)
    house.protect(p=Audit(), c=Audit())
    house(f"insert into p (id, a) values (1, {old})")
    update = house.work(f"update p set a = {new}")
    house(f"insert into c (id, a) values (1, {referring})")
    name = f"c_{'_'.join('ab'[:width])}_fkey"
    for force in (False, True):
        assert house.undo(update, force=force).why == [f"rows of c refer to the value that it would lose ({name})"]
    delete = house.work("delete from c")
    assert house.undo(delete).conflicts == []
    assert house("pragma foreign_key_check") == []
    house("delete from c")
    assert house.undo(update).conflicts == []


def test_a_value_that_others_set_and_refer_to_since_stays_with_force(house: Any) -> None:
    house.script("""
        create table p (id integer primary key, a unique);
        create table c (id integer primary key, a references p (a));
        insert into p values (1, 'old');
    """)
    house.protect(p=Audit(), c=Audit())
    update = house.work("update p set a = 'new'")
    house("update p set a = 'newer'")
    house("insert into c values (1, 'newer')")
    assert house.undo(update, force=True).why == ["rows of c refer to the value that it would lose (c_a_fkey)"]
    assert house("pragma foreign_key_check") == []


def test_swapped_unique_values(house: Any) -> None:
    house("create table t (id integer primary key, place integer not null unique, secret)")
    house.protect(t=(Audit(exclude={"secret"}), Timestamps(), Version()))
    house.work("insert into t (id, place, secret) values (1, 1, 's1'), (2, 2, 's2'), (3, 3, 's3')")
    made = house("select id, place, secret, created_at from t")
    transaction = house.work(
        "update t set place = 99 where id = 1", "update t set place = 1 where id = 2",
        "update t set place = 2 where id = 3", "update t set place = 3 where id = 1",
    )  # fmt: skip
    undone = house.undo(transaction)
    assert undone.conflicts == []
    assert house("select id, place, secret, created_at from t") == made
    assert house("select min(version) from t")[0][0] > 2
    assert house.undo(undone.transaction).conflicts == []
    assert house("select id, place, secret from t order by id") == [(1, 3, "s1"), (2, 1, "s2"), (3, 2, "s3")]


def test_undo_of_a_soft_delete_and_of_its_undo(house: Any) -> None:
    house.script("""
        create table p (id integer primary key, deleted_at);
        create table c (id integer primary key, p references p on delete cascade, deleted_at);
    """)
    every = (Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=3))
    house.protect(p=every, c=every)
    house.work("insert into p (id) values (1), (2)", "insert into c (id, p) values (1, 1), (2, 1), (3, 2)")
    delete = house.work("delete from p where id = 1")
    stamp = house("select deleted_at from p where id = 1")
    undone = house.undo(delete)
    assert undone.conflicts == []
    assert house("select count(*) from c where deleted_at is null") == [(3,)]
    assert house("select id, version from c") == [(1, 3), (2, 3), (3, 1)]
    again = house.undo(undone.transaction)
    assert again.conflicts == []
    assert house("select deleted_at from p where id = 1") == stamp
    assert house("select distinct deleted_at from c where p = 1") == stamp
    insert = house.undo("1", force=True)
    assert insert.conflicts == []
    assert house("select * from p") == []


def test_the_guard_does_not_stop_an_undo(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=(Audit(), Guard(max_rows=2)))
    house.work("insert into t values (1, 1), (2, 2), (3, 3), (4, 4)")
    transaction = house.work("delete from t", allow=4)
    assert house.undo(transaction).conflicts == []
    assert house("select count(*) from t") == [(4,)]
    assert house.undo("1", force=True).conflicts == []


def test_replaced_rows_come_back(house: Any) -> None:
    house("create table t (id integer primary key, u unique, x)")
    house.protect(t=Audit())
    house.work("insert into t values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
    before = rows(house, "t")
    transaction = house.work(
        "insert or replace into t values (1, 'b', 9)", "replace into t (u) values ('c')",
        "update or replace t set u = 'b' where u = 'c'"
    )  # fmt: skip
    assert house.undo(transaction).conflicts == []
    assert rows(house, "t") == before


def test_what_a_users_own_trigger_wrote_is_taken_back_with_it(house: Any) -> None:
    house("create table t (id integer primary key, x, touched)")
    house.protect(t=Audit())
    house.work("insert into t values (1, 'a', 0), (2, 'b', 0)")
    house("""
        create trigger touch after update of x on t when new.x not like '%!'
        begin update t set touched = touched + 1, x = new.x || '!' where id = new.id; end""")
    house("create trigger again after delete on t begin insert into t values (old.id, 'back', 7); end")
    before = rows(house, "t")
    first = house.work("update t set x = 'n'", "update t set x = 'm'")
    second = house.work("delete from t where id = 2")
    assert rows(house, "t") == [
        (1, "integer", "m!", "text", 2, "integer"),
        (2, "integer", "back", "text", 7, "integer"),
    ]
    house("drop trigger touch")
    assert house.undo(second).conflicts == []
    house("drop trigger again")
    assert house.undo(first).conflicts == []
    assert rows(house, "t") == before


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_replaced_row_that_a_trigger_touches_at_once(house: Any, when: str) -> None:
    house("create table t (id integer primary key, u unique, x, touched)")
    touch = "create trigger touch after insert on t begin update t set touched = touched + 1 where id = new.id; end"
    if when == "before":
        house(touch)
    house.protect(t=Audit())
    if when == "after":
        house(touch)
    house.work("insert into t values (1, 'a', 1, 0), (2, 'b', 2, 0)")
    before = rows(house, "t")
    for statement in (
        "insert or replace into t values (1, 'a', 9, 0)",
        "insert or replace into t values (3, 'a', 9, 0)",
        "insert or replace into t values (1, 'b', 9, 0)",
        "update or replace t set id = 2, x = 7 where id = 1",
    ):
        transaction = house.work(statement)
        undone = house.undo(transaction)
        if undone.conflicts:
            # Here the trigger touches the row that comes back, too.
            assert undone.why == ["the row did not come back as it was: a trigger of the database wrote over it"]
            house("drop trigger touch")
            undone = house.undo(transaction)
            house(touch)
        assert undone.conflicts == []
        assert rows(house, "t") == before


def test_a_trigger_that_writes_over_what_comes_back_is_told(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=Audit())
    house.work("insert into t values (1, 'a')")
    delete = house.work("delete from t")
    house("create trigger meddle after insert on t begin update t set x = 'meddled' where id = new.id; end")
    assert house.undo(delete).why == ["the row did not come back as it was: a trigger of the database wrote over it"]


def test_what_the_journal_does_not_hold_is_told(house: Any) -> None:
    house("create table t (id integer primary key, x, pin, secret)")
    house.protect(t=Audit(mask={"pin"}, exclude={"secret"}))
    house.work("insert into t values (1, 'a', 1, 's'), (2, 'b', 2, 's')")
    update = house.work("update t set x = 'c', pin = 5 where id = 1")
    delete = house.work("delete from t where id = 2")
    assert house.undo(update).why == ["the journal does not keep the values of: pin"]
    assert house.undo(delete).why == ["the journal does not keep the values of: pin"]
    assert house.undo(update, force=True).conflicts == []
    assert house.undo(delete, force=True).conflicts == []
    assert house("select * from t") == [(1, "a", 5, "s"), (2, "b", None, None)]


def test_composite_keys_with_blobs_and_reals(house: Any) -> None:
    house("create table t (a, b, x, primary key (a, b)) without rowid")
    house.protect(t=Audit())
    values = [(1, 0.1), (b"\x01", "1"), ("\x01", 5e-324), ('{"blob":"01"}', "1"), ("é", -1)]
    for a, b in values:
        house("insert into t values (?, ?, 'x')", a, b)
    before = rows(house, "t")
    transaction = house.work("update t set x = 'y'")
    assert house.undo(transaction).conflicts == []
    assert rows(house, "t") == before
    transaction = house.work("delete from t")
    assert house.undo(transaction).conflicts == []
    assert rows(house, "t") == before
    transaction = house.work("update t set a = cast(a as text) || 'z', x = 1.5")
    assert house.undo(transaction).conflicts == []
    assert rows(house, "t") == before


def test_composite_keys_of_texts_that_differ_after_a_nul(house: Any) -> None:
    """A backslash before what looks like a NUL's escape is none; the other characters are those that it is read by."""
    house("create table t (a text not null, b integer not null, x, primary key (a, b))")
    house.protect(t=Audit())
    texts = ["a", "a\0", "a\0b", "a\0c", "a\\u0000", "a\\\0", "\0", "", "\x01", "\x010", "\x011\0", "\x01\0\x010"]

    def insert(texts: list[str]) -> str:
        return house.work(*(f"insert into t values (cast(x'{each.encode().hex()}' as text), 1, 'x')" for each in texts))

    def contents() -> list[Any]:
        return house("select cast(a as blob), b, x from t order by 1")

    for number, each in enumerate(texts):
        others = texts[:number] + texts[number + 1 :]
        insert(others)
        before = contents()
        transaction = insert([each])
        both = contents()
        undone = house.undo(transaction)
        assert undone.conflicts == []
        assert contents() == before
        assert house.undo(undone.transaction).conflicts == []
        assert contents() == both
        transaction = house.work(f"update t set x = 'y' where a = cast(x'{each.encode().hex()}' as text)")
        assert house.undo(transaction).conflicts == []
        assert contents() == both
        house("delete from t")


def test_only_some_tables(house: Any) -> None:
    house.script("create table a (id integer primary key); create table b (id integer primary key);")
    house.protect(a=Audit(), b=Audit())
    transaction = house.work("insert into a values (1)", "insert into b values (1)")
    assert house.undo(transaction, "a").conflicts == []
    assert (house("select * from a"), house("select * from b")) == ([], [(1,)])


def test_many_changes(house: Any) -> None:
    house("create table t (id integer primary key, a, b, c, d, u unique)")
    house.protect(t=Audit())
    numbers = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 20000)"
    house.work(f"insert into t {numbers} select i, i, 'text', i * 0.5, null, i from n")
    before = house("select sum(id), sum(a), sum(c), count(*), sum(u) from t")
    transaction = house.work(
        "update t set a = a + 1, u = u + 20000 where id > 10000", "delete from t where id <= 10000"
    )
    assert house.undo(transaction).conflicts == []
    assert house("select sum(id), sum(a), sum(c), count(*), sum(u) from t") == before


@pytest.mark.parametrize("key", ["id integer primary key", "id text primary key"])
def test_the_undo_of_an_insert_takes_time_in_proportion(house: Any, key: str) -> None:
    """Counted in steps of the virtual machine, which no load changes."""
    house(f"create table t ({key}, n integer)")
    house.protect(t=Audit())
    steps = []
    for rows in (1_000, 4_000):
        numbers = f"with recursive n (i) as (select 1 union all select i + 1 from n where i < {rows})"
        transaction = house.work(f"insert into t {numbers} select i, i from n")
        counted = [0]

        def count(counted: list[int] = counted) -> int:
            counted[0] += 1
            return 0

        house.connection.set_progress_handler(count, 100)
        assert house.undo(transaction).conflicts == []
        house.connection.set_progress_handler(None, 0)
        steps.append(counted[0])
    assert house("select count(*) from t") == [(0,)]
    assert steps[1] < 6 * steps[0]


@pytest.mark.parametrize("seed", range(12))
def test_random_work_undone_back_to_the_start(house: Any, seed: int) -> None:
    dice = random.Random(seed)
    house.script("""
        create table p (id integer primary key, u text unique, x);
        create table c (a text collate nocase, b integer, p references p on delete cascade on update cascade, x,
                        primary key (a, b)) without rowid;
    """)
    house.protect(p=Audit(inserts=dice.choice(["key", "full"])), c=(Audit(), Version()))

    def value() -> str:
        return dice.choice(["1", "1.0", "'1'", "x'31'", "null", "0.1", "'é'", "9e99", str(dice.randrange(-9, 9))])

    def statement() -> str:
        key, other = dice.randrange(1, 7), dice.randrange(1, 7)
        letter = dice.choice(["a", "A", "b"])
        return dice.choice([
            f"insert or ignore into p values ({key}, {value()}, {value()})",
            f"insert or replace into p values ({key}, {value()}, {value()})",
            f"replace into p (u, x) values ({value()}, {value()})",
            f"update or ignore p set x = {value()}, u = {value()} where id = {key}",
            f"update or replace p set u = {value()} where id = {key}",
            f"update or ignore p set id = {other} where id = {key}",
            f"update or replace p set id = {other} where id = {key}",
            f"insert into p values ({key}, {value()}, 0) on conflict (id) do update set x = {value()}",
            f"delete from p where id = {key}",
            f"insert or ignore into c (a, b, p, x) select '{letter}', {key}, id, {value()} from p where id = {other}",
            f"insert or replace into c (a, b, p, x) select '{letter}', {key}, id, {value()} from p where id = {other}",
            f"update or replace c set a = '{letter}', b = {key} where b = {other}",
            f"update c set x = {value()} where b < {key}",
            f"delete from c where b > {key}",
        ])  # fmt: skip

    states, transactions = [(rows(house, "p"), contents(house))], []
    for _ in range(12):
        transaction = attempt(house, [statement() for _ in range(dice.randrange(1, 6))])
        if transaction:
            transactions.append(transaction)
            states.append((rows(house, "p"), contents(house)))
    for transaction in reversed(transactions):
        states.pop()
        undone = house.undo(transaction)
        assert undone.conflicts == []
        assert (rows(house, "p"), contents(house)) == states[-1]
    assert house("pragma integrity_check") == [("ok",)]


def attempt(house: Any, statements: list[str]) -> str:
    """One transaction; what a constraint refuses is left out."""
    house("begin")
    house.bind(actor="dice")
    for each in statements:
        try:
            house(each)
        except sqlite3.IntegrityError:
            pass
    written = house.query(house.dialect.log.current_transaction())
    house.unbind()
    house("commit")
    return str(written[0][0]) if written else ""


def contents(house: Any) -> list[tuple[Any, ...]]:
    """Without the version, which only ever moves on."""
    return house("select a, b, p, x, typeof(x) from c order by a, b")
