"""``holdfast explain``."""

from __future__ import annotations

from importlib.resources import files

import click

from holdfast.cli.failing import NO
from holdfast.cli.printing import note, on_terminal
from holdfast.lint.pages import page_of
from holdfast.lint.rules import rules


@click.command()
@click.argument("code")
def explain(code: str) -> None:
    """What an error CODE, or a rule of the linter, means and what to do about it."""
    pages = {each.name.removesuffix(".md"): each for each in files("holdfast.cli").joinpath("pages").iterdir()}
    page = pages.get(code.strip().upper().removesuffix(":"))
    rule = rules().get(code.strip().lower())
    if page is None and rule is None:
        note(f"There is no error {code!r}. There are: {', '.join(sorted(pages))}.")
        raise click.exceptions.Exit(NO)
    text = page.read_text(encoding="utf-8") if page is not None else page_of(rule) if rule is not None else ""
    if not on_terminal():
        click.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console(width=min(100, Console().width)).print(Markdown(text))
