"""Render accepted drift as text: the differences of the files, copied values, and the drift that is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.text import Text

from reconciler.importing.accept_model import (
    Acceptance,
    AcceptedField,
    FieldSource,
    LeftOutDrift,
)
from reconciler.model.sanitize import escape
from reconciler.model.value import format_path
from reconciler.report.file_diff import render_file_diff
from reconciler.report.plan_text import render_heading
from reconciler.report.renderer import Parts, Printed, make_verbatim
from reconciler.report.style import BAD, QUIET, STRONG, format_count, join_lines


def render_acceptance(acceptance: Acceptance) -> Parts:
    """Render the account, the changes of all files, and the drift that is left out with its reasons."""
    yield Printed(render_heading(acceptance.plan))
    yield Printed("")
    for file in acceptance.files:
        shown = file.before.path.shown
        yield Printed(render_file_diff(shown, file.before.text, file.after, file.masked))
        yield Printed("")
    if copies := [field for field in acceptance.accepted if _needs_note(field)]:
        yield Printed(join_lines([_render_note(field) for field in copies]))
        yield Printed("")
    if acceptance.left_out:
        yield Printed(Text("Left out:", STRONG))
        for drift in acceptance.left_out:
            yield Printed(_render_left_out(drift))
            if drift.removal:
                yield make_verbatim(f"      {drift.removal}")
        yield Printed("")


def render_summary(acceptance: Acceptance, *, is_written: bool) -> Text:
    """Render the counts: `Accepted: 3 fields of 2 entries in 1 file. Left out: 1.`"""
    if not acceptance.accepted:
        headline = "No drift was accepted." if acceptance.left_out else "No drift."
    else:
        fields = format_count(len(acceptance.accepted), "field")
        keys = {field.address.key for field in acceptance.accepted}
        entries = "1 entry" if len(keys) == 1 else f"{len(keys):,} entries"
        files = format_count(len(acceptance.files), "file")
        verb = "Accepted" if is_written else "To accept"
        headline = f"{verb}: {fields} of {entries} in {files}."
    left_out = f" Left out: {len(acceptance.left_out)}." if acceptance.left_out else ""
    return Text(headline + left_out, STRONG)


def _needs_note(field: AcceptedField) -> bool:
    return field.source is not FieldSource.ENTRY


def _render_note(field: AcceptedField) -> Text:
    name = f"{field.address} {format_path(field.path)}"
    notes = {
        FieldSource.OVERRIDE: "the override decides, so it was edited",
        FieldSource.PROFILE: f"copied into the entry; profile `{escape(field.profile)}` stays as it is",
        FieldSource.DEFAULTS: "copied into the entry; the defaults of the project stay as they are",
    }
    return Text(f"{escape(name)}: {notes[field.source]}", QUIET)


def _render_left_out(drift: LeftOutDrift) -> Text:
    return join_lines(list(_list_left_out(drift)))


def _list_left_out(drift: LeftOutDrift) -> Iterator[Text]:
    # The reason of a whole entry starts with its address.
    name = "" if drift.path is None else f"{drift.address} {format_path(drift.path)}: "
    yield Text(f"  {escape(name)}{escape(drift.reason)}", BAD)
    if drift.help:
        yield Text(f"      {escape(drift.help)}")
    if drift.removal:
        yield Text("      for `removed:`, once the declaration is deleted:")


def serialize_acceptance(acceptance: Acceptance, *, is_written: bool) -> dict[str, object]:
    """Serialize accepted and left out drift. A value that must not be shown is null, and `hidden` is true."""
    return {
        "account": {"id": acceptance.plan.account_id, "name": acceptance.plan.account_name},
        "written": is_written,
        "files": [file.before.path.shown for file in acceptance.files],
        "accepted": list(_serialize_accepted(acceptance.accepted)),
        "left_out": [
            {
                "address": str(drift.address),
                "field": None if drift.path is None else format_path(drift.path),
                "reason": drift.reason,
                "help": drift.help,
                "removal": drift.removal or None,
            }
            for drift in acceptance.left_out
        ],
    }


def _serialize_accepted(fields: Iterable[AcceptedField]) -> Iterator[dict[str, object]]:
    for field in fields:
        is_hidden = field.difference.is_hidden
        yield {
            "address": str(field.address),
            "field": format_path(field.path),
            "file": field.file.path.shown,
            "source": field.source.value,
            "profile": field.profile or None,
            "cleared": field.difference.value is None,
            "value": None if is_hidden else field.difference.value,
            "hidden": is_hidden,
        }
