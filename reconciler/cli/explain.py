"""Define the `reconciler explain` command."""

from __future__ import annotations

import re

import click

from reconciler.cli.completion_items import complete_from
from reconciler.cli.exit import ExitCode
from reconciler.cli.help_pages import Command
from reconciler.cli.output import get_terminal_columns, print_text
from reconciler.cli.usage import MisuseError
from reconciler.model.codes import load_codes, load_explanations
from reconciler.model.suggestions import did_you_mean

_HEADLINE = re.compile(r"^(?:error|warning)\[(.*)\].*$")


@click.command("explain", cls=Command)
@click.argument("code", required=False, shell_complete=complete_from(load_codes))
def command(code: str | None) -> ExitCode:
    """Explain a diagnostic CODE: its meaning, its reason and the remedy.

    CODE may be pasted as it was printed: `error[bad-key]`. Without it all codes are listed.
    """
    from reconciler.report.explanation import render_code_list, render_explanation

    width = get_terminal_columns()
    if code is None:
        return print_text(render_code_list(load_explanations(), width))
    code = _HEADLINE.sub(r"\1", code.strip())
    facts = load_codes().get(code)
    if facts is None:
        advice = did_you_mean(code, load_codes()) or "`reconciler explain` lists all codes"
        raise MisuseError(f"there is no code `{code}`", advice)
    return print_text(render_explanation(code, facts.text, width))
