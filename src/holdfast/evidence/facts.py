"""What was installed and what the journal calls things: written down with each epoch, compared from one to the next."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from holdfast.evidence.leaves import canonical, sha256
from holdfast.evidence.results import Finding

Facts = Mapping[str, Any]
NOTHING: Facts = {"place": None, "relations": {}, "columns": {}, "objects": []}
_EXPLAINS_SINCE = {"installation", "retention", "purge"}


def facts_text(document: str | Mapping[str, Any]) -> str:
    """The facts as they are sealed: short, and always spelled the same."""
    facts = dict(json.loads(document) if isinstance(document, str) else document)
    facts["objects"] = [
        {**each, "definition": sha256((each["definition"] or "").encode()).hex()} for each in facts["objects"]
    ]
    return canonical(facts)


class Comparison:
    """From one state of the facts to a later one, and what was recorded in between."""

    def __init__(self, before: Facts, after: Facts, recorded: Sequence[Mapping[str, Any]], epoch: int | None) -> None:
        self.before, self.after, self.epoch = before, after, epoch
        self.first = before is NOTHING
        self.same_place = before["place"] == after["place"]
        self.kinds = {str(each["kind"]) for each in recorded}
        self.installations = [each["details"] for each in recorded if each["kind"] == "installation"]
        self.xids = {each.get("xid") for each in self.installations}
        self.actions = {action for each in self.installations for action in each.get("actions", ())}
        self.when = "since the last epoch" if epoch is None else f"between epoch {epoch - 1} and epoch {epoch}"
        if self.first:
            self.when = f"before epoch {epoch}"

    def findings(self) -> Iterator[Finding]:
        gone = set(self._gone())
        for relation in sorted(gone):
            yield self._finding("table dropped", f"The protected table {relation} was dropped", relation, "table")
        yield from self._objects(gone)
        yield from self._found()
        if not self.first:
            yield from self._names()
            yield from self._order()

    def _gone(self) -> Iterator[str]:
        if self.installations or not self.same_place:
            return
        for number, was in self.before["relations"].items():
            now = self.after["relations"].get(number)
            if was["protected"] and was["there"] and now and now["protected"] and now["there"] is False:
                yield f"{was['schema']}.{was['name']}"

    def _objects(self, gone: set[str]) -> Iterator[Finding]:
        present = {_identity(each): each for each in self.after["objects"]}
        by_oid = {oid: each for each in self.after["objects"] for oid in each.get("versions") or ()}
        known = set()
        for was in self.before["objects"]:
            now = present.get(_identity(was))
            if now is None and self.same_place:
                now = next((by_oid[oid] for oid in was.get("versions") or () if oid in by_oid), None)
            if now is None:
                if _table(was) not in gone and not self._may_go(was):
                    yield self._about("dropped", was, "was dropped")
                continue
            known.add(_identity(now))
            yield from self._object(was, now)
        for now in self.after["objects"]:
            if _identity(now) not in known and now["state"] != "current" and not self._is_renamed(now):
                yield self._about(now["state"], now, _BECAME[now["state"]])

    def _may_go(self, was: Mapping[str, Any]) -> bool:
        if f"drop {was['kind']} {was['name']}" in self.actions:
            return True
        relation = _relation(self.before, was)
        if relation is None:
            # Of a partition: it may be detached and dropped. One that is still there has copies of the others.
            tables = self.after.get("tables")
            return tables is not None and was["schema"] not in (None, "holdfast") and _table(was) not in tables
        now = self.after["relations"].get(relation)
        # Its table was dropped, and an installation has taken note; or nobody can say which table it is, in a copy.
        return (now is None or not now["there"]) and (bool(self.installations) or not self.same_place)

    def _object(self, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Finding]:
        before, after = was.get("versions") or {}, now.get("versions") or {}
        if self.same_place and before and after:
            same = before.keys() & after.keys()
            touched = {after[oid] for oid in same if after[oid] != before[oid]} if same else set(after.values())
            if not touched - self.xids:
                # Nobody wrote it; its table may have another name, so that it reads otherwise.
                return
            if now["state"] != "current":
                yield self._about(now["state"], now, _BECAME[now["state"]])
            else:
                again = "was switched off, replaced or altered, and then made as it was"
                yield self._about("altered", now, again if same else "was dropped and made anew")
        elif now["state"] != "current":
            # Another release of the server may spell a definition in another way.
            spelled = now["state"] == "altered" and self.before.get("version") != self.after.get("version")
            if was["state"] != now["state"] and not spelled and not self._is_renamed(now):
                yield self._about(now["state"], now, _BECAME[now["state"]])
        elif (
            was["definition"] != now["definition"]
            and was["state"] == "current"
            and self.before.get("version") == self.after.get("version")
            and not self.installations
            and not _renamed(self.after)
        ):
            yield self._about("altered", now, "was altered, and marked as if it had not been")

    def _found(self) -> Iterator[Finding]:
        """What an installation mended, and so can no longer be seen."""
        seen = {(each["kind"], each["name"]) for each in self.before["objects"] if each["state"] != "current"}
        for each in self.installations:
            for kind, schema, table, name, state in each.get("found", ()):
                found = {"kind": kind, "schema": schema, "table": table, "name": name}
                if (kind, name) not in seen:
                    yield self._about(state, found, f"{_BECAME[state]}, and mended by an installation")

    def _names(self) -> Iterator[Finding]:
        if "installation" in self.kinds:
            return
        for number, was in self.before["relations"].items():
            now = self.after["relations"].get(number)
            if now is None:
                if "purge" not in self.kinds:
                    gone = f"The journal's entry of {_named(was)} was removed"
                    yield self._finding("names rewritten", gone, _named(was))
                continue
            ignored = {"there"} | ({"since"} if _EXPLAINS_SINCE & self.kinds else set())
            different = sorted(name for name in was if name not in ignored and was[name] != now.get(name))
            if different:
                yield self._finding(
                    "names rewritten",
                    f"What the journal says of the table {_named(was)} was rewritten ({', '.join(different)})",
                    _named(was),
                )
        for number, was in self.before["columns"].items():
            now = self.after["columns"].get(number)
            table = self.before["relations"].get(number.partition(".")[0])
            if (now is None and "purge" not in self.kinds) or (now is not None and now != was):
                of = f" of {_named(table)}" if table else ""
                yield self._finding(
                    "names rewritten",
                    f"What the journal calls the column {was['name']}{of} was rewritten",
                    _named(table) if table else None,
                )

    def _order(self) -> Iterator[Finding]:
        """Where objects have no versions, one that was made anew stands behind the others."""
        if self.installations:
            return
        before = [_identity(each) for each in sorted(self.before["objects"], key=_place) if "order" in each]
        after = {_identity(each): each for each in sorted(self.after["objects"], key=_place) if "order" in each}
        common = [each for each in before if each in after]
        present = [each for each in after if each in set(common)]
        blocks = difflib.SequenceMatcher(None, common, present, autojunk=False).get_matching_blocks()
        kept = {present[position] for block in blocks for position in range(block.b, block.b + block.size)}
        for each in present:
            if each not in kept and after[each]["state"] == "current":
                yield self._about("altered", after[each], "was dropped and made anew")

    def _is_renamed(self, now: Mapping[str, Any]) -> bool:
        """Whether its table has another name than the journal knows: then it reads otherwise, and nobody touched it."""
        if now["state"] != "altered" or now["kind"] != "trigger":
            return False
        if "order" in now:
            return _renamed(self.after)
        return _table(now) not in {_named(each) for each in self.after["relations"].values()} | {"holdfast.transaction"}

    def _about(self, kind: str, each: Mapping[str, Any], what: str) -> Finding:
        table = _table(each)
        on = f" of {table}" if table else " of the journal"
        return self._finding(
            f"object {kind}", f"The {each['kind']} {each['name']}{on} {what}", table, f"{each['kind']} {each['name']}"
        )

    def _finding(self, kind: str, what: str, table: str | None = None, about: str | None = None) -> Finding:
        message = f"{what} ({self.when})."
        return Finding(kind, message, epoch=self.epoch, table=table, object=about)


_BECAME = {"disabled": "was switched off", "altered": "was altered"}


def _identity(each: Mapping[str, Any]) -> tuple[str, str, str, str]:
    if "order" in each:
        # No two triggers of a file have the same name, and they go with their table when it is renamed.
        return each["kind"], "", "", each["name"]
    return each["kind"], each.get("schema") or "", each.get("table") or "", each["name"]


def _place(each: Mapping[str, Any]) -> int:
    return int(each.get("order") or 0)


def _table(each: Mapping[str, Any]) -> str | None:
    return f"{each['schema']}.{each['table']}" if each.get("table") else None


def _named(relation: Mapping[str, Any]) -> str:
    return f"{relation['schema']}.{relation['name']}"


def _relation(facts: Facts, each: Mapping[str, Any]) -> str | None:
    """The number of the relation that an object serves: by its table, or by the end of its name."""
    table = _table(each)
    for number, relation in facts["relations"].items():
        if table == _named(relation) or (table is None and each["name"].endswith(f"_{number}")):
            return str(number)
    return None


def _renamed(facts: Facts) -> bool:
    """Whether a table or a column has another name than the journal knows."""
    for number, live in (facts.get("live") or {}).items():
        names = {
            each["name"]
            for key, each in facts["columns"].items()
            if key.partition(".")[0] == number and not each["dropped"]
        }
        if live["name"] != facts["relations"][number]["name"] or set(live["columns"]) != names:
            return True
    return False
