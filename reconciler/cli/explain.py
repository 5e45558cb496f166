"""`reconciler explain`."""

from __future__ import annotations

import sys

import click

from reconciler.cli.exit import Exit
from reconciler.model.codes import EXPLANATIONS
from reconciler.model.nearest import nearest
from reconciler.report.explanation import code_list, explanation
from reconciler.report.stream import SafeStream


@click.command("explain")
@click.argument("code", required=False)
def command(code: str | None) -> Exit:
    """Say what a diagnostic CODE means, why it is checked and what to do.

    Without CODE all codes are listed.
    """
    if code is None:
        return _say(code_list(EXPLANATIONS))
    text = EXPLANATIONS.get(code)
    if text is None:
        meant = nearest(code, EXPLANATIONS)
        hint = f"did you mean `{meant}`?" if meant else "`reconciler explain` lists all codes"
        raise click.UsageError(f"there is no code `{code}`: {hint}")
    return _say(explanation(code, text))


def _say(text: str) -> Exit:
    stream = SafeStream(sys.stdout)
    stream.write(f"{text}\n")
    stream.flush()
    return Exit.OK
