"""The paths by which rows change, on each database, and what the journal must say of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.replay import Watched

Expected = tuple[str, str, Any, dict[str, Any] | None, dict[str, Any] | None]
"""table, operation, key, before, after"""

ITEM = Watched("item", ("id", "name", "price"), ("id",))
CHILD = Watched("child", ("id", "item_id", "note"), ("id",))
PAIR = Watched("pair", ("a", "b", "v"), ("a", "b"))
ITEMS = (
    "create table item (id integer primary key, name text, price integer)",
    "insert into item values (1, 'one', 10), (2, 'two', 20), (3, 'three', null)",
)
PAIRS = (
    "create table pair (a integer, b integer, v text, primary key (a, b))",
    "insert into pair values (1, 1, 'x'), (1, 2, 'y')",
)
ONE = {"id": 1, "name": "one", "price": 10}
TWO = {"id": 2, "name": "two", "price": 20}
THREE = {"id": 3, "name": "three", "price": None}


@dataclass(frozen=True)
class Path:
    """A way to write, and what the journal must say of it."""

    name: str
    writes: Sequence[str]
    expected: Sequence[Expected]
    setup: Sequence[str] = ITEMS
    tables: Sequence[Watched] = (ITEM,)
    before_undo: Sequence[str] = field(default=(), kw_only=True)
    """Triggers of the users' own run in an undo too; where they would write over it, it is refused."""
    minimum: int = field(default=0, kw_only=True)
    """The PostgreSQL version that has this statement."""

    def __str__(self) -> str:
        return self.name


def children(action: str, update: str = "no action") -> tuple[str, ...]:
    return (
        *ITEMS,
        (
            "create table child (id integer primary key, "
            f"item_id integer references item (id) on delete {action} on update {update}, note text)"
        ),
        "insert into child values (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c')",
    )


def updated(key: Any, before: dict[str, Any], after: dict[str, Any], table: str = "item") -> Expected:
    return table, "update", key, before, after


EVERYWHERE = [
    Path(
        "insert of one row",
        ["insert into item values (4, 'four', 40)"],
        [("item", "insert", 4, None, {"id": 4, "name": "four", "price": 40})],
    ),
    Path(
        "insert of rows, keys with gaps",
        ["insert into item (id, name) values (10, 'a'), (4, 'b'), (5, null)"],
        [
            ("item", "insert", 4, None, {"id": 4, "name": "b", "price": None}),
            ("item", "insert", 5, None, {"id": 5, "name": None, "price": None}),
            ("item", "insert", 10, None, {"id": 10, "name": "a", "price": None}),
        ],
    ),
    Path(
        "insert from a select",
        ["insert into item select id + 10, name, price from item where id < 3"],
        [
            ("item", "insert", 11, None, {**ONE, "id": 11}),
            ("item", "insert", 12, None, {**TWO, "id": 12}),
        ],
    ),
    Path("insert of no rows", ["insert into item select * from item where false"], []),
    Path("update of one row", ["update item set price = 11 where id = 1"], [updated(1, {"price": 10}, {"price": 11})]),
    Path(
        "update to null and from null",
        ["update item set name = null, price = 30 where id = 3"],
        [updated(3, {"name": "three", "price": None}, {"name": None, "price": 30})],
    ),
    Path(
        "update of many rows, some without a change",
        ["update item set price = 20"],
        [updated(1, {"price": 10}, {"price": 20}), updated(3, {"price": None}, {"price": 20})],
    ),
    Path(
        "update without a change",
        ["update item set name = name, price = price", "update item set id = 1 where id = 1"],
        [],
    ),
    Path("update of no rows", ["update item set price = 1 where id = 99"], []),
    Path("delete of one row", ["delete from item where id = 3"], [("item", "delete", 3, THREE, None)]),
    Path(
        "delete of all rows",
        ["delete from item"],
        [("item", "delete", 1, ONE, None), ("item", "delete", 2, TWO, None), ("item", "delete", 3, THREE, None)],
    ),
    Path("delete of no rows", ["delete from item where id = 99"], []),
    Path(
        "upsert, both outcomes",
        [
            (
                "insert into item values (2, 'TWO', 22), (4, 'four', 40) "
                "on conflict (id) do update set name = excluded.name, price = excluded.price"
            )
        ],
        [
            ("item", "insert", 4, None, {"id": 4, "name": "four", "price": 40}),
            updated(2, {"name": "two", "price": 20}, {"name": "TWO", "price": 22}),
        ],
    ),
    Path(
        "upsert that changes nothing",
        ["insert into item values (2, 'two', 20) on conflict (id) do update set name = excluded.name"],
        [],
    ),
    Path(
        "insert, on conflict do nothing",
        ["insert into item values (2, 'TWO', 22), (4, 'four', 40) on conflict do nothing"],
        [("item", "insert", 4, None, {"id": 4, "name": "four", "price": 40})],
    ),
    Path("insert, nothing but conflicts", ["insert into item values (2, 'TWO', 22) on conflict (id) do nothing"], []),
    Path(
        "update of the key of one row",
        ["update item set id = 9, name = 'nine' where id = 1"],
        [updated(1, ONE, None), ("item", "update", 9, None, {"id": 9, "name": "nine", "price": 10})],  # type: ignore[arg-type]
    ),
    Path(
        "update of part of a composite key",
        ["update pair set b = b + 10"],
        [
            ("pair", "update", [1, 1], {"a": 1, "b": 1, "v": "x"}, None),
            ("pair", "update", [1, 2], {"a": 1, "b": 2, "v": "y"}, None),
            ("pair", "update", [1, 11], None, {"a": 1, "b": 11, "v": "x"}),
            ("pair", "update", [1, 12], None, {"a": 1, "b": 12, "v": "y"}),
        ],
        PAIRS,
        (PAIR,),
    ),
    Path(
        "composite key: insert, update, delete",
        [
            "insert into pair values (2, 1, 'z')",
            "update pair set v = null where a = 1 and b = 1",
            "delete from pair where b = 2",
        ],
        [
            ("pair", "insert", [2, 1], None, {"a": 2, "b": 1, "v": "z"}),
            ("pair", "update", [1, 1], {"v": "x"}, {"v": None}),
            ("pair", "delete", [1, 2], {"a": 1, "b": 2, "v": "y"}, None),
        ],
        PAIRS,
        (PAIR,),
    ),
    Path(
        "the same row again and again",
        [
            "insert into item values (4, 'four', 40)",
            "update item set price = 41 where id = 4",
            "delete from item where id = 4",
            "insert into item values (4, 'FOUR', 44)",
            "update item set name = 'Four' where id = 4",
        ],
        [
            ("item", "insert", 4, None, {"id": 4, "name": "four", "price": 40}),
            updated(4, {"price": 40}, {"price": 41}),
            ("item", "delete", 4, {"id": 4, "name": "four", "price": 41}, None),
            ("item", "insert", 4, None, {"id": 4, "name": "FOUR", "price": 44}),
            updated(4, {"name": "FOUR"}, {"name": "Four"}),
        ],
    ),
    Path(
        "on delete cascade",
        ["delete from item where id = 1"],
        [
            ("item", "delete", 1, ONE, None),
            ("child", "delete", 1, {"id": 1, "item_id": 1, "note": "a"}, None),
            ("child", "delete", 2, {"id": 2, "item_id": 1, "note": "b"}, None),
        ],
        children("cascade"),
        (ITEM, CHILD),
    ),
    Path(
        "on delete set null",
        ["delete from item where id = 1"],
        [
            ("item", "delete", 1, ONE, None),
            updated(1, {"item_id": 1}, {"item_id": None}, "child"),
            updated(2, {"item_id": 1}, {"item_id": None}, "child"),
        ],
        children("set null"),
        (ITEM, CHILD),
    ),
    Path(
        "on update cascade",
        ["update item set id = 7 where id = 1"],
        [
            ("item", "update", 1, ONE, None),
            ("item", "update", 7, None, {**ONE, "id": 7}),
            updated(1, {"item_id": 1}, {"item_id": 7}, "child"),
            updated(2, {"item_id": 1}, {"item_id": 7}, "child"),
        ],
        children("no action", "cascade"),
        (ITEM, CHILD),
    ),
    Path(
        "savepoint rolled back",
        [
            "savepoint s",
            "update item set price = 99",
            "rollback to savepoint s",
            "update item set price = 11 where id = 1",
            "savepoint s",
            "delete from item",
            "rollback to savepoint s",
        ],
        [updated(1, {"price": 10}, {"price": 11})],
    ),
    Path(
        "insert with returning",
        ["insert into item values (4, 'four', 40) returning id"],
        [("item", "insert", 4, None, {"id": 4, "name": "four", "price": 40})],
    ),
    Path(
        "update from another table",
        ["update item set name = c.note from child as c where c.item_id = item.id and c.id <> 2"],
        [updated(1, {"name": "one"}, {"name": "a"}), updated(2, {"name": "two"}, {"name": "c"})],
        children("cascade"),
        (ITEM, CHILD),
    ),
]

TRIGGERED = (
    *ITEMS,
    "create table child (id integer primary key, item_id integer, note text)",
    """create function follow() returns trigger language plpgsql as $$ begin
        if tg_op = 'UPDATE' then new.price := new.price + 1; end if;
        insert into child values (new.id, new.id, 'by a trigger');
        return new; end $$""",
    "create trigger follow before insert or update on item for each row execute function follow()",
)
PART = Watched("part", ("id", "region", "v"), ("id", "region"))
PARTS = (
    "create table part (id integer, region text, v integer, primary key (id, region)) partition by list (region)",
    "create table part_north partition of part for values in ('n')",
    "create table part_south partition of part for values in ('s') partition by range (id)",
    "create table part_south_low partition of part_south for values from (0) to (100)",
    "create table part_south_rest (v integer, region text not null, id integer not null)",
    "alter table part_south attach partition part_south_rest default",
    "insert into part values (1, 'n', 1), (2, 's', 2), (200, 's', 3)",
)
PERSON = Watched("only person", ("id", "name"), ("id",))
INHERITED = (
    "create table person (id integer primary key, name text)",
    "create table pilot (hours integer, primary key (id)) inherits (person)",
    "insert into person values (1, 'a')",
    "insert into pilot values (2, 'b', 100), (3, 'c', 200)",
)
DEFERRED = (
    "create table item (id integer, name text, price integer, primary key (id) deferrable)",
    "insert into item values (1, 'one', 10), (2, 'two', 20), (3, 'three', null)",
)

POSTGRESQL = [
    *EVERYWHERE,
    Path(
        "shift of keys",
        ["update item set id = id + 1"],
        [],
        DEFERRED,
    ),
    Path("swap of keys", ["update item set id = 3 - id where id < 3"], [], DEFERRED),
    Path(
        "swap of keys in two statements",
        [
            "set constraints all deferred",
            "update item set id = 2 where id = 1",
            "update item set id = 1 where name = 'two'",
        ],
        [],
        DEFERRED,
    ),
    Path(
        "merge, all three outcomes",
        [
            """merge into item as i using (values (1, 11), (2, null), (9, 90)) as s (id, price) on i.id = s.id
            when matched and s.price is null then delete
            when matched then update set price = s.price
            when not matched then insert values (s.id, 'new', s.price)"""
        ],
        [
            ("item", "insert", 9, None, {"id": 9, "name": "new", "price": 90}),
            updated(1, {"price": 10}, {"price": 11}),
            ("item", "delete", 2, TWO, None),
        ],
        minimum=15,
    ),
    Path(
        "writable common table expressions",
        [
            """with gone as (delete from item where id < 3 returning *),
            added as (insert into child select id, id, name from gone returning id),
            changed as (update item set price = 1 where id = 3)
            select * from added"""
        ],
        [
            ("item", "delete", 1, ONE, None),
            ("item", "delete", 2, TWO, None),
            updated(3, {"price": None}, {"price": 1}),
            ("child", "insert", 1, None, {"id": 1, "item_id": 1, "note": "one"}),
            ("child", "insert", 2, None, {"id": 2, "item_id": 2, "note": "two"}),
        ],
        (*ITEMS, "create table child (id integer primary key, item_id integer, note text)"),
        (ITEM, CHILD),
    ),
    Path(
        "a function called from a select",
        ["select touch(id) from item where id <> 2 order by id"],
        [
            updated(1, {"price": 10}, {"price": 0}),
            updated(3, {"price": None}, {"price": 0}),
        ],
        (
            *ITEMS,
            "create function touch(integer) returns void language sql as 'update item set price = 0 where id = $1'",
        ),
    ),
    Path(
        "prepared statements",
        [
            "prepare change as update item set price = $2 where id = $1",
            *(f"execute change({n % 2 + 1}, {n})" for n in range(8)),
            "deallocate change",
        ],
        [
            updated(n % 2 + 1, {"price": before}, {"price": n})
            for n, before in zip(range(8), (10, 20, 0, 1, 2, 3, 4, 5), strict=True)
        ],
    ),
    Path(
        "writes made by other triggers",
        ["update item set name = 'x' where id = 1", "insert into item values (4, 'four', 40)"],
        [
            updated(1, {"name": "one", "price": 10}, {"name": "x", "price": 11}),
            ("item", "insert", 4, None, {"id": 4, "name": "four", "price": 40}),
            ("child", "insert", 1, None, {"id": 1, "item_id": 1, "note": "by a trigger"}),
            ("child", "insert", 4, None, {"id": 4, "item_id": 4, "note": "by a trigger"}),
        ],
        TRIGGERED,
        (ITEM, CHILD),
        before_undo=("drop trigger follow on item",),
    ),
    Path(
        "a trigger that changes what the writer has changed",
        ["update item set price = 5"],
        [
            updated(1, {"price": 10}, {"price": 5}),
            updated(2, {"price": 20}, {"price": 5}),
            updated(2, {"price": 5}, {"price": 0}),
            updated(3, {"price": None}, {"price": 5}),
        ],
        (
            *ITEMS,
            """create function again() returns trigger language plpgsql as $$ begin
            update item set price = 0 where id = new.id; return null; end $$""",
            (
                "create trigger again after update on item for each row "
                "when (new.id = 2 and new.price <> 0) execute function again()"
            ),
        ),
        before_undo=("drop trigger again on item",),
    ),
    Path(
        "a trigger that changes the row that was just inserted",
        ["insert into item values (4, 'four'), (5, 'five')"],
        [
            entry
            for number, name in ((4, "four"), (5, "five"))
            for entry in (
                ("item", "insert", number, None, {"id": number, "name": name, "price": None}),
                updated(number, {"price": None}, {"price": number * 10}),
            )
        ],
        (
            *ITEMS,
            """create function again() returns trigger language plpgsql as $$ begin
            update item set price = id * 10 where id = new.id; return null; end $$""",
            "create trigger again after insert on item for each row execute function again()",
        ),
    ),
    Path(
        "a trigger that deletes the row that was changed",
        ["update item set price = 0 where id = 1", "update item set price = price - 20"],
        [
            updated(1, {"price": 10}, {"price": 0}),
            ("item", "delete", 1, {**ONE, "price": 0}, None),
            updated(2, {"price": 20}, {"price": 0}),
            ("item", "delete", 2, {**TWO, "price": 0}, None),
        ],
        (
            *ITEMS,
            """create function sold() returns trigger language plpgsql as $$ begin
            delete from item where id = new.id; return null; end $$""",
            "create trigger sold after update on item for each row when (new.price = 0) execute function sold()",
        ),
    ),
    Path(
        "two foreign keys of one row, set null by one statement",
        ["delete from item where id < 3"],
        [
            ("item", "delete", 1, ONE, None),
            ("item", "delete", 2, TWO, None),
            updated(1, {"a": 1}, {"a": None}, "link"),
            updated(1, {"b": 2}, {"b": None}, "link"),
        ],
        (
            *ITEMS,
            (
                "create table link (id integer primary key, a integer references item on delete set null, "
                "b integer references item on delete set null)"
            ),
            "insert into link values (1, 1, 2), (2, 3, null)",
        ),
        (ITEM, Watched("link", ("id", "a", "b"), ("id",))),
    ),
    Path(
        "keys that a table's own foreign key follows",
        ["update tree set id = id + 10 where id < 3"],
        [],
        (
            "create table tree (id integer primary key, parent integer references tree on update cascade)",
            "insert into tree values (1, 1), (2, 1), (3, 2)",
        ),
        (Watched("tree", ("id", "parent"), ("id",)),),
    ),
    Path(
        "through a view",
        ["update cheap set name = 'x'", "delete from cheap"],
        [
            updated(1, {"name": "one"}, {"name": "x"}),
            ("item", "delete", 1, {**ONE, "name": "x"}, None),
        ],
        (*ITEMS, "create view cheap as select id, name from item where price < 20"),
    ),
    Path(
        "a partitioned table",
        [
            "insert into part values (3, 'n', 3), (300, 's', 4)",
            "update part set v = v + 1 where id < 3",
            "delete from part where id = 200",
        ],
        [
            ("part", "insert", [3, "n"], None, {"id": 3, "region": "n", "v": 3}),
            ("part", "insert", [300, "s"], None, {"id": 300, "region": "s", "v": 4}),
            ("part", "update", [1, "n"], {"v": 1}, {"v": 2}),
            ("part", "update", [2, "s"], {"v": 2}, {"v": 3}),
            ("part", "delete", [200, "s"], {"id": 200, "region": "s", "v": 3}, None),
        ],
        PARTS,
        (PART,),
    ),
    Path(
        "straight on a leaf",
        [
            "insert into part_south_low values (5, 's', 5)",
            "update part_south_rest set v = 33",
            "delete from part_north",
            "insert into part_south_rest (id, region, v) values (500, 's', 6)",
        ],
        [
            ("part", "insert", [5, "s"], None, {"id": 5, "region": "s", "v": 5}),
            ("part", "update", [200, "s"], {"v": 3}, {"v": 33}),
            ("part", "delete", [1, "n"], {"id": 1, "region": "n", "v": 1}, None),
            ("part", "insert", [500, "s"], None, {"id": 500, "region": "s", "v": 6}),
        ],
        PARTS,
        (PART,),
    ),
    Path(
        "rows that move between partitions",
        ["update part set region = 's', v = 9 where id = 1", "update part set id = 20 where id = 200"],
        [
            ("part", "delete", [1, "n"], {"id": 1, "region": "n", "v": 1}, None),
            ("part", "insert", [1, "s"], None, {"id": 1, "region": "s", "v": 9}),
            ("part", "delete", [200, "s"], {"id": 200, "region": "s", "v": 3}, None),
            ("part", "insert", [20, "s"], None, {"id": 20, "region": "s", "v": 3}),
        ],
        PARTS,
        (PART,),
    ),
    Path(
        "truncate of a partitioned table",
        ["truncate part"],
        [
            ("part", "truncate", [1, "n"], {"id": 1, "region": "n", "v": 1}, None),
            ("part", "truncate", [2, "s"], {"id": 2, "region": "s", "v": 2}, None),
            ("part", "truncate", [200, "s"], {"id": 200, "region": "s", "v": 3}, None),
        ],
        PARTS,
        (PART,),
    ),
    Path(
        "truncate of a leaf, columns in another order",
        ["truncate part_south_rest"],
        [("part", "truncate", [200, "s"], {"id": 200, "region": "s", "v": 3}, None)],
        PARTS,
        (PART,),
    ),
    Path(
        "truncate",
        ["truncate item restart identity"],
        [("item", "truncate", 1, ONE, None), ("item", "truncate", 2, TWO, None), ("item", "truncate", 3, THREE, None)],
    ),
    Path(
        "truncate cascade",
        ["truncate item cascade"],
        [
            *(("item", "truncate", row["id"], row, None) for row in (ONE, TWO, THREE)),
            ("child", "truncate", 1, {"id": 1, "item_id": 1, "note": "a"}, None),
            ("child", "truncate", 2, {"id": 2, "item_id": 1, "note": "b"}, None),
            ("child", "truncate", 3, {"id": 3, "item_id": 2, "note": "c"}, None),
        ],
        children("no action"),
        (ITEM, CHILD),
    ),
    Path("truncate of an empty table", ["truncate item"], [], (ITEMS[0],)),
    Path(
        "a row that was locked and changed meanwhile",
        ["select * from item for update", "update item set price = price + 1 where price is not null"],
        [updated(1, {"price": 10}, {"price": 11}), updated(2, {"price": 20}, {"price": 21})],
    ),
]

SQLITE = [
    *EVERYWHERE,
    Path(
        "insert or replace",
        ["insert or replace into item values (2, 'TWO', 22), (4, 'four', 40)"],
        [
            ("item", "delete", 2, TWO, None),
            ("item", "insert", 2, None, {"id": 2, "name": "TWO", "price": 22}),
            ("item", "insert", 4, None, {"id": 4, "name": "four", "price": 40}),
        ],
    ),
    Path(
        "insert or ignore",
        ["insert or ignore into item values (2, 'TWO', 22), (4, 'four', 40)"],
        [("item", "insert", 4, None, {"id": 4, "name": "four", "price": 40})],
    ),
    Path(
        "writes made by other triggers",
        ["update item set name = 'x' where id = 1"],
        [
            updated(1, {"name": "one"}, {"name": "x"}),
            ("child", "insert", 1, None, {"id": 1, "item_id": 1, "note": "by a trigger"}),
        ],
        (
            *ITEMS,
            "create table child (id integer primary key, item_id integer, note text)",
            (
                "create trigger follow after update on item begin "
                "insert into child values (new.id, new.id, 'by a trigger'); end"
            ),
        ),
        (ITEM, CHILD),
        before_undo=("drop trigger follow",),
    ),
    Path(
        "a table without rowid",
        ["update pair set v = 'z'", "delete from pair where b = 1"],
        [
            ("pair", "update", [1, 1], {"v": "x"}, {"v": "z"}),
            ("pair", "update", [1, 2], {"v": "y"}, {"v": "z"}),
            ("pair", "delete", [1, 1], {"a": 1, "b": 1, "v": "z"}, None),
        ],
        (PAIRS[0] + " without rowid", PAIRS[1]),
        (PAIR,),
    ),
]
