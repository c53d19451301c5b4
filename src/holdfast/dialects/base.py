"""What every dialect answers: SQL text for one database, without a connection and without a driver."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, assert_never

from holdfast.errors import DeclarationError, HoldfastError
from holdfast.journal import Relation
from holdfast.objects import DatabaseObject, InstalledObject, Kind, Protection, Protections
from holdfast.policies import (
    Audit,
    Guard,
    Permit,
    Policy,
    RawDelete,
    SoftDelete,
    Tenant,
    Timestamps,
    Version,
    columns_needed,
)
from holdfast.roles import Roles
from holdfast.tables import ColumnInfo, TableName

if TYPE_CHECKING:
    from holdfast.dialects.doctor import Doctor
    from holdfast.dialects.erasure import Erasure
    from holdfast.dialects.evidence import Evidence
    from holdfast.dialects.feed import Feed
    from holdfast.dialects.granting import Granting
    from holdfast.dialects.migrating import Migrating
    from holdfast.dialects.past import Past
    from holdfast.dialects.permitting import Permitting
    from holdfast.dialects.purging import Purging
    from holdfast.dialects.recall import Recall
    from holdfast.dialects.replication import Replication
    from holdfast.dialects.retention import Retention
    from holdfast.dialects.revising import Revising
    from holdfast.dialects.signing import Signing
    from holdfast.dialects.tenancy import Tenancy
    from holdfast.dialects.tenant_life import TenantLife
    from holdfast.dialects.tracing import Tracing


# A trigger calls a function; a foreign key refers to an index.
_CREATE_ORDER: Mapping[Kind, int] = {"unique key": 1, "index": 2, "policy": 3, "foreign key": 4, "trigger": 5}


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
    wakes_consumers: bool
    """Whether a commit can wake who follows the changes; else they look for themselves every so often."""
    signs_context: bool
    """Whether the database can ask for a signature before it believes whose work it is."""
    reasons: Mapping[str, str]
    """Question to reason, for the answers that a reader would not expect."""


@dataclass(frozen=True, slots=True)
class Query:
    """SQL with named parameters (``:name``), as ``sqlalchemy.text`` takes it."""

    sql: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which changes to read; the newest come first."""

    table: TableName | None = None
    relations: tuple[int, ...] | None = None
    """The numbers of that table in the journal, where they are known: it may have been made anew since."""
    key: str | None = None
    """The key as JSON: a scalar, or an array for a key of several columns."""
    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    operation: str | None = None
    transaction: str | None = None
    limit: int | None = 50
    recent: int | None = None
    """Look no further back than this many transactions (a window that the caller widens)."""


@dataclass(frozen=True, slots=True)
class UndoStatements:
    """An undo, step by step, all within one transaction.

    ``prepare`` makes the temporary set of rows to take back; ``counts`` (relation, action, number of rows, and
    what else the dialect asks for; a table may have several rows for an action) and ``preview`` (relation, key,
    action, before, after) read it; each of ``conflicts`` answers rows of (relation, key, why, fields)
    with ``fields`` a JSON object of ``{"column": [base, theirs, ours]}``; ``apply`` writes. When the database
    refuses that, ``refusals`` answer rows like ``conflicts`` that say which rows it meant.
    ``verify`` answers rows like ``conflicts`` for what did not come back as it was. ``outside`` runs before the
    transaction begins and ``outside_after`` when it is over, however it ended.
    """

    prepare: tuple[Query, ...]
    counts: Query
    preview: Query
    conflicts: tuple[Query, ...]
    apply: tuple[str, ...]
    verify: tuple[Query, ...]
    refusals: tuple[Query, ...] = ()
    cleanup: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    outside_after: tuple[str, ...] = ()


def refuse_unknown_owner(table: TableName, column: str, sort: str) -> None:
    """HF102 for a column that only people can fill."""
    if sort == "tenant":
        raise DeclarationError(
            "HF102",
            f"{table} has no column {column!r}, and nobody but you can say whose rows are whose.",
            "Add the column and fill it first, or name another one: Tenant('…').",
        )


class Dialect(ABC):
    """Turns protections into SQL for one database. Subclasses hold SQL, and nothing that needs a connection."""

    name: str
    title: str
    features: Features
    snapshot_level: str | None
    """The isolation level at which a transaction sees one state of the database; None where each does anyway."""

    # ------------------------------------------------------------------ names

    def quote(self, identifier: str) -> str:
        """The identifier, quoted so that it can hold any character."""
        return '"' + identifier.replace('"', '""') + '"'

    def literal(self, text: str) -> str:
        """The text as an SQL string."""
        return "'" + text.replace("'", "''") + "'"

    def qualified(self, table: TableName) -> str:
        return f"{self.quote(table.schema)}.{self.quote(table.name)}"

    def with_owner(self, owner: str | None) -> Dialect:
        """The dialect for a journal that belongs to that role; itself, where there are no roles."""
        return self

    def with_roles(self, roles: Roles, state: Mapping[str, Any]) -> Dialect:
        """The dialect for a database where the duties are given to these roles; itself, where there are no roles."""
        return self

    def one_at_a_time(self) -> Dialect:
        """The dialect for a driver that takes one statement in a call; itself, where each is sent alone anyway."""
        return self

    # ------------------------------------------------------------------ what is there

    @abstractmethod
    def read_only(self) -> str:
        """From here on the transaction in hand refuses to write; on SQLite the connection does."""

    def end_read_only(self) -> str | None:
        """A query, to be asked before ``read_only``, for the statement that takes it back; None where the end of the
        transaction does."""
        return None

    def begin(self) -> str | None:
        """Begins the transaction where a driver would do so late or never; None where they all do."""
        return None

    @abstractmethod
    def tables(self) -> str:
        """One column ``document``: a JSON object for each table, in the shape that ``inspector`` reads."""

    @abstractmethod
    def state(self) -> str:
        """One row: ``schema_version`` (NULL where the journal is not installed), and what the role may do."""

    @abstractmethod
    def relations(self) -> str:
        """One column ``document``: a JSON object for each protected, or once protected, table."""

    @abstractmethod
    def installed(self) -> str:
        """kind, name, schema, table, source, altered, enabled of every object that carries our marker."""

    def roles(self) -> str | None:
        """duty and name of each role that was given one; None where there are no roles."""
        return None

    # ------------------------------------------------------------------ what is to be there

    @abstractmethod
    def install_journal(self, version: str, roles_apart: bool) -> tuple[str, ...]:
        """The journal's own tables, functions and rights; run again, it brings them up to date."""

    def journal_objects(self) -> tuple[DatabaseObject, ...]:
        """The journal's own objects, for comparison with what is installed; ``install_journal`` makes them."""
        return ()

    @abstractmethod
    def remove_journal(self) -> tuple[str, ...]:
        """Takes the journal away, history included."""

    @abstractmethod
    def mark(self, each: DatabaseObject, version: str) -> tuple[str, ...]:
        """Marks an object that was just made, so that ``installed`` finds it and sees when it is altered."""

    @abstractmethod
    def drop_installed(self, each: InstalledObject) -> tuple[str, ...]:
        """Drops an object that nothing declares any more."""

    @abstractmethod
    def register(self, protection: Protection) -> tuple[str, ...]:
        """Writes down what the journal calls the table and what was declared for it."""

    @abstractmethod
    def unregister(self, relation: Relation) -> tuple[str, ...]:
        """The table is no longer protected; its history stays readable."""

    def start_history(self, relation: Relation) -> tuple[str, ...]:
        """From now on every change of the table is recorded; said while nobody can write it. Nothing where ``register``
        says so."""
        return ()

    @abstractmethod
    def forget(self, relation: Relation) -> tuple[str, ...]:
        """Removes the table's history."""

    @abstractmethod
    def add_column(self, table: TableName, column: str, sort: str) -> tuple[str, ...]:
        """Adds a column that a policy needs: a ``time``, a ``mark`` or a ``count``."""

    @abstractmethod
    def added_column(self, name: str, sort: str, position: int) -> ColumnInfo:
        """The column that ``add_column`` makes, as the catalog will describe it."""

    @abstractmethod
    def drop_column(self, table: TableName, column: str) -> tuple[str, ...]: ...

    @abstractmethod
    def lock_settings(self, milliseconds: int) -> tuple[str, ...]:
        """Bounds the wait for a lock in the present transaction."""

    def lock_tables(self, tables: Sequence[TableName], *, exclusive: bool, milliseconds: int) -> tuple[str, ...]:
        """Takes the locks that the rest of the step needs, all of them within that time; nothing where a
        transaction locks the whole database."""
        return ()

    def batch(self, statements: Sequence[str]) -> tuple[str, ...]:
        """The statements in as few round trips as the driver can, for locks are held meanwhile."""
        return tuple(statements)

    @abstractmethod
    def try_install_lock(self) -> str:
        """One row, one boolean: whether this connection may now change protection; released at its end."""

    def objects(self, protection: Protection, protections: Protections) -> tuple[DatabaseObject, ...]:
        """Every object that the table's policies need, functions before the triggers that call them."""
        self.check(protection, protections)
        objects: dict[tuple[str, str, str], DatabaseObject] = {}
        for policy in protection.policies:
            for each in self.compile(policy, protection, protections):
                objects[each.identity] = each
        return tuple(sorted(objects.values(), key=lambda each: _CREATE_ORDER.get(each.kind, 0)))

    def compile(self, policy: Policy, protection: Protection, protections: Protections) -> tuple[DatabaseObject, ...]:
        match policy:
            case Audit():
                return self.audit(policy, protection)
            case SoftDelete():
                return self.soft_delete(policy, protection, protections)
            case Timestamps():
                return self.timestamps(policy, protection)
            case Version():
                return self.version(policy, protection)
            case Tenant():
                return self.tenant(policy, protection, protections)
            case Permit():
                return self.permit(policy, protection)
            case Guard():
                return self.guard(policy, protection)
            case _:
                assert_never(policy)

    @abstractmethod
    def audit(self, policy: Audit, protection: Protection) -> tuple[DatabaseObject, ...]: ...

    @abstractmethod
    def soft_delete(
        self, policy: SoftDelete, protection: Protection, protections: Protections
    ) -> tuple[DatabaseObject, ...]: ...

    @abstractmethod
    def timestamps(self, policy: Timestamps, protection: Protection) -> tuple[DatabaseObject, ...]: ...

    @abstractmethod
    def version(self, policy: Version, protection: Protection) -> tuple[DatabaseObject, ...]: ...

    @abstractmethod
    def tenant(
        self, policy: Tenant, protection: Protection, protections: Protections
    ) -> tuple[DatabaseObject, ...]: ...

    @abstractmethod
    def permit(self, policy: Permit, protection: Protection) -> tuple[DatabaseObject, ...]: ...

    @abstractmethod
    def guard(self, policy: Guard, protection: Protection) -> tuple[DatabaseObject, ...]: ...

    def check(self, protection: Protection, protections: Protections) -> None:
        """Refuses a declaration that cannot hold, with the line that mends it."""
        table = protection.table
        for column, _sort in columns_needed(protection.policies):
            if table.column(column) is None:
                raise DeclarationError(
                    "HF102",
                    f"{table.name} has no column {column!r}, which its declaration names.",
                    "Add the column, name another one, or let holdfast add it: --add-columns.",
                )
        audit = protection.get(Audit)
        if audit is not None:
            if not table.key:
                raise DeclarationError(
                    "HF101",
                    f"{table.name} has no primary key and no unique key over NOT NULL columns, "
                    "so a change could not be said to be of a certain row.",
                    "Add a primary key, or a unique constraint over NOT NULL columns.",
                )
            unknown = sorted((audit.exclude | audit.mask | audit.large) - {c.name for c in table.columns})
            if unknown:
                raise DeclarationError(
                    "HF102",
                    f"{table.name} has no column {unknown[0]!r}, which Audit names.",
                    "Name columns that exist.",
                )
            hidden_key = sorted((audit.exclude | audit.mask) & set(table.key))
            if hidden_key:
                raise DeclarationError(
                    "HF103",
                    f"{hidden_key[0]!r} is part of the key of {table.name} and cannot be excluded or masked.",
                    "A change must say of which row it is; keep secrets out of keys.",
                )
        guard = protection.get(Guard)
        if guard is not None and guard.max_rows is not None and guard.max_rows < 1:
            raise DeclarationError(
                "HF104",
                f"Guard(max_rows={guard.max_rows}) of {table.name} would refuse every write.",
                "Use 1 or more.",
            )

    # ------------------------------------------------------------------ context

    @abstractmethod
    def bind_context(self, context: Mapping[str, Any]) -> tuple[Query, ...]:
        """Binds who, why and for whom to the transaction in hand."""

    @abstractmethod
    def rebind_context(self, context: Mapping[str, Any]) -> tuple[Query, ...]:
        """Binds anew, as if another transaction began: nothing of what was bound before is left."""

    @abstractmethod
    def unbind_context(self) -> tuple[Query, ...]:
        """What must run before the commit; nothing where the context ends with the transaction by itself."""

    @abstractmethod
    def announced(self) -> Query:
        """One row, one text: what the transaction in hand has announced to the guards; NULL or empty for nothing."""

    @abstractmethod
    def announce(self, words: str | None) -> tuple[Query, ...]:
        """From now on the transaction in hand has announced these words, and no others."""

    @abstractmethod
    def work_across_tenants(self, reason: str, actor: str | None) -> tuple[Query, ...]:
        """Records why the transaction in hand works across tenants, and lets it."""

    # ------------------------------------------------------------------ writing many rows

    takes_arrays: bool
    """Whether the values of a column can be given as one parameter, an array that ``unnest`` takes apart."""

    refuses_second_update: bool
    """Whether an upsert that comes to the same row twice is refused, and does not silently update it again."""

    def row_security(self, table: str) -> Query | None:
        """One boolean: whether rows of the table are hidden from this role; None where the database hides none."""
        return None

    # ------------------------------------------------------------------ marking, for those who know it is a delete

    @abstractmethod
    def present_mark(self) -> str:
        """An expression: the mark of a row that the present statement deletes."""

    @abstractmethod
    def begin_shared_mark(self) -> tuple[Query, ...]:
        """From now on, until ``end_shared_mark``, several statements are one delete: their rows carry one mark."""

    @abstractmethod
    def shared_mark(self) -> str:
        """An expression: the mark that the statements of one delete share."""

    def end_shared_mark(self) -> tuple[Query, ...]:
        """Nothing where a mark that nobody asks for is of no effect."""
        return ()

    # ------------------------------------------------------------------ reading and undoing

    @abstractmethod
    def log(self, wanted: LogFilter) -> Query:
        """id, transaction, at, actor, tenant, reason, relation, schema, table, key, operation, committed, before, after."""

    @abstractmethod
    def transaction(self, transaction: str) -> Query:
        """id, at, actor, tenant, reason, context, session_user, application, client of one transaction."""

    @abstractmethod
    def current_transaction(self) -> Query:
        """id of the transaction in hand, once it has changed something."""

    @abstractmethod
    def transaction_tables(self, transaction: str) -> Query:
        """relation, schema, table and number of changes, for each table that the transaction touched."""

    @abstractmethod
    def row_images(self, protection: Protection) -> str:
        """Of the changes ``:changes``, a JSON array of ``[id, key]``, the key as JSON text: the rows that are there
        now. Two columns: position in the array, and the row as the JSON object that a before-image would be."""

    @abstractmethod
    def later_images(self, protection: Protection) -> str:
        """The later changes to the rows of the changes ``:changes``, as ``row_images`` takes them, the oldest first.
        Two columns: position in the array, and the before-image, which may be NULL."""

    @abstractmethod
    def undo(
        self,
        transaction: str,
        protections: Sequence[Protection],
        references: Protections,
        force: bool,
        counted: Sequence[Sequence[Any]] | None = None,
    ) -> UndoStatements:
        """The undo of a transaction's changes to these tables; ``references`` are all protected tables.

        ``counted`` is what ``counts`` answered, once it is known: what does not occur may then be left out.
        """

    @abstractmethod
    def restore(self, protection: Protection) -> str:
        """Takes the mark away from the row with key ``:key`` (as JSON) and answers a row for it, if it was dead."""

    def check_constraints_now(self) -> str:
        """Checks deferred constraints now, while it can still be said which row breaks them."""
        return "select 1"

    def estimate_rows(self, select: str) -> str:
        """Asks the planner about a SELECT; one JSON document. Only where the feature ``estimates_rows`` is true."""
        raise NotImplementedError

    # ------------------------------------------------------------------ the journal itself

    @property
    @abstractmethod
    def past(self) -> Past:
        """How to read a table as it was."""

    @property
    @abstractmethod
    def recall(self) -> Recall:
        """How a session reads the past as it reads the present."""

    @property
    @abstractmethod
    def erasure(self) -> Erasure:
        """How to take a row's values away."""

    @property
    @abstractmethod
    def feed(self) -> Feed:
        """How to read the changes in an order that never goes back."""

    @property
    @abstractmethod
    def retention(self) -> Retention:
        """What of the journal may go, and what must stay."""

    @property
    @abstractmethod
    def purging(self) -> Purging:
        """How rows that were marked long ago are really deleted."""

    @property
    def signing(self) -> Signing | None:
        """How contexts are signed; None where they are believed as they are."""
        return None

    @property
    @abstractmethod
    def migrating(self) -> Migrating:
        """How to migrate while others work."""

    @property
    def tracing(self) -> Tracing | None:
        """How it is seen what a statement did; None where the server does not tell."""
        return None

    @property
    @abstractmethod
    def revising(self) -> Revising:
        """How SQL is written now that runs later, and elsewhere."""

    @property
    @abstractmethod
    def evidence(self) -> Evidence:
        """How to seal the journal and to verify it."""

    @abstractmethod
    def record_intervention(
        self, kind: str, actor: str | None, reason: str | None, details: Mapping[str, Any]
    ) -> Query:
        """Writes down what is done to the journal itself; one row, the intervention's id."""

    @property
    @abstractmethod
    def permitting(self) -> Permitting:
        """Who may do what, and how a transaction carries that."""

    # ------------------------------------------------------------------ several schemas, databases, servers

    @property
    def tenancy(self) -> Tenancy | None:
        """How tenants have a schema or a database each; None where a database is a file and has no schemas."""
        return None

    @property
    def tenant_life(self) -> TenantLife | None:
        """How a tenant as a whole is copied, closed and deleted; None where a database cannot."""
        return None

    @property
    def replication(self) -> Replication | None:
        """How far a replica has come; None where there are none."""
        return None

    # ------------------------------------------------------------------ roles, and what is wrong

    @property
    def granting(self) -> Granting | None:
        """How roles are made and what they may do; None where there are no roles."""
        return None

    @property
    def doctor(self) -> Doctor | None:
        """What can be wrong; None where nothing is looked for yet."""
        return None

    # ------------------------------------------------------------------ errors

    @abstractmethod
    def lacks_journal(self, error: BaseException) -> bool:
        """Whether ``bind_context`` failed since there is no journal to bind it to."""

    def gone_meanwhile(self, error: BaseException) -> bool:
        """Whether this is how the database says that what was being read was dropped during the statement."""
        return False

    @abstractmethod
    def error(self, error: BaseException) -> HoldfastError | None:
        """The driver's error as ours, by SQLSTATE or errno; None where it is not ours to explain."""


def key_document(values: Iterable[Any]) -> Any:
    """A key as the journal spells it: the value itself, or an array of values in the order of the key."""
    listed = list(values)
    return listed[0] if len(listed) == 1 else listed
