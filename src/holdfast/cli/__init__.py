"""The command line: parse, call, print."""

from __future__ import annotations

from importlib import import_module

import click

from holdfast import __version__
from holdfast.cli.failing import Commands
from holdfast.cli.opening import url_option

COMMANDS = (
    *("as-of", "demo", "doctor", "erase", "explain", "hold", "lint", "log", "maintain", "migrate", "permissions"),
    *("protect", "purge", "revert", "roles", "seal", "show", "sign", "status", "tail", "tenants", "undo", "unprotect"),
    *("verify", "versions"),
)


class _Found(Commands):
    """Each command has a module of its name, which is imported when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"holdfast.cli.{name}"), name)
        return command


@click.group(cls=_Found, context_settings={"help_option_names": ["-h", "--help"]})
@url_option
@click.version_option(__version__, prog_name="holdfast", message="%(prog)s %(version)s")
def main() -> None:
    """Rows kept safe by the database itself; what happened can be seen and undone.

    The database is --url, else HOLDFAST_URL, else url in holdfast.toml.

    \b
    Exit codes: 0 done, 1 the answer is no (drift, conflict, not found),
    2 wrong usage, 3 could not be done or checked, 4 locked by another run,
    130 interrupted.

    \b
    Shell completion, for bash (or zsh_source, fish_source):
      eval "$(_HOLDFAST_COMPLETE=bash_source holdfast)"
    """
