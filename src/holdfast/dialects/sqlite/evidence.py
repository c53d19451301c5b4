"""Sealed epochs: which changes each covers, their digests, and what a verification reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.dialects.evidence import Evidence, Kind
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.evidence_facts import FACTS
from holdfast.dialects.sqlite.evidence_members import BODY, HEAD, REAL
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


class SQLiteEvidence(Evidence):
    epoch_table = "main.holdfast_epoch"
    stand_in_table = "main.holdfast_stand_in"
    removed_table = "main.holdfast_removed"
    intervention_table = "main.holdfast_intervention"
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
            sealed = "cast(substr(e.interventions, instr(e.interventions, ',') + 1) as integer) - 1"
            last = f"select max({sealed})\n        from main.holdfast_epoch as e where e.interventions <> '{{}}'"
            return self.members(kind, f"m.id > coalesce(({last}), -1)")
        return self.members(kind, "m.id > :after and m.id <= :until", {"after": after, "until": until})

    def late(self, kind: Kind, last: int) -> Query | None:
        return None

    def unsealed(self, kind: Kind, alias: str) -> str:
        return f"{alias}.id > coalesce((select e.high_{kind} {_LAST}), 9223372036854775807)"

    def members(self, kind: Kind, condition: str = "true", parameters: Mapping[str, Any] | None = None) -> Query:
        return Query(
            f"select m.id, null as xid, {HEAD[kind]} as head,\n    {BODY[kind]} as body\n"
            f"from main.holdfast_{kind} as m\nwhere {REAL[kind]} and {condition}\norder by m.id",
            parameters or {},
        )

    def among(self, ids: Sequence[int]) -> Query:
        return Query("in (" + ", ".join(str(int(each)) for each in ids) + ")", {})

    def described(self, ids: Sequence[int]) -> Query:
        return Query(
            "select c.id, cast(c.transaction_id as text) as \"transaction\", 'main' as schema_name, r.name as table_name,\n"
            f"    {key_shown('r', 'c.key')} as key, c.operation\n"
            "from main.holdfast_change as c\nleft join main.holdfast_relation as r on r.id = c.relation\n"
            f"where c.id {self.among(ids).sql}",
            {},
        )

    def running(self, snapshot: str) -> frozenset[str]:
        return frozenset()

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

    def add_epoch(self, values: dict[str, Any]) -> Query:
        listed = ", ".join(f":{name}" for name in values)
        return Query(f"insert into main.holdfast_epoch ({', '.join(values)})\nvalues ({listed})", values)

    def facts(self) -> str:
        return FACTS

    def quiet(self) -> str:
        """Always: nobody else writes meanwhile, and a reader sees one state."""
        return "select 0 as installing, 0 as interventions"

    # ------------------------------------------------------------------ what stands for what is gone

    def add_removed(self, intervention: int, kind: Kind, ids: Query) -> Query:
        return Query(
            "insert or ignore into main.holdfast_removed (intervention, what, first, last)\n"
            f"select :own_intervention, '{kind}', min(n.id), max(n.id)\n"
            "from (select w.id, w.id - row_number() over (order by w.id) as island from (\n"
            f"{ids.sql}\n) as w) as n\ngroup by n.island",
            {**ids.parameters, "own_intervention": intervention},
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
