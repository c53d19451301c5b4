"""One tenant brought to a revision: in this process, or in one that gets its work by standard input.

Alembic keeps what it is working on in its modules, so a process migrates one database at a time.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from holdfast.alembic.translating import TENANT_SCHEMA
from holdfast.database import explained
from holdfast.dialects import dialect_for
from holdfast.errors import MigrationError
from holdfast.sqlalchemy.tenancy import DatabasePerTenant, SchemaPerTenant, TenantNames

Tenants = SchemaPerTenant | DatabasePerTenant


def upgrade(tenants: Tenants, config: Config, tenant: str, revision: str) -> list[str]:
    """Runs the revisions that the tenant lacks; what was run.

    ``env.py`` finds the connection in ``config.attributes["connection"]``, the tenant in ``"tenant"`` and, where
    tenants have a schema each, its name in ``"version_table_schema"``. HF497 where it uses another connection.
    """
    script = ScriptDirectory.from_config(config)
    done: list[str] = []
    with tenants.connection(tenant) as connection, explained(dialect_for(connection.dialect.name)):

        def steps(heads: Any, context: Any) -> list[Any]:
            if context.connection is not connection:
                raise MigrationError(
                    "HF497",
                    "env.py connects by itself, so not the tenant would be migrated; nothing was.",
                    'Use the connection in context.config.attributes["connection"] where there is one.',
                )
            # The same call as alembic.command.upgrade makes: there is no other way to ask.
            found = script._upgrade_revs(revision, heads)
            done[:] = [str(step) for step in found]
            return found

        schema = tenants.names.identifier(tenant) if isinstance(tenants, SchemaPerTenant) else None
        connection.execution_options(**{TENANT_SCHEMA: schema})
        before = dict(config.attributes)
        config.attributes.update(connection=connection, tenant=tenant, version_table_schema=schema)
        try:
            with EnvironmentContext(config, script, fn=steps, destination_rev=revision):
                script.run_env()
        finally:
            config.attributes.clear()
            config.attributes.update(before)
        if connection.in_transaction():
            # Something was sent before Alembic began, which then leaves the commit to others.
            connection.commit()
    return done


def described(tenants: Tenants, config: Config) -> dict[str, Any]:
    """What another process needs to know, as JSON."""
    place: dict[str, Any] = {"prefix": tenants.names.prefix, "pattern": tenants.names.pattern}
    if isinstance(tenants, SchemaPerTenant):
        place |= {"url": _text(tenants.owner), "shared": tenants.shared}
    else:
        place |= {"template": _text(tenants.urls.template), "maintenance": tenants.maintenance}
    options = {name: config.get_main_option(name) for name in config.file_config.options(config.config_ini_section)}
    toml = getattr(config, "toml_file_name", None)
    files = {"file_": config.config_file_name, "toml_file": None if toml is None else str(toml)}
    return {"tenants": place, "config": {"files": files, "options": options}}


def _text(url: Any) -> str:
    return url if isinstance(url, str) else str(url.render_as_string(hide_password=False))


def _told(work: Mapping[str, Any]) -> tuple[Tenants, Config]:
    place, alembic = work["tenants"], work["config"]
    names = TenantNames(place["prefix"], place["pattern"])
    config = Config(**alembic["files"])
    for name, value in alembic["options"].items():
        config.set_main_option(name, value.replace("%", "%%"))
    if "url" not in place:
        template, maintenance = place["template"], place["maintenance"]
        return DatabasePerTenant(template, names=names, build=_nothing, maintenance=maintenance), config
    engine = create_engine(place["url"])
    return SchemaPerTenant(engine, names=names, shared=place["shared"], build=_nothing, owner=place["url"]), config


def _nothing(_connection: object) -> None:
    return


def main() -> None:
    """First comes what ``described`` gives, then ``{"tenant": …, "revision": …}``, each as a line of JSON."""
    # What env.py prints must not get into the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    tenants, config = _told(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        work = json.loads(line)
        told: str | None = None
        try:
            upgrade(tenants, config, work["tenant"], work["revision"])
        except Exception as error:
            told = error_text(error)
        answers.write(json.dumps({"error": told}) + "\n")
        answers.flush()


def error_text(error: BaseException) -> str:
    """What the ledger keeps of an error: never the parameters of a statement."""
    original = getattr(error, "orig", None)
    text = str(original if original is not None else error).strip()
    return f"{type(error).__name__}: {text}"[:2000]


if __name__ == "__main__":
    main()
