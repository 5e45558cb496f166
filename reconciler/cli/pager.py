"""Show long texts in a pager on a terminal, as git does."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping

import click

from reconciler.cli.exit import ExitCode
from reconciler.cli.output import print_text

_LESS_DEFAULT = "-FRX"  # end at once if the text fits, show colours, leave the text on the screen


def show_text(text: str, *, may_page: bool) -> ExitCode:
    """Show a text in the pager of the user, or print it if `may_page` is false or the output is no terminal."""
    if not (may_page and sys.stdout.isatty() and _has_pager(os.environ)):
        return print_text(text)
    os.environ.setdefault("LESS", _LESS_DEFAULT)
    click.echo_via_pager(text)  # shows colours if the pager can, and ends quietly if the user leaves it early
    return ExitCode.OK


def _has_pager(environ: Mapping[str, str]) -> bool:
    """Return whether the user has a pager that shows something page by page."""
    try:
        pager = shlex.split(environ.get("PAGER", "less"))
    except ValueError:  # an open quote
        return False
    return pager not in ([], ["cat"]) and environ.get("TERM") != "dumb"
