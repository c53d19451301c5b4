"""What every dialect answers: SQL text for one database, without a connection and without a driver.

What belongs to one topic stands in that topic's module, as a class that each database implements; here is what the
topics share, and where each is found.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, assert_never

from holdfast.dialects.catalog import Catalog
from holdfast.dialects.checking import check_declared
from holdfast.dialects.columns import Columns
from holdfast.dialects.doctor import Doctor
from holdfast.dialects.erasure import Erasure
from holdfast.dialects.evidence import Evidence
from holdfast.dialects.features import Features
from holdfast.dialects.feed import Feed
from holdfast.dialects.granting import Granting
from holdfast.dialects.holds import Holds
from holdfast.dialects.log import Log
from holdfast.dialects.marking import Marking
from holdfast.dialects.migrating import Migrating
from holdfast.dialects.past import Past
from holdfast.dialects.permitting import Permitting
from holdfast.dialects.purging import Purging
from holdfast.dialects.query import Query
from holdfast.dialects.recall import Recall
from holdfast.dialects.replication import Replication
from holdfast.dialects.retention import Retention
from holdfast.dialects.revising import Revising
from holdfast.dialects.signing import Signing
from holdfast.dialects.tenancy import Tenancy
from holdfast.dialects.tenant_life import TenantLife
from holdfast.dialects.tracing import Tracing
from holdfast.dialects.undo import Undo
from holdfast.errors import HoldfastError
from holdfast.journal import Relation
from holdfast.objects import DatabaseObject, InstalledObject, Kind, Protection, Protections
from holdfast.policies import Audit, Guard, Permit, Policy, SoftDelete, Tenant, Timestamps, Version
from holdfast.roles import Roles
from holdfast.tables import TableName

# A trigger calls a function; a foreign key refers to an index.
_CREATE_ORDER: Mapping[Kind, int] = {"unique key": 1, "index": 2, "policy": 3, "foreign key": 4, "trigger": 5}


class Dialect(ABC):
    """Turns protections into SQL for one database. Subclasses hold SQL, and nothing that needs a connection."""

    name: str
    title: str
    features: Features
    snapshot_level: str | None
    """The isolation level at which a transaction sees one state of the database; None where each does anyway."""
    one_writer: bool
    """Whether one transaction writes at a time, so that nobody waits longer where several steps are one."""

    # ------------------------------------------------------------------ names

    def quote(self, identifier: str) -> str:
        """The identifier, quoted so that it can hold any character."""
        return '"' + identifier.replace('"', '""') + '"'

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

    @property
    @abstractmethod
    def catalog(self) -> Catalog:
        """What is there: tables, the journal, and what protects them."""

    # ------------------------------------------------------------------ what is to be there

    @abstractmethod
    def journal_columns(self) -> Mapping[str, frozenset[str]]:
        """The columns of each table of the journal, as it is made now; ``Catalog.state`` has those that are there."""

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

    def hand_over(self, former: int, later: int) -> tuple[str, ...]:
        """What is noted of a table itself, and not of its rows, goes on by the number of the history that begins."""
        return ()

    def start_history(self, relation: Relation) -> tuple[str, ...]:
        """From now on every change of the table is recorded; said while nobody can write it. Nothing where ``register``
        says so."""
        return ()

    @abstractmethod
    def forget(self, relation: Relation) -> tuple[str, ...]:
        """Removes the table's history."""

    @property
    @abstractmethod
    def columns(self) -> Columns:
        """The columns that policies need."""

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
        check_declared(protection)

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

    @abstractmethod
    def record_intervention(
        self, kind: str, actor: str | None, reason: str | None, details: Mapping[str, Any]
    ) -> Query:
        """Writes down what is done to the journal itself; one row, the intervention's id."""

    # ------------------------------------------------------------------ many rows

    takes_arrays: bool
    """Whether the values of a column can be given as one parameter, an array that ``unnest`` takes apart."""

    refuses_second_update: bool
    """Whether an upsert that comes to the same row twice is refused, and does not silently update it again."""

    def row_security(self, table: str) -> Query | None:
        """One boolean: whether rows of the table are hidden from this role; None where the database hides none."""
        return None

    def estimate_rows(self, select: str) -> str:
        """Asks the planner about a SELECT; one JSON document. Only where the feature ``estimates_rows`` is true."""
        raise NotImplementedError

    # ------------------------------------------------------------------ digests

    functions: Mapping[str, tuple[int, Callable[..., Any]]] = MappingProxyType({})
    """What its queries call and the database lacks: name to number of arguments and function, for the connection."""

    def waiting(self) -> str | None:
        """One number: the values that wait for their digests; None where a digest is made as a change is recorded."""
        return None

    def digest_waiting(self, number: int | None = None) -> tuple[str, ...]:
        """Puts digests in the place of so many values that wait, or of all, in the transaction in hand."""
        return ()

    # ------------------------------------------------------------------ topics, each in a module of its own

    @property
    @abstractmethod
    def log(self) -> Log:
        """How to read what was recorded."""

    @property
    @abstractmethod
    def marking(self) -> Marking:
        """The mark of a deleted row."""

    @property
    @abstractmethod
    def undo(self) -> Undo:
        """How to take back what was recorded."""

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
        """What of the journal may go."""

    @property
    @abstractmethod
    def holds(self) -> Holds:
        """What must stay: the rows under legal hold."""

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

    @property
    @abstractmethod
    def permitting(self) -> Permitting:
        """Who may do what, and how a transaction carries that."""

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
