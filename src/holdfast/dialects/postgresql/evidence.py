"""Sealed epochs: which changes each covers, their digests, and what a verification reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.dialects.evidence import DIGESTS, RANGES, SCALARS, Evidence, Kind
from holdfast.dialects.postgresql.installed import OBJECTS
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
INSTALL_LOCK = "hashtextextended('holdfast.install', 0)"
_TIME = """to_char({0} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_MOMENT = "encode(timestamptz_send({0}), 'hex')"
"""To the microsecond, whatever the session's settings."""
_TABLE = {"change": "holdfast.change", "transaction": "holdfast.transaction", "intervention": "holdfast.intervention"}
_LAST = "from holdfast.epoch as e order by e.number desc limit 1"


def _spelled(*values: str) -> str:
    """An expression: each value after its length; NULL has no length, so no two rows spell the same."""
    return "concat(" + ", ".join(f"length({each}), ':', {each}" for each in values) + ")"


_HEAD = {
    "change": f"concat_ws(',', m.id, m.xid, {_MOMENT.format('m.at')}, m.relation, m.operation, m.tenant)",
    "transaction": f"concat_ws(',', m.id, m.xid, {_MOMENT.format('m.at')})",
    "intervention": f"concat_ws(',', m.id, {_MOMENT.format('m.at')})",
}
_BODY = {
    "change": _spelled("m.key", "m.key_last::text", "m.before", "m.after"),
    "transaction": _spelled(
        _MOMENT.format("m.committed"),
        "m.actor",
        "m.tenant",
        "m.reason",
        "m.context::text",
        "m.session_user_name",
        "m.application_name",
        "m.client_address::text",
    ),
    # With what stands in by it for what is gone: nothing can be added to it later.
    "intervention": _spelled(
        "m.kind",
        "m.actor",
        "m.reason",
        "m.details::text",
        "m.session_user_name",
        "(select string_agg(concat_ws(',', s.change, encode(s.digest, 'hex'), encode(s.remaining, 'hex')), ';'"
        " order by s.change) from holdfast.stand_in as s where s.intervention = m.id)",
        "(select string_agg(concat_ws(',', r.what, r.first, r.last), ';' order by r.what, r.first)"
        " from holdfast.removed as r where r.intervention = m.id)",
    ),
}
_XID = {"change": "m.xid::text", "transaction": "m.xid::text", "intervention": "null::text"}


def _members(kind: Kind, condition: str, parameters: dict[str, Any] | None = None) -> Query:
    # Spelled before it is sorted: what is sorted is then as narrow as it can be made.
    return Query(
        f"select w.id, w.xid, w.head, w.body from (\n"
        f"    select m.id, {_XID[kind]} as xid, {_HEAD[kind]} as head,\n        {_BODY[kind]} as body\n"
        f"    from {_TABLE[kind]} as m\n    where {condition}\n) as w\norder by w.id",
        parameters or {},
    )


_COLUMNS = ", ".join(
    [
        *(_TIME.format("e.sealed_at") + " as sealed_at" if name == "sealed_at" else f"e.{name}" for name in SCALARS),
        *(f"e.{name}" for name in (*RANGES, *DIGESTS)),
    ]
)

# A function or a trigger that was changed and changed back bears another xid; of a trigger, its copies on partitions too.
FACTS = f"""\
select json_build_object(
    'place', p.place,
    'version', current_setting('server_version_num')::integer / 10000,
    'relations', coalesce((
        select json_object_agg(r.id, json_build_object('schema', r.schema_name, 'name', r.table_name, 'key', r.key_columns,
            'policies', r.policies, 'added', r.added_columns, 'protected', r.protected,
            'since', {_MOMENT.format("r.since")},
            -- In a copy the oid is another one, and the name may be.
            'there', case when r.journal_oid = 'holdfast.relation'::regclass
                               and r.system = (select c.system_identifier from pg_control_system() as c)
                          then exists (select from pg_class as c where c.oid = r.oid)
                          else nullif(to_regclass(format('%I.%I', r.schema_name, r.table_name)) is not null, false) end))
        from holdfast.relation as r), '{{}}'),
    'columns', coalesce((
        select json_object_agg(concat(c.relation, '.', c.id),
            json_build_object('name', c.name, 'position', c.position, 'type', c.type, 'dropped', c.dropped))
        from holdfast.relation_column as c), '{{}}'),
    -- Where any trigger of ours is, copies on partitions included.
    'tables', coalesce((
        select json_agg(distinct concat(n.nspname, '.', c.relname))
        from pg_trigger as t
        join pg_proc as f on f.oid = t.tgfoid and f.pronamespace = 'holdfast'::regnamespace
        join pg_class as c on c.oid = t.tgrelid
        join pg_namespace as n on n.oid = c.relnamespace), '[]'),
    'objects', coalesce((
        select json_agg(json_build_object(
            'kind', o.kind, 'name', o.name, 'schema', o.schema_name, 'table', o.table_name,
            'state', case when not o.enabled then 'disabled'
                          when substring(o.marker from 'cat=([0-9a-f]+)') is distinct from left(md5(o.definition), 12)
                          then 'altered' else 'current' end,
            'definition', o.definition,
            'versions', case o.kind
                when 'trigger' then (
                    with recursive copies as (
                        select t.oid, t.xmin from pg_trigger as t
                        where t.tgname = o.name
                            and t.tgrelid = to_regclass(format('%I.%I', o.schema_name, o.table_name))
                        union all
                        select t.oid, t.xmin from copies join pg_trigger as t on t.tgparentid = copies.oid
                    )
                    select json_object_agg(k.oid, k.xmin::text) from copies as k)
                when 'function' then (
                    select json_object_agg(f.oid, f.xmin::text) from pg_proc as f
                    where f.pronamespace = 'holdfast'::regnamespace and f.proname = o.name)
            end) order by o.kind, o.schema_name, o.table_name, o.name)
        from (
{OBJECTS}
        ) as o
        where o.marker like 'holdfast:%' or o.ours), '[]')
)::text as document
from (
    select concat((select c.system_identifier from pg_control_system() as c), '/', 'holdfast.relation'::regclass::oid) as place
) as p"""


class PostgreSQLEvidence(Evidence):
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
            f"select {_TIME.format('clock_timestamp()')} as sealed_at,\n"
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
            return _members(kind, f"not m.id <@ coalesce((\n        {sealed}), '{{}}'::int8multirange)")
        return _members(
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
        return _members(
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

    def members(self, kind: Kind) -> Query:
        return _members(kind, "true")

    def some(self, kind: Kind, ids: Sequence[int]) -> Query:
        return _members(kind, "m.id = any (cast(cast(:ids as text) as bigint[]))", {"ids": _array(ids)})

    def described(self, ids: Sequence[int]) -> Query:
        return Query(
            "select c.id, t.id::text as transaction, r.schema_name, r.table_name, c.key, c.operation::text as operation\n"
            "from holdfast.change as c\n"
            "left join holdfast.relation as r on r.id = c.relation\n"
            "left join holdfast.transaction as t on t.xid = c.xid and t.at = c.at\n"
            "where c.id = any (cast(cast(:ids as text) as bigint[]))",
            {"ids": _array(ids)},
        )

    def running(self, snapshot: str) -> frozenset[str]:
        return frozenset(snapshot.rpartition(":")[2].split(",")) - {""}

    def epochs(self, *extra: str) -> Query:
        more = "".join(f", e.{name}" for name in extra)
        return Query(f"select {_COLUMNS}{more}\nfrom holdfast.epoch as e order by e.number", {})

    def last_epoch(self) -> Query:
        return Query(f"select {_COLUMNS}\n{_LAST}", {})

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

    def large(self, number: int) -> Query:
        return Query(
            "select e.leaves, e.root, e.seed, e.seed_digest, e.salts,\n    e.changes, e.transactions, e.interventions\nfrom holdfast.epoch as e where e.number = :number",
            {"number": number},
        )

    def add_epoch(self, values: dict[str, Any]) -> Query:
        listed = ", ".join(f"cast(:{name} as timestamptz)" if name == "sealed_at" else f":{name}" for name in values)
        return Query(f"insert into holdfast.epoch ({', '.join(values)})\nvalues ({listed})", values)

    def set_salts(self, number: int, salts: bytes | None) -> Query:
        return Query(
            "update holdfast.epoch set seed = null, salts = :salts where number = :number",
            {"salts": salts, "number": number},
        )

    def facts(self) -> str:
        return FACTS

    def quiet(self) -> str:
        return f"""\
select exists (
        select from pg_locks as l
        join (select {INSTALL_LOCK} as key) as k
            on l.classid::bigint = (k.key >> 32) & 4294967295 and l.objid::bigint = k.key & 4294967295
        where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
            and l.database = (select d.oid from pg_database as d where d.datname = current_database())
    ) as installing,
    (select s.last_value from holdfast.intervention_id_seq as s) as interventions"""

    def interventions(self) -> str:
        return (
            "select i.id, i.at, i.kind, i.actor, i.reason, i.details::text as details\n"
            "from holdfast.intervention as i order by i.id"
        )

    # ------------------------------------------------------------------ what stands for what is gone

    def stand_ins(self, ids: Sequence[int] | None = None) -> Query:
        chosen = "" if ids is None else "\nwhere s.change = any (cast(cast(:ids as text) as bigint[]))"
        return Query(
            "select s.change, s.intervention, i.kind, s.digest, s.remaining, s.salt\n"
            "from holdfast.stand_in as s\nleft join holdfast.intervention as i on i.id = s.intervention"
            f"{chosen}\norder by s.change, s.intervention",
            {} if ids is None else {"ids": _array(ids)},
        )

    def add_stand_in(self, change: int, intervention: int, digest: bytes) -> Query:
        return Query(
            "insert into holdfast.stand_in (change, intervention, digest) values (:change, :intervention, :digest)\n"
            "on conflict (change, intervention) do nothing",
            {"change": change, "intervention": intervention, "digest": digest},
        )

    def drop_salt(self, change: int, intervention: int) -> Query:
        return Query(
            "update holdfast.stand_in set salt = null where change = :change and intervention = :intervention",
            {"change": change, "intervention": intervention},
        )

    def own_stand_ins(self, intervention: int) -> Query:
        return Query(
            "select s.change from holdfast.stand_in as s\n"
            "where s.intervention = :intervention and s.remaining is null order by s.change",
            {"intervention": intervention},
        )

    def set_remaining(self, change: int, intervention: int, remaining: bytes, salt: bytes) -> Query:
        return Query(
            "update holdfast.stand_in set remaining = :remaining, salt = :salt\n"
            "where change = :change and intervention = :intervention",
            {"remaining": remaining, "salt": salt, "change": change, "intervention": intervention},
        )

    def add_removed(self, intervention: int, kind: Kind, ids: Query) -> Query:
        return Query(
            "insert into holdfast.removed (intervention, what, first, last)\n"
            f"select cast(:own_intervention as bigint), '{kind}', lower(r), upper(r) - 1\n"
            "from unnest((\n    select range_agg(int8range(w.id, w.id, '[]')) from (\n"
            f"{ids.sql}\n    ) as w)) as r\non conflict do nothing",
            {**ids.parameters, "own_intervention": intervention},
        )

    def removed(self, intervention: int | None = None) -> Query:
        return Query(
            "select r.what, r.first, r.last, r.intervention, i.kind\nfrom holdfast.removed as r\n"
            "left join holdfast.intervention as i on i.id = r.intervention\n"
            + ("" if intervention is None else "where r.intervention = :intervention\n")
            + "order by r.what, r.first",
            {} if intervention is None else {"intervention": intervention},
        )

    # ------------------------------------------------------------------ installations

    def present_transaction(self) -> str:
        return "select mod(pg_current_xact_id()::text::numeric, 4294967296)::text"


def _xips(epoch: str) -> str:
    return f"select pg_snapshot_xip(l.snapshot::pg_snapshot) from (select e.snapshot {epoch}) as l"


def _array(ids: Sequence[int]) -> str:
    return "{" + ",".join(map(str, ids)) + "}"


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
