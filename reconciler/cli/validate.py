"""`reconciler validate`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.exit import Exit, exit_for
from reconciler.cli.options import Shared, format_option, offline_options, settings_option, strict_option

if TYPE_CHECKING:
    from reconciler.cli.session import Session
    from reconciler.model.diagnostic import Diagnostic
    from reconciler.operations.validate import Validated


@click.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@format_option("full", "concise", "json", "github", "junit", "sarif")
@offline_options
@strict_option
@settings_option
def command(shared: Shared, form: str, paths: tuple[Path, ...]) -> Exit:
    """Check the project file and every spec that it names.

    With PATH (files, or folders with files of the project) everything is read as well, but only
    findings there are told. Needs no network, no credentials and no secrets.

    Findings go to stderr; with `--format json`, `sarif` or `junit` stdout is one document, with `github` it
    has annotations, and the step a summary.
    """
    from reconciler.cli.session import in_session

    return in_session(shared, form, partial(_validate, paths=paths), failing="Not valid")


def _validate(session: Session, paths: tuple[Path, ...]) -> Exit:
    from reconciler.operations.validate import validate
    from reconciler.report.validate_text import elsewhere_text

    validated = validate(session.settings, paths)
    if validated.refusals:
        return _refuse(session, validated)
    session.tell_warnings(validated.warnings)
    headline = _headline(validated)
    session.tell(headline)
    if validated.elsewhere and not session.wants_document:
        session.err.print(elsewhere_text(validated.elsewhere))
    _tell_document(session, validated)
    return Exit.OK


def _refuse(session: Session, validated: Validated) -> Exit:
    """Specs that are in order, and that the policies of the project do not allow."""
    code = exit_for(validated.refusals)
    findings = (*validated.warnings, *validated.refusals)
    match session.form:
        case "junit":
            session.tell_diagnostics(findings)
            _tell_junit(session, validated)
        case "json":
            session.tell_document(code, _data(validated, findings))
        case _:
            session.tell_failure(code, findings, validated.judgements)
    return code


def _data(validated: Validated, findings: Sequence[Diagnostic]) -> dict[str, Any]:
    from reconciler.report.validate_text import validated_data

    counts = (validated.groups, validated.destinations, validated.files)
    return validated_data(*counts, findings, validated.judgements)


def _headline(validated: Validated) -> str:
    from reconciler.report.validate_text import validated_text

    return validated_text(validated.groups, validated.destinations, validated.files)


def _tell_document(session: Session, validated: Validated) -> None:
    match session.form:
        case "junit":
            _tell_junit(session, validated)
        case "github":
            from reconciler.report.plan_markdown import valid_markdown

            told = (_headline(validated), validated.warnings, session.project, session.read_line)
            session.leave(Exit.OK, {"refused": "false"}, lambda room: valid_markdown(*told, room))
        case _:
            content = _data(validated, validated.warnings)
            session.tell_document(Exit.OK, content, validated.warnings, validated.judgements)


def _tell_junit(session: Session, validated: Validated) -> None:
    from reconciler.report.junit import validated_junit

    entries = {str(address): place for address, place in validated.entries.items()}
    findings = (*validated.warnings, *validated.refusals)
    session.write(validated_junit(entries, findings, validated.judgements, str(session.shared.project)))
