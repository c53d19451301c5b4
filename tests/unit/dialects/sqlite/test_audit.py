"""Recording: what the journal holds after each kind of write."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from typing import Any

import pytest

from holdfast.policies import Audit, Guard, SoftDelete, Timestamps, Version


def test_insert_update_delete(house: Any) -> None:
    house("create table t (id integer primary key, x text, y)")
    house.protect(t=Audit())
    house("insert into t values (1, 'a', 1), (2, 'b', 2)")
    house("update t set x = 'c' where id = 1")
    house("update t set x = 'c', y = 1 where id = 1")
    house("delete from t where id = 1")
    assert house.told() == [
        ("I", 1, None, None),
        ("I", 2, None, None),
        ("U", 1, {"x": "a"}, {"x": "c"}),
        ("D", 1, {"id": 1, "x": "c", "y": 1}, None),
    ]


def test_inserts_full(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=Audit(inserts="full"))
    house("insert into t (x) values ('a'), (null)")
    assert house.told() == [("I", 1, None, {"id": 1, "x": "a"}), ("I", 2, None, {"id": 2, "x": None})]


def test_a_value_that_changes_its_type_alone_is_a_change(house: Any) -> None:
    house("create table t (id integer primary key, x, n text collate nocase)")
    house.protect(t=Audit())
    house("insert into t values (1, 1, 'a')")
    house("update t set x = 1.0")
    house("update t set x = 1.0")
    house("update t set n = 'A'")
    house("update t set x = x'31'")
    assert house.told()[1:] == [
        ("U", 1, {"x": 1}, {"x": 1.0}),
        ("U", 1, {"n": "a"}, {"n": "A"}),
        ("U", 1, {"x": 1.0}, {"x": "\\x31"}),
    ]


def test_change_of_key(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=Audit())
    house("insert into t values (1, 'a')")
    house("update t set id = 5, x = 'b'")
    assert house.told()[1:] == [
        ("U", 1, {"id": 1, "x": "a"}, None),
        ("U", 5, None, {"id": 5, "x": "b"}),
    ]


def test_exclude_and_mask_hold_in_every_copy(house: Any) -> None:
    house("create table t (id integer primary key, secret, pin, x, unique (x))")
    house.protect(t=Audit(exclude={"secret"}, mask={"pin"}, inserts="full"))
    house("insert into t values (1, 'sesame', 1234, 'a')")
    house("update t set secret = 'other', pin = 99")
    house("update t set secret = 'more'")
    house("insert or replace into t values (2, 'new', null, 'a')")
    house("update t set id = 3")
    house("delete from t")
    assert not [row for row in house("select * from holdfast_value") if "sesame" in row or 1234 in row or 99 in row]
    told = house.told()
    assert told[0] == ("I", 1, None, {"id": 1, "pin": "***", "x": "a"})
    assert told[1] == ("U", 1, {"pin": "***"}, {"pin": "***"})
    assert told[2] == ("D", 1, {"id": 1, "pin": "***", "x": "a"}, None)
    assert [each[0] for each in told] == ["I", "U", "D", "I", "U", "U", "D"]


def test_generated_columns_stay_out(house: Any) -> None:
    house("create table t (id integer primary key, x, y as (x + 1), z as (x + 2) stored)")
    house.protect(t=Audit(inserts="full"))
    house("insert into t (x) values (1)")
    house("update t set x = 2")
    house("delete from t")
    assert house.told() == [
        ("I", 1, None, {"id": 1, "x": 1}),
        ("U", 1, {"x": 1}, {"x": 2}),
        ("D", 1, {"id": 1, "x": 2}, None),
    ]


@pytest.mark.parametrize(
    "ddl, key",
    [
        ('create table "or""der\'s %s" ("select" integer primary key, "a b\nc" text)', 1),
        ('create table "or""der\'s %s" ("select" text primary key, "a b\nc" text)', "1"),
        ('create table "or""der\'s %s" ("select" text primary key, "a b\nc" text) without rowid', "1"),
        ('create table "or""der\'s %s" ("rowid" integer, "a b\nc" text, primary key ("rowid", "a b\nc"))', [1, "x"]),
        (
            'create table "or""der\'s %s" ("rowid" int, "a b\nc" text, primary key ("a b\nc", "rowid")) without rowid',
            ["x", 1],
        ),
        ('create table "or""der\'s %s" (rowid text primary key, oid integer, "_rowid_" integer)', "1"),
    ],
)
def test_any_names_and_keys(house: Any, ddl: str, key: Any) -> None:
    name = "or\"der's %s"
    house(ddl)
    house.declare({name: (Audit(),)})
    columns = [column.name for column in house[name].table.columns]
    house(f"""insert into "or""der's %s" values ({", ".join(["1", "'x'", "2"][: len(columns)])})""")
    other = [column for column in columns if column not in house[name].table.key]
    if other:
        house(f"""update "or""der's %s" set "{other[-1]}" = 7""")
    house("""delete from "or""der's %s" """)
    assert [(each[0], each[1]) for each in house.told(name)] == [
        ("I", key),
        *([("U", key)] if other else []),
        ("D", key),
    ]


def test_keys_of_every_type_are_told_apart(house: Any) -> None:
    house("create table t (k primary key)")
    house("create table p (a, b, primary key (a, b))")
    house.protect(t=Audit(), p=Audit())
    house("""insert into t values (1), (1.5), ('1'), (x'31'), ('é"'), (9e999)""")
    assert [each[1] for each in house.told()] == [1, 1.5, "1", {"blob": "31"}, 'é"', float("inf")]
    house("""insert into p values (1, '1'), (x'31', 1.0), ('{"blob":"31"}', 'é"')""")
    assert [each[1] for each in house.told("p")] == [[1, "1"], [{"blob": "31"}, 1.0], ['{"blob":"31"}', 'é"']]
    for table in ("t", "p"):
        for row in house.query(house.dialect.log.changes(house_filter(table))):
            found = house.log(table, key=row["key"])
            assert [each["id"] for each in found] == [row["id"]]
            given = {"changes": json.dumps([[row["id"], row["key"]]])}
            image = house.connection.execute(house.dialect.log.row_images(house[table]), given).fetchall()
            assert len(image) == 1, row["key"]


def house_filter(table: str) -> Any:
    from holdfast.dialects.log import LogFilter
    from holdfast.tables import TableName

    return LogFilter(table=TableName("main", table), limit=None)


def test_values_are_kept_bit_for_bit(house: Any) -> None:
    house("create table t (id integer primary key, a, b text, c real, d integer)")
    house.protect(t=Audit())
    values = ("a\0b", b"\0\xff", 0.1 + 0.2, -(2**63))
    house("insert into t values (1, ?, ?, ?, ?)", *values)
    house("update t set a = 5e-324, b = 'é', c = -1e308, d = 'x'")
    house("delete from t")
    kept = house(
        "select v.before from holdfast_value as v join holdfast_change as c on c.id = v.change where operation = 'U'"
    )
    assert [row[0] for row in kept] == list(values)
    assert house.told()[1][2:] == (
        {"a": "a\0b", "b": "\\x00ff", "c": 0.1 + 0.2, "d": -(2**63)},
        {"a": 5e-324, "b": "é", "c": -1e308, "d": "x"},
    )


def test_cascades_are_recorded(house: Any) -> None:
    house.script("""
        create table p (id integer primary key);
        create table c (id integer primary key, p references p on delete cascade on update cascade);
        insert into p values (1), (2); insert into c values (1, 1), (2, 1), (3, 2);
    """)
    house.protect(p=Audit(), c=Audit())
    house("update p set id = 9 where id = 1")
    # With foreign-key actions about, statements of one millisecond count as one.
    time.sleep(0.002)
    house("delete from p")
    assert [(each["table_name"], each["operation"], each["key"]) for each in house.log()] == [
        ("c", "U", 1), ("c", "U", 2), ("p", "U", 1), ("p", "U", 9),
        ("c", "D", 3), ("p", "D", 2), ("c", "D", 1), ("c", "D", 2), ("p", "D", 9),
    ]  # fmt: skip
    assert len({each["transaction"] for each in house.log()}) == 2


def test_wide_tables(house: Any) -> None:
    columns = [f"c{number}" for number in range(1200)]
    house(f"create table t (id integer primary key, {', '.join(columns)})")
    house.protect(t=Audit())
    house("insert into t (id) values (1)")
    house(f"update t set {', '.join(f'{name} = 1' for name in columns[:1000])}")
    assert len(house.told()[1][2]) == 1000


def test_upserts_are_updates_and_ignored_rows_are_nothing(house: Any) -> None:
    house("create table t (id integer primary key, u unique, x)")
    house.protect(t=Audit())
    house("insert into t values (1, 'a', 1), (2, 'b', 1)")
    house("insert into t values (1, 'c', 2) on conflict (id) do update set x = 2")
    house("insert into t values (3, 'a', 2) on conflict (u) do update set x = 3, id = 7")
    house("insert or ignore into t values (2, 'q', 9)")
    house("insert or ignore into t values (9, 'b', 9)")
    house("update or ignore t set u = 'b' where id = 7")
    house("delete from t where id = 2")
    house("insert into t values (2, 'z', 1)")
    assert house.told()[2:] == [
        ("U", 1, {"x": 1}, {"x": 2}),
        ("U", 1, {"id": 1, "u": "a", "x": 2}, None),
        ("U", 7, None, {"id": 7, "u": "a", "x": 3}),
        ("D", 2, {"id": 2, "u": "b", "x": 1}, None),
        ("I", 2, None, None),
    ]


def test_replaced_rows_are_recorded_once(house: Any) -> None:
    house("create table t (id integer primary key, u unique, x)")
    house.protect(t=Audit())
    house("insert into t values (1, 'a', 1), (2, 'b', 1), (3, 'c', 3)")
    house("insert or replace into t values (1, 'a', 2)")
    house("insert or replace into t values (2, 'c', 9)")
    house("replace into t (u, x) values ('c', 10)")
    house("insert into t values (8, 'h', 1)")
    house("update or replace t set u = 'h' where id = 1")
    house("update or replace t set id = 3 where id = 1")
    assert house.told()[3:] == [
        ("D", 1, {"id": 1, "u": "a", "x": 1}, None),
        ("I", 1, None, None),
        ("D", 2, {"id": 2, "u": "b", "x": 1}, None),
        ("D", 3, {"id": 3, "u": "c", "x": 3}, None),
        ("I", 2, None, None),
        ("D", 2, {"id": 2, "u": "c", "x": 9}, None),
        ("I", 3, None, None),
        ("I", 8, None, None),
        *(
            [("D", 8, {"id": 8, "u": "h", "x": 1}, None), ("U", 1, {"u": "a"}, {"u": "h"})]
            if house.told()[11][0] == "D"
            else [("U", 1, {"u": "a"}, {"u": "h"}), ("D", 8, {"id": 8, "u": "h", "x": 1}, None)]
        ),
        ("D", 3, {"id": 3, "u": "c", "x": 10}, None),
        ("U", 1, {"id": 1, "u": "h", "x": 2}, None),
        ("U", 3, None, {"id": 3, "u": "h", "x": 2}),
    ]


@pytest.mark.parametrize(
    "ddl",
    [
        "create table t (id integer primary key, u text, x); create unique index i on t (u collate nocase)",
        "create table t (id integer primary key, u text, x, unique (u collate nocase))",
        "create table t (id integer primary key, u text collate nocase, x, unique (u))",
    ],
)
def test_what_is_replaced_is_what_the_index_takes_for_the_same(house: Any, ddl: str) -> None:
    house.script(ddl)
    house("insert into t values (1, 'a', 1), (2, 'b', 2)")
    house.protect(t=Audit())
    house("insert or replace into t values (3, 'A', 3)")
    house("update or replace t set u = 'B' where id = 3")
    assert house("select * from t") == [(3, "B", 3)]
    assert sorted(house.told()) == [
        ("D", 1, {"id": 1, "u": "a", "x": 1}, None),
        ("D", 2, {"id": 2, "u": "b", "x": 2}, None),
        ("I", 3, None, None),
        ("U", 3, {"u": "A"}, {"u": "B"}),
    ]


@pytest.mark.parametrize("options", ["", "without rowid"])
def test_a_key_may_tell_apart_what_its_column_takes_for_the_same(house: Any, options: str) -> None:
    house(f"create table t (k text collate nocase not null, x, primary key (k collate binary)) {options}")
    house.protect(t=Audit())
    house("insert into t values ('a', 1), ('A', 2)")
    house("insert or ignore into t values ('a', 3)")
    house("update or replace t set k = 'A' where x = 1")
    assert house("select * from t") == [("A", 1)]
    assert sorted(house.told(), key=str) == [
        ("D", "A", {"k": "A", "x": 2}, None),
        ("I", "A", None, None),
        ("I", "a", None, None),
        ("U", "A", None, {"k": "A", "x": 1}),
        ("U", "a", {"k": "a", "x": 1}, None),
    ]


@pytest.mark.parametrize(
    "default",
    [
        "'x'",
        "pending",
        '"quoted"',
        "[in brackets]",
        "-7",
        "current_date",
        "('a' || 'b')",
        "'it''s'",
        "id",
    ],
)
def test_replace_puts_the_default_where_null_must_not_be(house: Any, default: str) -> None:
    house(f"create table t (id integer primary key, u text not null default {default}, x, unique (u))")
    house("insert into t (id, x) values (1, 1)")
    house("insert into t values (2, 'other', 2)")
    house.protect(t=Audit())
    [(value,)] = house("select u from t where id = 1")
    house("insert or replace into t values (3, null, 3)")
    house("insert or ignore into t values (4, null, 4)")
    with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
        house("insert into t values (4, null, 4)")
    assert house.told() == [("D", 1, {"id": 1, "u": value, "x": 1}, None), ("I", 3, None, None)]
    house("update or replace t set u = null where id = 2")
    assert house("select * from t") == [(2, value, 2)]
    assert sorted(house.told()[2:]) == [
        ("D", 3, {"id": 3, "u": value, "x": 3}, None),
        ("U", 2, {"u": "other"}, {"u": value}),
    ]


def test_on_conflict_replace_in_the_schema(house: Any) -> None:
    house("create table t (id integer primary key on conflict replace, x)")
    house.protect(t=Audit())
    house("insert into t values (1, 'a')")
    house("insert into t values (1, 'b'), (1, 'c')")
    assert [each[:2] for each in house.told()] == [("I", 1), ("D", 1), ("I", 1), ("D", 1), ("I", 1)]
    assert [each[2] for each in house.told() if each[0] == "D"] == [{"id": 1, "x": "a"}, {"id": 1, "x": "b"}]


def test_a_connection_that_does_not_trust_the_schema_is_recorded(house: Any) -> None:
    """Or fails: before 3.41 SQLite let no trigger use JSON functions then, which spell a key of several columns."""
    house("create table t (id integer primary key, x unique)")
    house("create table pair (a, b, x, primary key (a, b))")
    policies = (Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=9))
    house.protect(t=policies, pair=policies)
    house("pragma trusted_schema = off")
    house("insert into t (id, x) values (1, 1)")
    house("update t set x = 2")
    house("delete from t")
    assert [each[:2] for each in house.told("t")] == [("I", 1), ("U", 1), ("S", 1)]
    if sqlite3.sqlite_version_info < (3, 41):
        with contextlib.suppress(sqlite3.OperationalError):
            house("insert into pair (a, b) values (1, 'x')")
    else:
        house("insert into pair (a, b) values (1, 'x')")
    assert house("select count(*) from pair") == [(len(house.told("pair")),)]


def test_the_journal_is_append_only(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=Audit())
    house("insert into t values (1, 1)")
    house("update t set x = 2")
    for table in ("transaction", "change", "value"):
        for statement in (
            f"delete from holdfast_{table}",
            f"update holdfast_{table} set rowid = rowid"
            if table != "value"
            else "update holdfast_value set before = 1",
            f"insert or replace into holdfast_{table} select * from holdfast_{table}",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="HF201"):
                house(statement)


def test_a_rolled_back_savepoint_leaves_nothing(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=Audit())
    house("begin")
    house.bind(actor="alice")
    house("savepoint a")
    house("insert into t values (1, 1)")
    house("rollback to a")
    house("insert into t values (2, 1)")
    house("insert into t values (3, 1)")
    house.unbind()
    house("commit")
    assert [(each["key"], each["transaction"], each["actor"]) for each in house.log()] == [
        (2, "1", "alice"),
        (3, "1", "alice"),
    ]


def test_a_users_own_trigger_that_writes_the_row_again(house: Any) -> None:
    house("create table t (id integer primary key, x, touched)")
    house.protect(t=Audit())
    house("""
        create trigger touch after update of x on t when new.x not like '%!'
        begin update t set touched = new.x, x = new.x || '!' where id = new.id; end""")
    house("insert into t values (1, 'a', null)")
    transaction = house.work("update t set x = 'b'")
    assert house("select * from t") == [(1, "b!", "b")]
    told = [each for each in house.log() if each["transaction"] == transaction]
    assert sorted([(each["before"]["x"], each["after"]["x"]) for each in told]) == [("a", "b"), ("b", "b!")]
    late = house("select late > 0 from holdfast_change where operation = 'U' order by id")
    assert late == ([(0,), (1,)] if told[0]["before"]["x"] == "b" else [(0,), (0,)])
