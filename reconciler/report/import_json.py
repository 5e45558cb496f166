"""Serialize the result of an import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.importing.file_plan import PlannedFile
from reconciler.importing.model import ImportedEntry
from reconciler.importing.results import DeclaredGroup, GroupLabel, ImportResult, OwnedGroup
from reconciler.model.value import format_path
from reconciler.report.diagnostics import serialize_diagnostics
from reconciler.report.file_diff import mask_whole_lines, render_file_diff
from reconciler.report.terraform_release import serialize_terraform_release


def serialize_import(result: ImportResult) -> dict[str, Any]:
    """Serialize a result. `files` have their differences if nothing was written."""
    release = result.release
    return {
        "account": {"id": result.account.account_id, "name": result.account.account_name},
        "dry_run": result.is_dry_run,
        "imported": [_serialize_entry(entry) for entry in result.imported],
        "profiles": list(result.profiles),
        "left_out": [
            {**_serialize_label(left_out.group), "reason": left_out.reason, "help": left_out.help}
            for left_out in result.left_out
        ],
        "declared": [_serialize_declared(declared) for declared in result.declared],
        "owned_elsewhere": [_serialize_owned(owned) for owned in result.owned],
        "unmanaged": [{"id": label.id, "name": label.name} for label in result.unmanaged],
        "references": [str(reference) for reference in result.references],
        "files": [
            _serialize_file(file, result) for file in sorted(result.files, key=lambda file: file.shown)
        ],
        **({} if release is None else {"terraform": serialize_terraform_release(release)}),
        "diagnostics": serialize_diagnostics(result.findings),
        "requests": result.requests,
        "seconds": round(result.seconds, 3),
    }


def _serialize_entry(entry: ImportedEntry) -> Mapping[str, Any]:
    destination = entry.live.destination
    return {
        "key": entry.key,
        "id": entry.live.id,
        "name": entry.live.name,
        "service": None if destination is None else destination.fields.get(("service",)),
        "references": {format_path(each.path): str(each.reference) for each in entry.references},
        "left_out_fields": {format_path(field.path): field.reason for field in entry.left_out},
    }


def _serialize_label(label: GroupLabel) -> Mapping[str, Any]:
    return {"id": label.id, "name": label.name, "key": label.key}


def _serialize_declared(declared: DeclaredGroup) -> Mapping[str, Any]:
    return {
        **_serialize_label(declared.group),
        "place": declared.place,
        "undeclared_service": declared.undeclared_service,
    }


def _serialize_owned(owned: OwnedGroup) -> Mapping[str, Any]:
    state = owned.place.replace("`", "")
    return {"id": owned.group.id, "name": owned.group.name, "state": state, "address": str(owned.address)}


def _serialize_file(file: PlannedFile, result: ImportResult) -> Mapping[str, Any]:
    facts: dict[str, Any] = {"path": file.shown, "new": file.is_new}
    if result.is_dry_run:
        masked = mask_whole_lines(file.before or "", result.hidden_lines.get(file.shown, ()))
        facts["diff"] = render_file_diff(file.shown, file.before, file.after, masked).plain
    return facts
