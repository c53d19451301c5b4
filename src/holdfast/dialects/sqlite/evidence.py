"""Sealed epochs: which changes each covers, their digests, and what a verification reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.dialects.evidence import DIGESTS, RANGES, SCALARS, Evidence, Kind
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.catalog import INSTALLED, PRESENT_NAME
from holdfast.dialects.sqlite.statement import NOW
from holdfast.dialects.sqlite.values import key_shown

TABLES: dict[str, str] = {
    # leaves: 32 bytes for each member, those of changes, transactions and interventions in the order of their numbers,
    # as the ranges say. salts: 16 bytes for each once something was erased, instead of the seed. facts: what was
    # installed, where it is not what the epoch before says.
    "holdfast_epoch": """\
create table if not exists main.holdfast_epoch (
    number integer primary key,
    journal text not null,
    sealed_at text not null,
    place text not null,
    snapshot text not null,
    high_change integer not null,
    high_transaction integer not null,
    total integer not null,
    changes text not null,
    transactions text not null,
    interventions text not null,
    root blob not null,
    seed_digest blob not null,
    facts_digest blob not null,
    previous blob not null,
    hash blob not null,
    leaves blob not null,
    seed blob,
    salts blob,
    facts text
)""",
    # The numbers of changes and transactions that were taken out of the journal, rightly.
    "holdfast_removed": """\
create table if not exists main.holdfast_removed (
    intervention integer not null,
    what text not null,
    first integer not null,
    last integer not null,
    primary key (what, first, intervention)
) without rowid""",
}

_LAST = "from main.holdfast_epoch as e order by e.number desc limit 1"


def _exact(value: str) -> str:
    """An expression: the value with its type, so that no two values are spelled the same."""
    return (
        f"case typeof({value}) when 'null' then '-' when 'integer' then 'i' || {value}"
        f" when 'real' then 'r' || printf('%!.17g', {value})"
        f" when 'text' then 't' || hex({value}) else 'b' || hex({value}) end"
    )


def _spelled(*values: str) -> str:
    return " || ',' || ".join(_exact(each) for each in values)


_HEAD = {
    "change": _spelled(
        "m.id", "m.transaction_id", "m.statement", "m.relation", "m.operation", "m.side", "m.late", "m.place"
    ),
    "transaction": _spelled("m.id", "m.at"),
    "intervention": _spelled("m.id", "m.at"),
}
_BODY = {
    "change": _exact("m.key")
    + " || ';' || coalesce((\n        select group_concat("
    + _spelled("v.column_id", "v.before", "v.after", "v.masked")
    + ", ';')\n        from (select * from main.holdfast_value as v where v.change = m.id order by v.column_id) as v), '')",
    "transaction": _spelled("m.statement", "m.token", "m.actor", "m.tenant", "m.reason", "m.context"),
    # With what stands in by it for what is gone: nothing can be added to it later.
    "intervention": _spelled("m.kind", "m.actor", "m.reason", "m.details")
    + " || ';' || coalesce((select group_concat(s.change || ',' || hex(s.digest) || ',' || hex(s.remaining), ';')\n"
    "        from (select * from main.holdfast_stand_in as s where s.intervention = m.id order by s.change) as s), '')"
    " || ';' || coalesce((select group_concat(r.what || ',' || r.first || ',' || r.last, ';')\n"
    "        from (select * from main.holdfast_removed as r where r.intervention = m.id order by r.what, r.first) as r), '')",
}
# What stands for the number of a change whose table's history was purged has no content.
_REAL = {"change": "m.relation <> 0", "transaction": "true", "intervention": "true"}


def _members(kind: Kind, condition: str, parameters: dict[str, Any] | None = None) -> Query:
    return Query(
        f"select m.id, null as xid, {_HEAD[kind]} as head,\n    {_BODY[kind]} as body\n"
        f"from main.holdfast_{kind} as m\nwhere {_REAL[kind]} and {condition}\norder by m.id",
        parameters or {},
    )


def _listed(ids: Sequence[int]) -> str:
    return "(" + ", ".join(str(int(each)) for each in ids) + ")"


_COLUMNS = ", ".join(f"e.{name}" for name in (*SCALARS, *RANGES, *DIGESTS))

# An object that was dropped and made again comes last in the catalog's order, which VACUUM keeps.
FACTS = f"""\
select json_object(
    'place', '',
    'version', 3,
    'relations', (
        select json_group_object(r.id, json_object('schema', 'main', 'name', r.name, 'key', json(r.key_columns),
            'policies', json(r.policies), 'added', json(r.added_columns), 'protected', r.protected, 'since', r.since,
            'there', json(case when exists (
                select 1 from main.sqlite_schema as s where s.type = 'table' and s.name = {PRESENT_NAME} collate nocase)
                then 'true' else 'false' end)))
        from main.holdfast_relation as r),
    'columns', (
        select json_group_object(c.relation || '.' || c.id,
            json_object('name', c.name, 'position', c.position, 'type', c.type, 'dropped', c.dropped))
        from main.holdfast_column as c),
    'live', (
        select json_group_object(l.id, json_object('name', l.name, 'columns', (
            select json_group_array(x.name) from pragma_table_xinfo(l.name, 'main') as x where x.hidden <> 1)))
        from (select r.id, {PRESENT_NAME} as name from main.holdfast_relation as r where r.protected) as l),
    'objects', (
        select json_group_array(json_object(
            'kind', o.kind, 'name', o.name, 'schema', o.schema_name, 'table', o.table_name,
            'state', case when o.altered then 'altered' else 'current' end,
            'definition', o.sql, 'order', o.place))
        from (
            select i.kind, i.name, i.schema_name, i.table_name, i.altered, s.sql, s.rowid as place
            from (
{INSTALLED}
            ) as i
            join main.sqlite_schema as s on s.type = i.kind and s.name = i.name
            union all
            select s.type, s.name, 'main', s.tbl_name, false, s.sql, s.rowid
            from main.sqlite_schema as s
            where s.type = 'trigger' and s.name glob 'holdfast_*_no_*' and s.tbl_name glob 'holdfast_*'
            order by 7
        ) as o)
) as document"""


class SQLiteEvidence(Evidence):
    at_once = 20_000
    rewrites_triggers = True

    def is_there(self) -> str:
        return "select count(*) = 2 from main.sqlite_schema where type = 'table' and name in ('holdfast_epoch', 'holdfast_removed')"

    def try_seal_lock(self) -> str:
        """Always: one connection writes at a time."""
        return "select 1"

    def seal_lock(self) -> str | None:
        return None

    def begin_sealing(self) -> str | None:
        return "delete from main.holdfast_epoch where number < 0"

    def moment(self) -> str:
        return f"select {NOW} as sealed_at, '' as snapshot, '' as place"

    def reached(self) -> str:
        return (
            "select coalesce((select max(id) from main.holdfast_change), 0) as change,\n"
            '    coalesce((select max(id) from main.holdfast_transaction), 0) as "transaction"'
        )

    def fresh(self, kind: Kind, after: int, until: int) -> Query:
        if kind == "intervention":
            after = -1
        condition = "m.id > :after" + ("" if kind == "intervention" else " and m.id <= :until")
        if kind == "intervention":
            condition += (
                "\n    and m.id > coalesce((select max(cast(substr(e.interventions, instr(e.interventions, ',') + 1)"
                " as integer)) - 1\n        from main.holdfast_epoch as e where e.interventions <> '{}'), -1)"
            )
            return _members(kind, condition, {"after": after})
        return _members(kind, condition, {"after": after, "until": until})

    def late(self, kind: Kind, last: int) -> Query | None:
        return None

    def unsealed(self, kind: Kind, alias: str) -> str:
        return f"{alias}.id > coalesce((select e.high_{kind} {_LAST}), 9223372036854775807)"

    def members(self, kind: Kind) -> Query:
        return _members(kind, "true")

    def some(self, kind: Kind, ids: Sequence[int]) -> Query:
        return _members(kind, f"m.id in {_listed(ids)}")

    def described(self, ids: Sequence[int]) -> Query:
        return Query(
            "select c.id, cast(c.transaction_id as text) as \"transaction\", 'main' as schema_name, r.name as table_name,\n"
            f"    {key_shown('r', 'c.key')} as key, c.operation\n"
            "from main.holdfast_change as c\nleft join main.holdfast_relation as r on r.id = c.relation\n"
            f"where c.id in {_listed(ids)}",
            {},
        )

    def running(self, snapshot: str) -> frozenset[str]:
        return frozenset()

    def epochs(self, *extra: str) -> Query:
        more = "".join(f", e.{name}" for name in extra)
        return Query(f"select {_COLUMNS}{more}\nfrom main.holdfast_epoch as e order by e.number", {})

    def last_epoch(self) -> Query:
        return Query(f"select {_COLUMNS}\n{_LAST}", {})

    def ranges(self, kind: Kind) -> Query:
        return Query(
            f"select e.number, e.{kind}s as ranges from main.holdfast_epoch as e where e.{kind}s <> '{{}}'\n"
            f"order by cast(substr(e.{kind}s, 3) as integer), e.number",
            {},
        )

    def holders(self, kind: Kind, first: int, last: int) -> Query:
        return Query(
            "select e.number, e.changes, e.transactions, e.interventions from main.holdfast_epoch as e\n"
            f"where e.{kind}s <> '{{}}' and cast(substr(e.{kind}s, 3) as integer) <= :last\norder by e.number",
            {"last": last},
        )

    def large(self, number: int) -> Query:
        return Query(
            "select e.leaves, e.root, e.seed, e.seed_digest, e.salts,\n    e.changes, e.transactions, e.interventions\nfrom main.holdfast_epoch as e where e.number = :number",
            {"number": number},
        )

    def add_epoch(self, values: dict[str, Any]) -> Query:
        listed = ", ".join(f":{name}" for name in values)
        return Query(f"insert into main.holdfast_epoch ({', '.join(values)})\nvalues ({listed})", values)

    def set_salts(self, number: int, salts: bytes | None) -> Query:
        return Query(
            "update main.holdfast_epoch set seed = null, salts = :salts where number = :number",
            {"salts": salts, "number": number},
        )

    def facts(self) -> str:
        return FACTS

    def quiet(self) -> str:
        """Always: nobody else writes meanwhile, and a reader sees one state."""
        return "select 0 as installing, 0 as interventions"

    def interventions(self) -> str:
        return (
            "select i.id, i.at, i.kind, i.actor, i.reason, i.details from main.holdfast_intervention as i order by i.id"
        )

    # ------------------------------------------------------------------ what stands for what is gone

    def stand_ins(self, ids: Sequence[int] | None = None) -> Query:
        chosen = "" if ids is None else f"\nwhere s.change in {_listed(ids)}"
        return Query(
            "select s.change, s.intervention, i.kind, s.digest, s.remaining, s.salt\n"
            "from main.holdfast_stand_in as s\nleft join main.holdfast_intervention as i on i.id = s.intervention"
            f"{chosen}\norder by s.change, s.intervention",
            {},
        )

    def add_stand_in(self, change: int, intervention: int, digest: bytes) -> Query:
        return Query(
            "insert into main.holdfast_stand_in (change, intervention, digest) values (:change, :intervention, :digest)\n"
            "on conflict (change, intervention) do nothing",
            {"change": change, "intervention": intervention, "digest": digest},
        )

    def drop_salt(self, change: int, intervention: int) -> Query:
        return Query(
            "update main.holdfast_stand_in set salt = null where change = :change and intervention = :intervention",
            {"change": change, "intervention": intervention},
        )

    def own_stand_ins(self, intervention: int) -> Query:
        return Query(
            "select s.change from main.holdfast_stand_in as s\n"
            "where s.intervention = :intervention and s.remaining is null order by s.change",
            {"intervention": intervention},
        )

    def set_remaining(self, change: int, intervention: int, remaining: bytes, salt: bytes) -> Query:
        return Query(
            "update main.holdfast_stand_in set remaining = :remaining, salt = :salt\n"
            "where change = :change and intervention = :intervention",
            {"remaining": remaining, "salt": salt, "change": change, "intervention": intervention},
        )

    def add_removed(self, intervention: int, kind: Kind, ids: Query) -> Query:
        return Query(
            "insert or ignore into main.holdfast_removed (intervention, what, first, last)\n"
            f"select :own_intervention, '{kind}', min(n.id), max(n.id)\n"
            "from (select w.id, w.id - row_number() over (order by w.id) as island from (\n"
            f"{ids.sql}\n) as w) as n\ngroup by n.island",
            {**ids.parameters, "own_intervention": intervention},
        )

    def removed(self, intervention: int | None = None) -> Query:
        return Query(
            "select r.what, r.first, r.last, r.intervention, i.kind\nfrom main.holdfast_removed as r\n"
            "left join main.holdfast_intervention as i on i.id = r.intervention\n"
            + ("" if intervention is None else "where r.intervention = :intervention\n")
            + "order by r.what, r.first",
            {} if intervention is None else {"intervention": intervention},
        )

    # ------------------------------------------------------------------ installations

    def present_transaction(self) -> str:
        return "select null"


def purge(relation: int) -> tuple[str, ...]:
    """Writes down which changes and transactions are about to be removed with a table's whole history."""
    # Where nothing was ever sealed, the numbers are given again.
    sealed = "exists (select 1 from main.holdfast_epoch)"
    changes = f"select c.id from main.holdfast_change as c where c.relation = {relation} and {sealed}"
    transactions = f"""\
select t.id from main.holdfast_transaction as t
    where t.id < (select max(id) from main.holdfast_transaction) and {sealed}
        and not exists (select 1 from main.holdfast_change as c where c.transaction_id = t.id and c.relation <> {relation})"""
    evidence = SQLiteEvidence()
    statements = [
        "insert into main.holdfast_intervention (at, kind, details)\n"
        f"select {NOW}, 'purge', json_object('relation', r.id, 'table', r.name)\n"
        f"from main.holdfast_relation as r where r.id = {relation}"
    ]
    removed: tuple[tuple[Kind, str], ...] = (("change", changes), ("transaction", transactions))
    for kind, ids in removed:
        sql = evidence.add_removed(0, kind, Query(ids, {})).sql
        statements.append(sql.replace(":own_intervention", "(select max(id) from main.holdfast_intervention)"))
    return tuple(statements)
