"""Sealed epochs: which changes each covers, their digests, and what a verification reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.dialects.evidence import Evidence, Kind
from holdfast.dialects.postgresql.evidence_facts import FACTS, QUIET
from holdfast.dialects.postgresql.evidence_members import BODY, HEAD, TIME, XID
from holdfast.dialects.query import Query

TABLES: dict[str, str] = {
    # leaves: 32 bytes for each member, those of changes, transactions and interventions in the order of their numbers,
    # as the ranges say (an int8multirange as text). salts: 16 bytes for each once something was erased, instead of
    # the seed. facts: what was installed, where it is not what the epoch before says.
    "epoch": """\
create table if not exists holdfast.epoch (
    number bigint primary key,
    journal text not null,
    sealed_at timestamptz not null,
    place text not null,
    snapshot text not null,
    high_change bigint not null,
    high_transaction bigint not null,
    total bigint not null,
    changes text not null,
    transactions text not null,
    interventions text not null,
    root bytea not null,
    seed_digest bytea not null,
    facts_digest bytea not null,
    previous bytea not null,
    hash bytea not null,
    leaves bytea not null,
    seed bytea,
    salts bytea,
    facts text
)""",
    # The numbers of changes and transactions that were taken out of the journal, rightly.
    "removed": """\
create table if not exists holdfast.removed (
    intervention bigint not null references holdfast.intervention,
    what text not null,
    first bigint not null,
    last bigint not null,
    primary key (what, first, intervention)
)""",
}

LOCK = "hashtextextended('holdfast.seal', 0)"
_LAST = "from holdfast.epoch as e order by e.number desc limit 1"


class PostgreSQLEvidence(Evidence):
    epoch_table = "holdfast.epoch"
    stand_in_table = "holdfast.stand_in"
    removed_table = "holdfast.removed"
    intervention_table = "holdfast.intervention"
    sealed_at = TIME.format("e.sealed_at")
    at_once = 100_000
    rewrites_triggers = False

    def is_there(self) -> str:
        return "select to_regclass('holdfast.epoch') is not null and to_regclass('holdfast.removed') is not null"

    def try_seal_lock(self) -> str:
        return f"select pg_try_advisory_lock({LOCK})"

    def seal_unlock(self) -> str:
        return f"select pg_advisory_unlock({LOCK})"

    def seal_lock(self) -> str | None:
        return f"select pg_advisory_xact_lock({LOCK})"

    def moment(self) -> str:
        # A snapshot ends with the last transaction that is over. Those after it that had begun by then may have numbers
        # below the highest that is sealed, so they are named too; the next one is that from which age() counts.
        return (
            f"select {TIME.format('clock_timestamp()')} as sealed_at,\n"
            "    concat(pg_snapshot_xmin(n.s), ':', n.next, ':', (select string_agg(r.xid, ',' order by r.xid::bigint) from (\n"
            "        select x::text as xid from pg_snapshot_xip(n.s) as x\n"
            "        union all\n"
            "        select generate_series(n.over, n.next - 1)::text) as r)) as snapshot,\n"
            "    concat((select c.system_identifier from pg_control_system() as c), '/', "
            "'holdfast.relation'::regclass::oid) as place\n"
            "from (select s, pg_snapshot_xmax(s)::text::bigint as over,\n"
            "        pg_snapshot_xmax(s)::text::bigint + age(pg_snapshot_xmax(s)::xid) as next\n"
            "    from pg_current_snapshot() as s) as n"
        )

    def reached(self) -> str:
        return (
            "select (select case when s.is_called then s.last_value else 0 end from holdfast.change_id as s) as change,\n"
            "    (select case when s.is_called then s.last_value else 0 end from holdfast.transaction_id_seq as s)"
            " as transaction"
        )

    def fresh(self, kind: Kind, after: int, until: int) -> Query:
        if kind == "intervention":
            # There are few of them, and one that commits late must not be missed.
            sealed = (
                "select range_agg(r) from holdfast.epoch as e\n"
                "        cross join lateral unnest(e.interventions::int8multirange) as r"
            )
            return self.members(kind, f"not m.id <@ coalesce((\n        {sealed}), '{{}}'::int8multirange)")
        return self.members(
            kind,
            "m.id > cast(:after as bigint) and m.id <= cast(:until as bigint)",
            {"after": after, "until": until},
        )

    def late(self, kind: Kind, last: int) -> Query | None:
        if kind == "intervention":
            return None
        that = f"from holdfast.epoch as e where e.number = {last:d}"
        # Numbers up to that of the last epoch whose transactions had all ended when the last seal was made, are settled.
        settled = (
            f"select s.high_{kind} from holdfast.epoch as s\n"
            "        where s.place <> e.place\n"
            "            or pg_snapshot_xmax(s.snapshot::pg_snapshot) <= pg_snapshot_xmin(e.snapshot::pg_snapshot)\n"
            "        order by s.number desc limit 1"
        )
        return self.members(
            kind,
            f"exists ({_xips(that)})\n"
            f"    and m.id > coalesce((select ({settled}) {that}), 0)\n"
            f"    and m.id <= (select e.high_{kind} {that})\n"
            f"    and m.xid = any (array({_xips(that)}))",
        )

    def unsealed(self, kind: Kind, alias: str) -> str:
        return (
            f"({alias}.id > coalesce((select e.high_{kind} {_LAST}), 9223372036854775807)\n"
            f"    or {alias}.xid = any (array({_xips(_LAST)})))"
        )

    def members(self, kind: Kind, condition: str = "true", parameters: Mapping[str, Any] | None = None) -> Query:
        # Spelled before it is sorted: what is sorted is then as narrow as it can be made.
        return Query(
            f"select w.id, w.xid, w.head, w.body from (\n"
            f"    select m.id, {XID[kind]} as xid, {HEAD[kind]} as head,\n        {BODY[kind]} as body\n"
            f"    from holdfast.{kind} as m\n    where {condition}\n) as w\norder by w.id",
            parameters or {},
        )

    def among(self, ids: Sequence[int]) -> Query:
        return Query("= any (cast(cast(:ids as text) as bigint[]))", {"ids": "{" + ",".join(map(str, ids)) + "}"})

    def described(self, ids: Sequence[int]) -> Query:
        among = self.among(ids)
        return Query(
            "select c.id, t.id::text as transaction, r.schema_name, r.table_name, c.key, c.operation::text as operation\n"
            "from holdfast.change as c\n"
            "left join holdfast.relation as r on r.id = c.relation\n"
            "left join holdfast.transaction as t on t.xid = c.xid and t.at = c.at\n"
            f"where c.id {among.sql}",
            among.parameters,
        )

    def running(self, snapshot: str) -> frozenset[str]:
        return frozenset(snapshot.rpartition(":")[2].split(",")) - {""}

    def ranges(self, kind: Kind) -> Query:
        return Query(
            f"select e.number, e.{kind}s as ranges from holdfast.epoch as e where e.{kind}s <> '{{}}'\n"
            f"order by lower(e.{kind}s::int8multirange), e.number",
            {},
        )

    def holders(self, kind: Kind, first: int, last: int) -> Query:
        return Query(
            "select e.number, e.changes, e.transactions, e.interventions from holdfast.epoch as e\n"
            f"where e.{kind}s::int8multirange && int8range(cast(:first as bigint), cast(:last as bigint), '[]')\n"
            "order by e.number",
            {"first": first, "last": last},
        )

    def add_epoch(self, values: dict[str, Any]) -> Query:
        listed = ", ".join(f"cast(:{name} as timestamptz)" if name == "sealed_at" else f":{name}" for name in values)
        return Query(f"insert into holdfast.epoch ({', '.join(values)})\nvalues ({listed})", values)

    def facts(self) -> str:
        return FACTS

    def quiet(self) -> str:
        return QUIET

    # ------------------------------------------------------------------ what stands for what is gone

    def add_removed(self, intervention: int, kind: Kind, ids: Query) -> Query:
        return Query(
            "insert into holdfast.removed (intervention, what, first, last)\n"
            f"select cast(:own_intervention as bigint), '{kind}', lower(r), upper(r) - 1\n"
            "from unnest((\n    select range_agg(int8range(w.id, w.id, '[]')) from (\n"
            f"{ids.sql}\n    ) as w)) as r\non conflict do nothing",
            {**ids.parameters, "own_intervention": intervention},
        )

    # ------------------------------------------------------------------ installations

    def present_transaction(self) -> str:
        return "select mod(pg_current_xact_id()::text::numeric, 4294967296)::text"


def _xips(epoch: str) -> str:
    return f"select pg_snapshot_xip(l.snapshot::pg_snapshot) from (select e.snapshot {epoch}) as l"


def purge(relation: int) -> tuple[str, ...]:
    """Writes down which changes of a table are about to be removed with its whole history."""
    return (
        f"select pg_advisory_xact_lock({LOCK})",
        f"""\
with noted as (
    insert into holdfast.intervention (kind, details)
    select 'purge', jsonb_build_object('relation', r.id, 'table', concat(r.schema_name, '.', r.table_name))
    from holdfast.relation as r where r.id = {relation}
    returning id
)
insert into holdfast.removed (intervention, what, first, last)
select n.id, 'change', lower(r), upper(r) - 1
from noted as n
cross join lateral unnest((
    select range_agg(int8range(c.id, c.id, '[]')) from holdfast.change as c where c.relation = {relation})) as r""",
    )
