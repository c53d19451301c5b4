"""What a database can do, for the dialects and for the table of guarantees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.policies import RawDelete


@dataclass(frozen=True, slots=True)
class Features:
    """What the database can do. Every question is answered; a surprising answer carries its reason."""

    minimum_version: tuple[int, ...]
    statement_triggers: bool
    truncate: bool
    """Whether there is a TRUNCATE to record or to refuse."""
    raw_delete: RawDelete
    """What a SoftDelete that does not say makes of a raw DELETE."""
    groups_foreign_transactions: bool
    """Whether the statements of a client that binds no context are known to be one transaction."""
    journal_owner: bool
    """Whether the journal can belong to a role of its own, out of the application's reach."""
    sees_disabled_triggers: bool
    guard_counts_statement: bool
    stamps_before_write: bool
    """Whether RETURNING already shows the times and the version that the database keeps."""
    live_view: tuple[int, ...]
    """The oldest version on which a view of the living rows shows each reader no more than the table does."""
    hides_rows: bool
    """Whether the database itself hides the rows of other tenants."""
    refuses_reads: bool
    """Whether reading a table can be refused for want of a permission."""
    row_value_ranges: bool
    """Whether a range of an index serves a comparison of rows, ``(a, id) > (1, 2)``, to its last column."""
    estimates_rows: bool
    """Whether the planner says how many rows it expects of a statement, without running it."""
    keeps_digests: bool
    """Whether ``Audit(large=…)`` can keep a digest of a value instead of the value."""
    wakes_consumers: bool
    """Whether a commit can wake who follows the changes; else they look for themselves every so often."""
    signs_context: bool
    """Whether the database can ask for a signature before it believes whose work it is."""
    reasons: Mapping[str, str]
    """Question to reason, for the answers that a reader would not expect."""
