"""`reconciler validate`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.exit import ExitCode, get_exit_code
from reconciler.cli.options import Shared, format_option, offline_options, settings_option, strict_option

if TYPE_CHECKING:
    from reconciler.cli.context import CommandContext
    from reconciler.model.diagnostic import Diagnostic
    from reconciler.operations.validate import ValidationResult


@click.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@format_option("full", "concise", "json", "github", "junit", "sarif")
@offline_options
@strict_option
@settings_option
def command(shared: Shared, form: str, paths: tuple[Path, ...]) -> ExitCode:
    """Check the project file and every spec that it names.

    With PATH (files, or folders with files of the project) everything is read as well, but only
    findings there are told. Needs no network, no credentials and no secrets.

    Findings go to stderr; with `--format json`, `sarif` or `junit` stdout is one document, with `github` it
    has annotations, and the step a summary.
    """
    from reconciler.cli.context import run_command

    return run_command(shared, form, partial(_validate, paths=paths), failure_headline="Not valid")


def _validate(context: CommandContext, paths: tuple[Path, ...]) -> ExitCode:
    from reconciler.operations.validate import validate
    from reconciler.report.validation import render_other_findings

    validated = validate(context.settings, paths)
    if validated.refusals:
        return _render_refusal(context, validated)
    context.render_warnings(validated.warnings)
    headline = _format_headline(validated)
    context.print_result(headline)
    if validated.elsewhere and not context.is_document_format:
        context.err.print(render_other_findings(validated.elsewhere))
    _render_document(context, validated)
    return ExitCode.OK


def _render_refusal(context: CommandContext, validated: ValidationResult) -> ExitCode:
    """Specs that are in order, and that the policies of the project do not allow."""
    code = get_exit_code(validated.refusals)
    findings = (*validated.warnings, *validated.refusals)
    match context.form:
        case "junit":
            context.render_diagnostics(findings)
            _render_junit(context, validated)
        case "json":
            context.render_document(code, _serialize_findings(validated, findings))
        case _:
            context.render_failure(code, findings, validated.judgements)
    return code


def _serialize_findings(validated: ValidationResult, findings: Sequence[Diagnostic]) -> dict[str, Any]:
    from reconciler.report.validation import serialize_validation

    counts = (validated.groups, validated.destinations, validated.files)
    return serialize_validation(*counts, findings, validated.judgements)


def _format_headline(validated: ValidationResult) -> str:
    from reconciler.report.validation import render_validation

    return render_validation(validated.groups, validated.destinations, validated.files)


def _render_document(context: CommandContext, validated: ValidationResult) -> None:
    match context.form:
        case "junit":
            _render_junit(context, validated)
        case "github":
            from reconciler.report.plan_markdown import render_validation_markdown

            arguments = (_format_headline(validated), validated.warnings, context.project, context.read_line)
            context.write_github_files(
                ExitCode.OK, {"refused": "false"}, lambda room: render_validation_markdown(*arguments, room)
            )
        case _:
            content = _serialize_findings(validated, validated.warnings)
            context.render_document(ExitCode.OK, content, validated.warnings, validated.judgements)


def _render_junit(context: CommandContext, validated: ValidationResult) -> None:
    from reconciler.report.junit import render_validation_junit

    entries = {str(address): file for address, file in validated.entries.items()}
    findings = (*validated.warnings, *validated.refusals)
    context.write(
        render_validation_junit(entries, findings, validated.judgements, str(context.shared.project))
    )
