"""What can hurt of what a server does, and which rule speaks of it."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.lint.locks import Lock

# Each effect, the rule that speaks of it, and what is said; {table} {lock} {stops} {thing} {other}.
EFFECTS: dict[str, tuple[str, str]] = {
    "rewrite generated": ("add-column-stored-generated", "The server rewrote {table} under {lock}."),
    "rewrite serial": ("add-column-serial", "The server rewrote {table} under {lock}."),
    "rewrite domain": ("add-column-constrained-domain", "The server rewrote {table} under {lock}."),
    "rewrite default": ("add-column-volatile-default", "The server rewrote {table} under {lock}."),
    "rewrite type": ("change-column-type", "The server rewrote {table} under {lock}."),
    "rewrite table": ("rewrite-table", "The server rewrote {table} under {lock}."),
    "rewrite view": ("refresh-materialized-view", "The server rewrote {table} under {lock}."),
    "no value": ("add-column-not-null", "{thing} of {table} may not be null, and rows that are there have no value."),
    "emptied": ("truncate", "{table} was emptied under {lock}."),
    "dropped": ("drop-table", "{table} is gone."),
    "index": ("create-index", "The server built {thing} on {table} under {lock}: {stops}."),
    "index unique": ("add-unique", "The server built {thing} on {table} under {lock}: {stops}."),
    "index column": ("add-column-unique", "The server built {thing} on {table} under {lock}: {stops}."),
    "index exclusion": ("add-exclusion", "The server built {thing} on {table} under {lock}: {stops}."),
    "index rebuilt": ("reindex", "The server built {thing} on {table} anew under {lock}: {stops}."),
    "index dropped": ("drop-index", "{thing} was dropped under {lock} on {table}."),
    "scan not null": ("set-not-null", "The server read {table} from end to end under {lock}."),
    "scan check": ("add-check", "The server read {table} from end to end under {lock}, for {thing}."),
    "scan column check": ("add-column-check", "The server read {table} from end to end under {lock}, for {thing}."),
    "scan key": ("add-foreign-key", "The server checked every row of {table} under {lock}, for {thing}."),
    "scan column key": ("add-column-references", "The server checked every row of {table} under {lock}, for {thing}."),
    "scan validated": ("validate-in-same-transaction", "{thing} was validated while {lock} was held on {table}."),
    "scan partition": ("attach-partition", "The server read {table} from end to end under {lock}."),
    "scan domain": ("add-domain-constraint", "The server read {table} from end to end under {lock}, for {thing}."),
    "scan": ("work-under-strong-lock", "{table} was read from end to end while {lock} was held on {other}."),
    "rows": ("data-under-strong-lock", "Rows of {table} were looked for and changed, {lock} held on {other}."),
    "partition made": ("create-partition-of", "{thing} was made under {lock} on {table}."),
    "partition detached": ("detach-partition", "{thing} was detached under {lock} on {table}."),
    "lock": ("lock-table", "{lock} was taken on {table}, and nothing else was done: {stops}."),
    "second lock": ("several-tables-locked", "{lock} was taken on {table} while it was held on {other}."),
    "second key": ("several-foreign-keys", "{thing} on {table} is the second foreign key in this transaction."),
}


def traced_rules() -> frozenset[str]:
    """The rules that a trace speaks of; of all others it cannot tell."""
    return frozenset(rule for rule, _ in EFFECTS.values())


@dataclass(frozen=True, slots=True)
class Effect:
    kind: str
    table: str
    lock: Lock = Lock.ACCESS_EXCLUSIVE
    thing: str = ""
    other: str = ""

    @property
    def rule(self) -> str:
        return EFFECTS[self.kind][0]

    @property
    def message(self) -> str:
        values = {"table": self.table, "lock": self.lock, "stops": self.lock.stops}
        return EFFECTS[self.kind][1].format(**values, thing=self.thing, other=self.other)
