"""Render the result of an import as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from reconciler.importing.entry_comments import describe_reason
from reconciler.importing.model import ImportedEntry
from reconciler.importing.results import DeclaredGroup, GroupLabel, ImportResult, OwnedGroup
from reconciler.model.sanitize import escape, to_one_line
from reconciler.model.value import format_path
from reconciler.report.file_diff import mask_whole_lines, render_file_diff
from reconciler.report.formats import Verbosity
from reconciler.report.renderer import Parts, Printed, make_verbatim
from reconciler.report.style import GOOD, QUIET, STRONG, format_count, join_lines
from reconciler.report.values import format_value

_ENVIRONMENT = "env:"
_MAX_KEY_WIDTH = 40
_MAX_DECLARED = 20


def render_import(result: ImportResult, run_options: str, verbosity: Verbosity) -> Parts:
    """Render a result: imported groups, files, groups without an entry, references, and the next steps.

    Quiet, only the counts, and what is left out. References are verbatim, so that they can be copied. `run_options` are
    options of the next commands.
    """
    is_verbose, is_quiet = verbosity is Verbosity.VERBOSE, verbosity is Verbosity.QUIET
    yield Printed(_render_heading(result, has_list=not is_quiet))
    if result.imported and not is_quiet:
        yield Printed(_render_imported(result))
    if fields := list(_render_left_out_fields(result.imported)):
        yield Printed(join_lines([Text(), Text("Not declared, so left as they are:", STRONG), *fields]))
    if declared := _choose_declared(result, is_verbose=is_verbose):
        yield Printed(_render_declared(declared, None if is_verbose else _MAX_DECLARED))
    if is_quiet:
        return
    if result.owned and not result.is_narrowed:
        yield Printed(_render_owned(result.owned, None if is_verbose else _MAX_DECLARED))
    if result.unmanaged:
        yield Printed(_render_unmanaged(result, is_verbose=is_verbose))
    if result.is_dry_run:
        yield from _render_diffs(result)
    elif result.files:
        yield Printed(_render_files(result))
    if result.references:
        yield Printed(Text("\nReferences to secrets, without values:", STRONG))
        yield make_verbatim("\n".join(format_references(result.references)))
    if result.is_dry_run or result.imported:
        yield Printed(_render_end(result, run_options))


def format_references(references: Iterable[str]) -> Iterator[str]:
    """Format references as an `.env` file without values; other references than variables are comments in it."""
    for reference in references:
        shown = escape(str(reference))
        if shown.startswith(_ENVIRONMENT) and "${" not in shown:
            yield f"{shown.removeprefix(_ENVIRONMENT).partition('#')[0]}="
        else:
            yield f"# {shown}"


def _render_heading(result: ImportResult, *, has_list: bool) -> Text:
    shown = escape(result.account.account_name) or escape(result.account.account_id)
    account = f"{shown} ({escape(result.account.account_id)})" if result.account.account_name else shown
    verb = "Would import" if result.is_dry_run else "Imported"
    left_out = f"{format_count(len(result.left_out), 'group')} left out" if result.left_out else ""
    if not result.imported and result.is_complete:
        owned = ", or is of another project" if result.owned and not result.is_narrowed else ""
        headline = (
            f"Nothing to import: each {'selected ' if result.is_narrowed else ''}group has an entry{owned}."
        )
    elif not result.imported:
        headline = f"Nothing imported{f'; {left_out}' if left_out else ''}."
    else:
        headline = f"{verb} {format_count(len(result.imported), 'group')}"
        headline += f" with {format_count(len(result.profiles), 'profile')}" if result.profiles else ""
        headline += f"; {left_out}" if left_out else ""
        headline += ":" if has_list else "."
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
            yield Text(
                f"  {entry.key}: {', '.join(names)}: {to_one_line(describe_reason(reason, len(names)))}"
            )


def _choose_declared(result: ImportResult, *, is_verbose: bool) -> Sequence[DeclaredGroup]:
    """Choose the groups that had an entry: those that the user named, or whose destination is not declared yet."""
    if is_verbose or result.is_narrowed:
        return result.declared
    return [each for each in result.declared if each.undeclared_service is not None]


def _render_declared(declared: Sequence[DeclaredGroup], most: int | None) -> Text:
    lines = [Text()]
    for each in declared[:most]:
        label = f"{escape(each.group.id)} {format_value(each.group.name)}"
        lines.append(Text(f"  {label} has an entry already: `{each.group.key}` at {escape(each.place)}"))
        if each.undeclared_service is not None:
            service = escape(each.undeclared_service)
            lines.append(
                Text(
                    f"    Its {service} destination is not declared. Write `destination:` into the entry, or delete the"
                    f" entry and import again; `reconciler catalogue show {service} --example` shows the fields.",
                    QUIET,
                )
            )
    if most is not None and len(declared) > most:
        lines.append(Text(f"  and {len(declared) - most:,} more; `--verbose` lists all", QUIET))
    return join_lines(lines)


def _render_owned(owned: Sequence[OwnedGroup], most: int | None) -> Text:
    """Render the groups of other projects, with the states that have them."""
    lines = [Text(f"\nOf other projects: {format_count(len(owned), 'group')}", STRONG)]
    lines += [
        Text(
            f"  {escape(each.group.id)} {format_value(each.group.name)} is {each.address} of {each.place}",
            QUIET,
        )
        for each in owned[:most]
    ]
    if most is not None and len(owned) > most:
        lines.append(Text(f"  and {len(owned) - most:,} more; `--verbose` lists all", QUIET))
    return join_lines(lines)


def _render_labels(heading: str, labels: Sequence[GroupLabel]) -> Text:
    lines = [Text(f"\n{heading}: {format_count(len(labels), 'group')}", STRONG)]
    for label in labels:
        lines.append(Text(f"  {escape(label.id)} {format_value(label.name)}", QUIET))
    return join_lines(lines)


def _render_unmanaged(result: ImportResult, *, is_verbose: bool) -> Text:
    if is_verbose:
        return _render_labels("Not managed", result.unmanaged)
    hint = "`reconciler drift` lists them"
    return Text.assemble(
        (f"\nNot managed: {format_count(len(result.unmanaged), 'group')}", STRONG), (f"; {hint}", QUIET)
    )


def _render_files(result: ImportResult) -> Text:
    files = sorted(result.files, key=lambda file: file.shown)
    lines = [Text(f"{'wrote  ' if file.is_new else 'changed'} {escape(file.shown)}") for file in files]
    return join_lines([Text(), *lines])


def _render_diffs(result: ImportResult) -> Parts:
    for file in result.files:
        yield Printed(Text())
        masked = mask_whole_lines(file.before or "", result.hidden_lines.get(file.shown, ()))
        yield Printed(render_file_diff(file.shown, file.before, file.after, masked))


def _render_end(result: ImportResult, run_options: str) -> Text:
    if result.is_dry_run:
        return Text("\nNothing was written: this is a dry run.", STRONG)
    noun = "this entry" if len(result.imported) == 1 else "these entries"
    steps = [f"reconciler plan{run_options}"]
    if result.references:
        steps = [
            "set the references above: `reconciler help secrets`",
            *steps,
            f"reconciler apply{run_options} --secrets-as-they-are --reason TEXT",
            "  records the secrets as what Fivetran has, and sends nothing",
        ]
    heading = Text(f"A plan of {noun} is empty. Next:", STRONG)
    return join_lines([Text(), heading, *(Text(f"  {step}") for step in steps)])
