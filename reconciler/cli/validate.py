"""`reconciler validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli.exit import Exit
from reconciler.cli.options import Shared, format_option, shared_options

if TYPE_CHECKING:
    from reconciler.cli.session import Session


@click.command("validate")
@format_option("full", "concise", "json")
@shared_options
def command(shared: Shared, form: str) -> Exit:
    """Check the project file and every spec that it names.

    Needs no network, no credentials and no secrets. Findings go to stderr, with `--format json` to
    stdout.
    """
    from reconciler.cli.session import in_session

    return in_session(shared, form, _validate)


def _validate(session: Session) -> Exit:
    from reconciler.operations.validate import validate
    from reconciler.report.validate_text import validated_data, validated_text

    validated = validate(session.settings)
    if validated.warnings and not session.wants_json:
        session.tell_diagnostics(validated.warnings)
    counts = (validated.groups, validated.destinations, validated.files)
    session.tell(validated_text(*counts))
    session.tell_document(Exit.OK, validated_data(*counts, validated.warnings))
    return Exit.OK
