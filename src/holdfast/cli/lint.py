"""``holdfast lint``."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import click
from sqlalchemy import Connection

from holdfast import __version__
from holdfast.cli.failing import FAILED, NO
from holdfast.cli.opening import Settings, settings_of, url_option
from holdfast.cli.printing import note, plural, printable, say, say_json, say_table
from holdfast.database import Database
from holdfast.errors import HoldfastError
from holdfast.lint.checking import Migration, Report, check
from holdfast.lint.configuration import Configuration, read
from holdfast.lint.existing import server_of, tables_in
from holdfast.lint.findings import Finding
from holdfast.lint.formats import github, sarif
from holdfast.lint.history import History
from holdfast.lint.rules import rules
from holdfast.lint.servers import Server, server_for
from holdfast.lint.statements import statements_of

_COLOURS = {"error": "red", "warning": "yellow", "info": "blue"}


@click.command()
@click.argument("targets", nargs=-1, metavar="[REVISIONS | FILE.sql | -]…")
@click.option("--config", default="alembic.ini", metavar="FILE", show_default=True, help="Alembic's configuration.")
@click.option("--database", metavar="KIND", help="postgresql, sqlite, mysql, mariadb or mssql.")
@click.option("--server-version", metavar="V", help="Such as 15 or 15.4. Default: the newest.")
@click.option("--in-transaction", is_flag=True, help="Whatever runs files of SQL does so in one transaction.")
@click.option("--no-env", is_flag=True, help="Read revisions without running env.py.")
@click.option("--trace", is_flag=True, help="Run them on a scratch PostgreSQL as well, and see what the server does.")
@click.option(
    "--scratch", metavar="URL", help="A database to trace on, which is copied. Default: an embedded PostgreSQL."
)
@click.option("--strict", is_flag=True, help="Warnings fail as well.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "github", "sarif"]), default="text", help="Default: text."
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--rules", "list_rules", is_flag=True, help="List the rules.")
@url_option
@settings_of
@click.pass_context
def lint(
    ctx: click.Context,
    settings: Settings,
    *,
    targets: tuple[str, ...],
    config: str,
    database: str | None,
    server_version: str | None,
    in_transaction: bool,
    no_env: bool,
    trace: bool,
    scratch: str | None,
    strict: bool,
    form: str,
    as_json: bool,
    list_rules: bool,
) -> None:
    """Which migrations hurt: Alembic's REVISIONS (head, base:head, a file), or a FILE of SQL, - for standard input.

    Without an argument all revisions; with --url those that the database does not have yet, judged by the types and
    constraints that it has. Nothing is run on it, but with --trace on a scratch database like it.
    [tool.holdfast.lint] in pyproject.toml configures it.

    \b
    Exit codes: 0 no error (with --strict, no warning either), 1 findings, 2 wrong usage,
    3 something could not be read, which is never a pass.
    """
    if list_rules:
        say_table(
            ["rule", "severity", ""], [[name, each.rule.severity, each.rule.title] for name, each in rules().items()]
        )
        return
    if scratch and not trace:
        raise click.UsageError("--scratch is for --trace.")
    configuration = read(Path("pyproject.toml"))
    with ExitStack() as exits:
        opened = Opened(settings, exits)
        chosen = _server(database or configuration.database, server_version or configuration.server_version, opened)
        work = Work(targets, Path(config), chosen, configuration, in_transaction or configuration.in_transaction)
        report = work.report(opened, run_env=not no_env, tracing=Tracing(scratch) if trace else None)
    _show(report, "json" if as_json else form)
    if report.unreadable:
        ctx.exit(FAILED)
    if report.failed(strict=strict):
        ctx.exit(NO)


class Opened:
    """The database that was given by --url, connected for as long as it is asked."""

    def __init__(self, settings: Settings, exits: ExitStack) -> None:
        self.connection: Connection | None = None
        self.database: Database | None = None
        if settings.url:
            self.database = settings.database()
            self.connection = exits.enter_context(self.database.snapshot())


def _server(kind: str | None, version: str | None, opened: Opened) -> Server | None:
    """None: nobody said which."""
    if opened.connection is not None and version is None:
        return server_of(opened.connection)
    if kind is None and version is None:
        return None
    return server_for(kind or "postgresql", version)


class Tracing:
    """What a server says of the migrations."""

    def __init__(self, url: str | None) -> None:
        self.url = url

    def findings(self, migrations: list[Migration], server: Server, opened: Opened) -> list[Finding]:
        from holdfast.lint.tracing import Tracer, scratch

        with scratch(server, url=self.url, like=opened.connection) as made:
            tracer = Tracer(
                made.connection,
                made.tracing,
                time_zone=made.time_zone,
                deployed_together=opened.connection is not None,
            )
            found = tracer.trace(migrations)
        for each in (*made.notes, *tracer.notes):
            note(each)
        return found


class Work:
    """What was asked for, read and checked."""

    def __init__(
        self,
        targets: tuple[str, ...],
        config: Path,
        server: Server | None,
        configuration: Configuration,
        in_transaction: bool,
    ) -> None:
        self.files = [each for each in targets if _is_sql(each)]
        self.revisions = tuple(each for each in targets if not _is_sql(each))
        self.config = config
        self.server = server
        self.configuration = configuration
        self.in_transaction = in_transaction

    def report(self, opened: Opened, *, run_env: bool, tracing: Tracing | None) -> Report:
        migrations: list[Migration] = []
        server = self.server
        if self.revisions or not self.files:
            server, migrations = self._revisions(opened, run_env)
        server = server or Server()
        for file in self.files:
            migrations.append(self._file(file, server, first=1_000_000 * (len(migrations) + 1)))
        history = History(
            server,
            deployed_together=opened.connection is not None,
            runner_sets_timeout=self.configuration.runner == "holdfast",
        )
        if opened.connection is not None and opened.database is not None:
            known = tables_in(opened.connection, opened.database.dialect, server)
            history.tables = {table.name: table for table in known}
            migrations = [each for each in migrations if each.checked]
        further = tracing.findings(migrations, server, opened) if tracing else ()
        return check(migrations, history, self.configuration, further)

    def _revisions(self, opened: Opened, run_env: bool) -> tuple[Server, list[Migration]]:
        if not self.config.is_file() and not Path("pyproject.toml").is_file():
            raise click.UsageError(f"There is no {self.config}. Name a file of SQL, or give --config.")
        try:
            from holdfast.alembic.linting import Asked, applied_in, read_revisions
        except ImportError as error:
            raise HoldfastError(
                "HF445", f"Alembic is not installed: {error.name}.", "pip install 'holdfast[alembic]'"
            ) from error
        applied, run_here = applied_in(opened.connection) if opened.connection is not None else (None, {})
        asked = Asked(
            targets=self.revisions,
            server=self.server,
            applied=applied,
            run_here=run_here,
            run_env=run_env,
            transaction_each=self.configuration.runner == "holdfast",
        )
        return read_revisions(self.config, asked)

    def _file(self, name: str, server: Server, *, first: int) -> Migration:
        try:
            text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise HoldfastError("HF446", f"{name} cannot be read: {error}", "Look at the file.") from error
        statements = statements_of(text, server, file=name, in_transaction=self.in_transaction, first=first)
        return Migration(Path(name).name, tuple(statements))


def _is_sql(target: str) -> bool:
    return target == "-" or target.endswith(".sql")


def _show(report: Report, form: str) -> None:
    if form == "json":
        say_json(report.as_json())
    elif form == "sarif":
        say_json(sarif(report, __version__))
    elif form == "github":
        for line in github(report):
            say(line)
    else:
        for finding in report.findings:
            _say_finding(finding)
        _say_summary(report)


def _say_finding(finding: Finding) -> None:
    severity = click.style(finding.severity, fg=_COLOURS[finding.severity], bold=True)
    name = click.style(finding.rule, bold=True)
    click.echo(f"{printable(finding.file)}:{finding.line}: {severity}: {name}: {printable(finding.message)}")
    if finding.severity == "info":
        return
    for line in finding.statement.splitlines()[:6]:
        click.echo(click.style(f"    {printable(line)}", dim=True))
    click.echo(f"    Fix: {printable(finding.fix)}\n")


def _say_summary(report: Report) -> None:
    counted = Counter(each.severity for each in report.findings)
    found = [plural(counted[each], each) for each in ("error", "warning", "info") if counted[each]]
    where = f"{plural(report.statements, 'statement')} of {plural(report.migrations, 'migration')}"
    say(f"{', '.join(found) or 'Nothing found'} in {where}.")
