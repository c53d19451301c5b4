"""What may go: old changes of the journal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from holdfast.dialects.query import Query
from holdfast.dialects.retention import Part, Retention, Rules
from holdfast.dialects.sqlite.log import document
from holdfast.dialects.sqlite.statement import MAINTAIN, MAINTAINED
from holdfast.dialects.sqlite.values import key_shown

# The newest transaction stays as a whole, so that no number is given twice.
_NEWEST = "(select max(m.transaction_id) from main.holdfast_change as m)"


def moment(value: datetime) -> str:
    """As the journal writes times: UTC, to the millisecond."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rules(until: Mapping[int, datetime]) -> dict[str, Any]:
    return {"rules": json.dumps([[relation, moment(at)] for relation, at in until.items()])}


def _waited_for(rules: Rules) -> str:
    if rules.unread == "false":
        return "false"
    seconds = f"-{rules.patience.total_seconds():.0f} seconds"
    until = f"strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(rule.value, '$[1]'), '{seconds}')"
    return f"({rules.unread} and t.at >= {until})"


class SQLiteRetention(Retention):
    # ------------------------------------------------------------------ parts

    def try_lock(self) -> str:
        """Always: each batch is one write transaction, and SQLite lets one connection write at a time."""
        return "select 1"

    def identity(self) -> str:
        return "select 'sqlite ' || d.file from pragma_database_list as d where d.name = 'main'"

    def parts(self) -> str:
        return "select 'change' as name, null as lower, null as upper"

    # ------------------------------------------------------------------ removing

    def pieces(self, part: Part, rules: Rules, size: int) -> Query:
        """By transactions, which are numbered in the order of time."""
        return Query(
            "select coalesce(min(t.id), 0) as first, coalesce(max(t.id) + 1, 0) as end, :size as step\n"
            "from main.holdfast_transaction as t where t.at < :latest",
            {"size": size, "latest": moment(rules.latest)},
        )

    def removable(self, part: Part, rules: Rules, piece: tuple[int, int] | None = None) -> Query:
        return Query(f"select c.id, c.relation\n{self._going(rules, piece)}", _rules(rules.until))

    def _going(self, rules: Rules, piece: tuple[int, int] | None = None) -> str:
        within = "" if piece is None else f"t.id >= {piece[0]} and t.id < {piece[1]} and "
        return f"""\
from main.holdfast_transaction as t
join main.holdfast_change as c on c.transaction_id = t.id
join json_each(:rules) as rule on json_extract(rule.value, '$[0]') = c.relation
where {within}t.at < json_extract(rule.value, '$[1]')
    and t.id < {_NEWEST}
    and not exists (select 1 from main.holdfast_hold as h where h.relation = c.relation and h.key is c.key)
    and not {rules.unsealed} and not {_waited_for(rules)}"""

    def lines(self, part: Part, rules: Rules | None) -> Query:
        assert rules is not None, "No part of the journal goes as a whole."
        return Query(
            f"""\
select '{{"id":' || e.id || ',"transaction":' || json_quote(cast(e."transaction" as text)) || ',"at":' || json_quote(e.at)
    || ',"actor":' || json_quote(e.actor) || ',"tenant":' || json_quote(e.tenant)
    || ',"reason":' || json_quote(e.reason) || ',"context":' || coalesce(e.context, 'null')
    || ',"table":' || json_quote(e.name) || ',"operation":' || json_quote(case e.operation
        when 'I' then 'insert' when 'U' then 'update' when 'R' then 'restore' else 'delete' end)
    || ',"key":' || e.shown || ',"before":' || coalesce({document("before", 1)}, 'null')
    || ',"after":' || coalesce({document("after", 2)}, 'null') || '}}'
from (
    select c.id, t.id as "transaction", t.at, t.actor, t.tenant, t.reason, t.context, r.name, c.operation, c.relation,
        c.side, {key_shown("r", "c.key")} as shown
{self._going(rules).replace("where ", "join main.holdfast_relation as r on r.id = c.relation" + chr(10) + "where ", 1)}
    order by c.id
) as e""",
            _rules(rules.until),
        )

    def begin_removing(self) -> Sequence[str]:
        return (MAINTAIN,)

    def end_removing(self) -> Sequence[str]:
        return MAINTAINED

    def remove(self, part: Part, piece: tuple[int, int], ids: Sequence[int]) -> tuple[Query, ...]:
        given = {"ids": json.dumps(list(ids))}
        listed = "(select g.value from json_each(:ids) as g)"
        return (
            Query(f"delete from main.holdfast_value where change in {listed}", given),
            Query(
                f"delete from main.holdfast_change where id in {listed}\nreturning 1 as changes, transaction_id", given
            ),
        )

    def bare(self, transactions: Sequence[Sequence[Any]], rules: Rules) -> Query:
        return Query(
            "select t.id from main.holdfast_transaction as t\n"
            "where t.id in (select g.value from json_each(:ids) as g)\n"
            f"    and t.id < (select max(m.id) from main.holdfast_transaction as m)\n    and not {rules.unsealed_transaction}\n"
            "    and not exists (select 1 from main.holdfast_change as c where c.transaction_id = t.id)",
            {"ids": json.dumps([number for (number,) in transactions])},
        )

    def chosen(self, ids: Sequence[int]) -> Query:
        return Query("select g.value as id from json_each(:ids) as g", {"ids": json.dumps(list(ids))})

    def remove_transactions(self, ids: Sequence[int]) -> Query:
        return Query(
            "delete from main.holdfast_transaction where id in (select g.value from json_each(:ids) as g)",
            {"ids": json.dumps(list(ids))},
        )

    def note_dropped(self, part: Part, intervention: int, ids: Sequence[int] | None) -> Query:
        return Query(
            """\
update main.holdfast_relation
set dropped = json_object('by', :intervention,
    'change', max(g.change, coalesce(json_extract(dropped, '$.change'), 0)),
    'transaction', max(g."transaction", coalesce(json_extract(dropped, '$.transaction'), 0)))
from (select c.relation, max(c.id) as change, max(c.transaction_id) as "transaction"
    from main.holdfast_change as c
    where c.id in (select g.value from json_each(:ids) as g)
    group by c.relation) as g
where g.relation = holdfast_relation.id""",
            {"intervention": intervention, "ids": json.dumps(list(ids or ()))},
        )

    def move_since(self, until: Mapping[int, datetime]) -> Query:
        return Query(
            "update main.holdfast_relation\nset since = rule.until\n"
            "from (select json_extract(g.value, '$[0]') as relation, json_extract(g.value, '$[1]') as until\n"
            "    from json_each(:rules) as g) as rule\n"
            "where rule.relation = holdfast_relation.id and since < rule.until",
            _rules(until),
        )
