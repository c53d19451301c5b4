"""How a command ends: what is printed when it fails, and with which exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from typing import Any, NoReturn

import click

from holdfast.errors import DeclarationError, HoldfastError, LockedError, UndoConflictError

DONE, NO, USAGE, FAILED, LOCKED, INTERRUPTED = 0, 1, 2, 3, 4, 130
BROKEN_PIPE = 141
"""What the shell reports of any program whose reader has gone."""

_NOT_FOUND = {"HF303", "HF409", "HF410", "HF411", "HF422", "HF427", "HF436", "HF477", "HF480", "HF487", "HF494"}
_WRONG_USAGE = {"HF401", "HF424", "HF425", "HF429", "HF430", "HF441", "HF443", "HF444", "HF490"}


def exit_code(error: HoldfastError) -> int:
    if isinstance(error, LockedError):
        return LOCKED
    if isinstance(error, UndoConflictError) or error.code in _NOT_FOUND:
        return NO
    if isinstance(error, DeclarationError) or error.code in _WRONG_USAGE:
        return USAGE
    return FAILED


class Commands(click.Group):
    """A group whose commands end as section "exit codes" of the help says, whatever goes wrong in them."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:  # Closed by who called: >&-
                setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a character is no reason to fail half way through a report.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except (click.exceptions.Exit, click.ClickException):
            raise
        except HoldfastError as error:
            click.echo(_scrubbed(ctx, str(error)), err=True)
            raise click.exceptions.Exit(exit_code(error)) from error
        except (KeyboardInterrupt, click.Abort) as error:
            click.echo("\nInterrupted.", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from error
        except BrokenPipeError:
            _let_go()
            raise click.exceptions.Exit(BROKEN_PIPE) from None
        except OSError as error:
            what = f"{error.strerror or error}: {error.filename}" if error.filename else f"{error.strerror or error}"
            click.echo(_scrubbed(ctx, f"A file, or the output, could not be read or written: {what}."), err=True)
            if error.errno == errno.ENOSPC and error.filename is None:
                _let_go()
            raise click.exceptions.Exit(FAILED) from error
        except Exception as error:
            click.echo(_scrubbed(ctx, traceback.format_exc()), err=True)
            click.echo("This is a bug in holdfast; what is above helps to mend it. It could not be done.", err=True)
            raise click.exceptions.Exit(FAILED) from error


def _let_go() -> None:
    """Whatever is still buffered goes nowhere, so that the interpreter does not complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def refuse_unconfirmed(what: str) -> NoReturn:
    """Nobody is there to be asked."""
    raise click.UsageError(f"There is no terminal to ask whether to {what}. Add --yes, or look first with --dry-run.")


def _scrubbed(ctx: click.Context, text: str) -> str:
    """The text without the password of the URL, should a driver have put it there."""
    password = getattr(ctx.obj, "password", None)
    return text.replace(password, "***") if password else text
