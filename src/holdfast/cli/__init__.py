"""The command line: parse, call, print."""

from __future__ import annotations

import click

from holdfast import __version__
from holdfast.cli.as_of import as_of
from holdfast.cli.demo import demo
from holdfast.cli.doctor import doctor
from holdfast.cli.erase import erase
from holdfast.cli.explain import explain
from holdfast.cli.failing import Commands
from holdfast.cli.hold import hold
from holdfast.cli.lint import lint
from holdfast.cli.log import log
from holdfast.cli.maintain import maintain
from holdfast.cli.migrate import migrate
from holdfast.cli.opening import url_option
from holdfast.cli.permissions import permissions
from holdfast.cli.protect import protect
from holdfast.cli.purge import purge
from holdfast.cli.revert import revert
from holdfast.cli.roles import roles
from holdfast.cli.seal import seal
from holdfast.cli.show import show
from holdfast.cli.sign import sign
from holdfast.cli.status import status
from holdfast.cli.tail import tail
from holdfast.cli.tenants import tenants
from holdfast.cli.undo import undo
from holdfast.cli.unprotect import unprotect
from holdfast.cli.verify import verify
from holdfast.cli.versions import versions


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
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


for _command in (
    demo,
    protect,
    unprotect,
    status,
    log,
    show,
    tail,
    undo,
    versions,
    revert,
    as_of,
    maintain,
    migrate,
    tenants,
    purge,
    hold,
    erase,
    permissions,
    seal,
    verify,
    lint,
    sign,
    roles,
    doctor,
    explain,
):
    main.add_command(_command)
