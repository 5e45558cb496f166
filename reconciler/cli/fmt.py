"""`reconciler fmt`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import Exit
from reconciler.cli.options import Shared, offline_options

if TYPE_CHECKING:
    from reconciler.cli.session import Session


@click.command("fmt")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if something would change.")
@click.option("-v", "--verbose", is_flag=True, help="Show what changes, as a diff.")
@offline_options
def command(shared: Shared, paths: tuple[Path, ...], check: bool, verbose: bool) -> Exit:
    """Bring spec files into their normal form: all files of the project, or each PATH.

    Normal form: LF line ends, no blanks at line ends, no byte order mark, at most one empty line in
    a row, two spaces of indentation for each mapping, and `id`, `name`, `was`, `destination` in this
    order. Comments, quotes, anchors and flow style stay as they are, and so does the meaning.

    Lists the files that changed; with `-v` it shows how.
    """
    from reconciler.cli.session import in_session

    return in_session(shared, "text", partial(_format, paths=paths, check=check, verbose=verbose))


def _format(session: Session, paths: tuple[Path, ...], check: bool, verbose: bool) -> Exit:
    from reconciler.operations.fmt import Mode, format_specs
    from reconciler.report.fmt_text import changed_text, difference_text, summary_text

    formatted = format_specs(session.settings, paths, Mode.CHECK if check else Mode.WRITE)
    if verbose:
        for each in formatted.changed:
            session.tell(difference_text(each.path, each.before, each.after))
    elif formatted.changed:
        session.tell(changed_text(each.path for each in formatted.changed))
    session.err.print(summary_text(len(formatted.changed), formatted.files, written=not check))
    return Exit.FAILED if check and formatted.changed else Exit.OK
