"""Render the result of an import as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from reconciler.importing.model import ImportedEntry
from reconciler.importing.results import GroupLabel, ImportResult
from reconciler.model.sanitize import escape, to_one_line
from reconciler.model.value import format_path
from reconciler.report.file_diff import render_file_diff
from reconciler.report.renderer import Parts, Printed, make_verbatim
from reconciler.report.style import BAD, GOOD, QUIET, STRONG, format_count, join_lines
from reconciler.report.values import format_value

_ENVIRONMENT = "env:"
_MAX_KEY_WIDTH = 40


def render_import(result: ImportResult, next_command: str, *, is_verbose: bool) -> Parts:
    """Render a result: imported groups, files, left out groups, groups without an entry, references, and the next
    step. References are verbatim, so that they can be copied."""
    yield Printed(_render_heading(result))
    if result.imported:
        yield Printed(_render_imported(result))
    if fields := list(_render_left_out_fields(result.imported)):
        yield Printed(join_lines([Text(), Text("Not declared, so left as they are:", STRONG), *fields]))
    if result.left_out:
        yield Printed(Text(f"\nLeft out: {format_count(len(result.left_out), 'group')}", BAD))
    if is_verbose and result.declared:
        yield Printed(_render_labels("Declared before, left as they are", result.declared))
    if result.unmanaged:
        yield Printed(_render_unmanaged(result, is_verbose=is_verbose))
    if result.is_dry_run:
        yield from _render_diffs(result)
    elif result.files:
        yield Printed(_render_files(result))
    if result.references:
        yield Printed(Text("\nReferences to secrets, without values:", STRONG))
        yield make_verbatim("\n".join(format_references(result.references)))
    yield Printed(_render_end(result, next_command))


def format_references(references: Iterable[str]) -> Iterator[str]:
    """Format references as an `.env` file without values; other references than variables are comments in it."""
    for reference in references:
        shown = escape(str(reference))
        if shown.startswith(_ENVIRONMENT) and "${" not in shown:
            yield f"{shown.removeprefix(_ENVIRONMENT).partition('#')[0]}="
        else:
            yield f"# {shown}"


def _render_heading(result: ImportResult) -> Text:
    shown = escape(result.account.account_name) or escape(result.account.account_id)
    account = f"{shown} ({escape(result.account.account_id)})" if result.account.account_name else shown
    verb = "Would import" if result.is_dry_run else "Imported"
    if not result.imported:
        headline = (
            "Nothing to import: each group has an entry." if result.is_complete else "Nothing imported."
        )
    else:
        headline = f"{verb} {format_count(len(result.imported), 'group')}"
        headline += f" with {format_count(len(result.profiles), 'profile')}" if result.profiles else ""
        headline += ":"
    return Text.assemble("account ", (account, STRONG), "\n\n", (headline, STRONG))


def _render_imported(result: ImportResult) -> Text:
    width = min(_MAX_KEY_WIDTH, max(len(entry.key) for entry in result.imported))
    return join_lines([_render_entry(entry, width) for entry in result.imported])


def _render_entry(entry: ImportedEntry, width: int) -> Text:
    return Text.assemble(
        (f"  {entry.key:<{width}}", GOOD),
        f" <- {format_value(entry.live.name)}",
        (f"  {_describe_service(entry)}", QUIET),
    )


def _describe_service(entry: ImportedEntry) -> str:
    if entry.live.destination is None:
        return "no destination"
    return escape(str(entry.live.destination.fields.get(("service",)) or "unknown service"))


def _render_left_out_fields(entries: Iterable[ImportedEntry]) -> Iterator[Text]:
    """Render the fields that entries do not declare: one line for the fields of one entry with one reason."""
    for entry in entries:
        by_reason: dict[str, list[str]] = {}
        for field in entry.left_out:
            by_reason.setdefault(field.reason, []).append(escape(format_path(field.path)))
        for reason, names in by_reason.items():
            yield Text(f"  {entry.key}: {', '.join(names)}: {to_one_line(reason)}")


def _render_labels(heading: str, labels: Sequence[GroupLabel]) -> Text:
    lines = [Text(f"\n{heading}: {format_count(len(labels), 'group')}", STRONG)]
    for label in labels:
        key = f"{label.key} <- " if label.key is not None else ""
        lines.append(Text(f"  {key}{format_value(label.name)} ({escape(label.id)})", QUIET))
    return join_lines(lines)


def _render_unmanaged(result: ImportResult, *, is_verbose: bool) -> Text:
    if is_verbose:
        return _render_labels("Not managed", result.unmanaged)
    hint = "`reconciler drift` lists them"
    return Text.assemble(
        (f"\nNot managed: {format_count(len(result.unmanaged), 'group')}", STRONG), (f"; {hint}", QUIET)
    )


def _render_files(result: ImportResult) -> Text:
    lines = [Text(f"{'wrote  ' if file.is_new else 'changed'} {escape(file.shown)}") for file in result.files]
    return join_lines([Text(), *lines])


def _render_diffs(result: ImportResult) -> Parts:
    for file in result.files:
        yield Printed(Text())
        yield Printed(
            render_file_diff(file.shown, file.before, file.after, result.hidden_lines.get(file.shown, ()))
        )


def _render_end(result: ImportResult, next_command: str) -> Text:
    if result.is_dry_run:
        return Text("\nNothing was written: this is a dry run.", STRONG)
    if not result.imported:
        return Text()
    noun = "this entry" if len(result.imported) == 1 else "these entries"
    return join_lines([Text(), Text(f"A plan of {noun} is empty. Next:", STRONG), Text(f"  {next_command}")])
