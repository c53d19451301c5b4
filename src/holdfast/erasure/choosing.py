"""Which columns of a row are erased: those named, or all that say something about somebody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.errors import ErasureError
from holdfast.objects import Protection
from holdfast.policies import SoftDelete, Timestamps, Version, find
from holdfast.stored import StoredRelation
from holdfast.timeline import shown


@dataclass(frozen=True, slots=True)
class Choice:
    """The columns to erase: in the row, each with what is to stand there instead, and in the journal by their ids."""

    values: Mapping[str, Any]
    ids: tuple[int, ...]
    names: tuple[str, ...]


class Choosing:
    """Among the columns that a table has and had; ``protection`` is None where the table is gone."""

    def __init__(self, stored: StoredRelation, protection: Protection | None) -> None:
        self.stored = stored
        self.protection = protection
        self.relation = protection.relation if protection else stored.as_relation()
        policies = protection.policies if protection else stored.policies
        mark, times, version = find(policies, SoftDelete), find(policies, Timestamps), find(policies, Version)
        self.own = set(self.relation.key)
        """What says which row it is, and what a policy keeps."""
        self.own |= {mark.column} if mark else set()
        self.own |= {times.created, times.updated} if times else set()
        self.own |= {version.column} if version else set()

    def choice(
        self,
        recorded: Sequence[tuple[int, str]],
        columns: Sequence[str] | None,
        replace: Mapping[str, Any],
        *,
        history_only: bool,
    ) -> Choice:
        """``recorded`` are the columns that the journal knows, by their ids. HF429 for one that cannot be erased."""
        present = self.protection.table.columns if self.protection else ()
        # What a column was called that is gone; the ids are those of present names, whatever they were before.
        gone = {number: name for number, name in recorded if number not in self.relation.columns.values()}
        there = [column.name for column in present] if self.protection else self.relation.columns
        ids = {**gone, **{self.relation.columns[name]: name for name in there}}
        if columns is None:
            kept = self._kept() - set(replace)
            chosen = {number for number, name in ids.items() if number in gone or name not in kept}
        else:
            chosen = {number for number, name in ids.items() if name in columns or name in replace}
        self._refuse_unfit({*(columns or ()), *replace}, ids.values())
        # What is generated follows from the others.
        chosen |= {self.relation.columns[column.name] for column in present if column.generated}
        written = [c.name for c in present if self.relation.columns[c.name] in chosen and not c.generated]
        values = {} if history_only else {name: replace.get(name) for name in written}
        return Choice(values, tuple(sorted(chosen)), tuple(dict.fromkeys(ids[number] for number in sorted(chosen))))

    def _kept(self) -> set[str]:
        """Also what the row belongs to, and what belongs to it."""
        kept = set(self.own)
        if self.protection is not None:
            table = self.protection.table
            kept |= {name for key in table.foreign_keys for name in key.columns}
            kept |= {name for key in table.referenced_by for name in key.target_columns}
            kept |= set(table.partition_columns)
        return kept

    def _refuse_unfit(self, wanted: set[str], known: Iterable[str]) -> None:
        table = shown(self.stored.table)
        if unknown := sorted(wanted - set(known)):
            raise ErasureError("HF429", f"{table} has, and had, no column {unknown[0]!r}.", "Name columns that it has.")
        if unfit := sorted(wanted & self.own):
            raise ErasureError(
                "HF429",
                f"{unfit[0]!r} of {table} cannot be erased: it is part of the key, or a policy keeps it.",
                "Give the row another key first, if its key says who it is; then erase the row.",
            )

    def refuse_missing(self, choice: Choice) -> None:
        """HF425 where a column takes no NULL, and nothing else is to stand there."""
        assert self.protection is not None
        columns = {column.name: column for column in self.protection.table.columns}
        missing = [name for name, value in choice.values.items() if value is None and not columns[name].nullable]
        if missing:
            raise ErasureError(
                "HF425",
                f"{shown(self.stored.table)} takes no NULL in: {', '.join(missing)}. Nothing was erased.",
                "Say what is to stand there: "
                + " ".join(f"--replace {name}=…" for name in missing)
                + "; or name the columns to erase: --column.",
            )
