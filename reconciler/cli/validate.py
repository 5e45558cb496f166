"""`reconciler validate`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import Exit
from reconciler.cli.options import Shared, format_option, offline_options, strict_option

if TYPE_CHECKING:
    from reconciler.cli.session import Session


@click.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@format_option("full", "concise", "json", "github", "sarif")
@offline_options
@strict_option
def command(shared: Shared, form: str, paths: tuple[Path, ...]) -> Exit:
    """Check the project file and every spec that it names.

    With PATH (files, or folders with files of the project) everything is read as well, but only
    findings there are told. Needs no network, no credentials and no secrets.

    Findings go to stderr; with `--format json` or `sarif` stdout is one document, with `github` it
    has annotations.
    """
    from reconciler.cli.session import in_session

    return in_session(shared, form, partial(_validate, paths=paths))


def _validate(session: Session, paths: tuple[Path, ...]) -> Exit:
    from reconciler.operations.validate import validate
    from reconciler.report.validate_text import elsewhere_text, validated_data, validated_text

    validated = validate(session.settings, paths)
    session.tell_warnings(validated.warnings)
    counts = (validated.groups, validated.destinations, validated.files)
    session.tell(validated_text(*counts))
    if validated.elsewhere and not session.wants_document:
        session.err.print(elsewhere_text(validated.elsewhere))
    session.tell_document(Exit.OK, validated_data(*counts, validated.warnings), validated.warnings)
    return Exit.OK
