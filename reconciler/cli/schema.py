"""`reconciler schema`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import Exit
from reconciler.cli.options import Shared, offline_options

if TYPE_CHECKING:
    from reconciler.cli.session import Session

_BESIDE_PROJECT = ""


@click.command("schema")
@click.argument("kind", type=click.Choice(["spec", "project"]), default="spec")
@click.option(
    "--write",
    "folder",
    is_flag=False,
    flag_value=_BESIDE_PROJECT,
    metavar="[DIR]",
    help="Write both schemas into DIR, by default `.reconciler/schema` beside the project file.",
)
@offline_options
def command(shared: Shared, kind: str, folder: str | None) -> Exit:
    """Print the JSON Schema of a spec file, or of the project file.

    With it editors complete services, fields and values while you type, explain them, and underline
    what is wrong. What `validate` finds between several fields is beyond a schema.
    """
    from reconciler.cli.session import in_session

    return in_session(
        shared, "text", partial(_print, kind=kind) if folder is None else partial(_write, folder=folder)
    )


def _print(session: Session, kind: str) -> Exit:
    from reconciler.operations.schema import schema_of
    from reconciler.report.schema_text import schema_text
    from reconciler.report.style import write_plain

    write_plain(session.out, schema_text(schema_of(kind)))
    return Exit.OK


def _write(session: Session, folder: str) -> Exit:
    from reconciler.operations.schema import write_schemas
    from reconciler.report.schema_text import written_text

    written = write_schemas(session.settings, Path(folder) if folder != _BESIDE_PROJECT else None)
    session.tell(written_text(written.files.values(), written.modelines))
    return Exit.OK
