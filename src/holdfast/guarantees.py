"""What each database can do, side by side, as its dialect answers for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from holdfast.dialects import dialect_for

DATABASES = ("postgresql", "sqlite")
QUESTIONS: Mapping[str, str] = {
    "minimum_version": "Oldest version that is supported",
    "statement_triggers": "A statement that changes many rows is recorded as a whole",
    "truncate": "TRUNCATE is recorded, and refused where the policy says so",
    "raw_delete": "What `SoftDelete` makes of a raw DELETE unless it says otherwise",
    "groups_foreign_transactions": "The statements of a client that binds no context are known to be one transaction",
    "journal_owner": "The journal can belong to a role of its own, out of the application's reach",
    "sees_disabled_triggers": "`holdfast status` sees a trigger that is switched off",
    "guard_counts_statement": "`Guard(max_rows=…)` counts the rows of the whole statement",
    "live_view": "`SoftDelete(live_view=…)` makes a view of the living rows, from version",
    "stamps_before_write": "RETURNING already shows the times and the version that the database keeps",
    "hides_rows": "`Tenant` hides the rows of other tenants from raw SQL too",
    "refuses_reads": "`Permit(select=…)` refuses to read",
    "row_value_ranges": "A keyset page in one direction is one statement",
    "estimates_rows": "A page can have an estimated total, which costs no counting",
    "signs_context": "A tenant and an actor can be asked for a signature",
    "keeps_digests": "`Audit(large=…)` keeps a digest of a large column instead of its values",
    "wakes_consumers": "A commit can wake who follows the changes, where that was switched on",
}
"""Every question of ``Features`` in words."""


def table() -> str:
    """The guarantees as Markdown: a row for each question, and a note for each answer that needs one."""
    dialects = [dialect_for(name) for name in DATABASES]
    notes: list[str] = []
    lines = [
        "| | " + " | ".join(dialect.title for dialect in dialects) + " |",
        "|---" * (len(dialects) + 1) + "|",
    ]
    for field in fields(dialects[0].features):
        if field.name == "reasons":
            continue
        answers = []
        for dialect in dialects:
            answer = _words(getattr(dialect.features, field.name))
            if reason := dialect.features.reasons.get(field.name):
                if reason not in notes:
                    notes.append(reason)
                answer += f" [{notes.index(reason) + 1}]"
            answers.append(answer)
        lines.append(f"| {QUESTIONS[field.name]} | {' | '.join(answers)} |")
    lines += ["", *(f"{number}. {_sentence(note)}" for number, note in enumerate(notes, 1))]
    for dialect in dialects:
        others = [reason for name, reason in dialect.features.reasons.items() if name not in QUESTIONS]
        if others:
            lines += ["", f"{dialect.title}, besides:", "", *(f"* {_sentence(reason)}" for reason in others)]
    return "\n".join(lines) + "\n"


def _words(answer: Any) -> str:
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    if isinstance(answer, tuple):
        return ".".join(str(part) for part in answer)
    return f"`{answer}`"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
