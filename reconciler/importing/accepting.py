"""Accept drift: take the live values of fields that were changed outside into the specs.

 1. The account is planned as for `drift`; every answer is remembered.
 2. The fields that differ are found with their live values (`live_differences`).
 3. Each gets its place in the files: the entry, or the override that decides about it (`field_places`).
 4. The changed files are proven in memory (`acceptance_proof`). A field with an objection is left out, and the rest is
    proven again, until nothing objects.

Sends only GET requests, and writes only by `write_accepted`. The state stays as it is: its last applied values are
neither the old nor the new value of the specs until the next apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reconciler.api.client import Client
from reconciler.api.remembered_reads import RememberingSender
from reconciler.importing.accept_model import (
    Acceptance,
    AcceptedField,
    ChangedFile,
    LeftOutDrift,
    LiveDifference,
)
from reconciler.importing.acceptance_proof import ProvenTexts, list_paths, prove_fields
from reconciler.importing.field_places import SpecLayers
from reconciler.importing.file_plan import PlannedFile, WriteStage
from reconciler.importing.live_differences import find_live_differences
from reconciler.importing.writing import write_files
from reconciler.model.address import get_entry_sort_key
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.plan import Plan
from reconciler.model.source import Span
from reconciler.model.value import MASKED_IN_OUTPUT
from reconciler.planning.pipeline import make_plan
from reconciler.spec.characters import BYTE_ORDER_MARK
from reconciler.spec.edit import FileText, check_current
from reconciler.workspace.specs import Specs
from reconciler.workspace.workspace import Workspace


def plan_acceptance(workspace: Workspace, selectors: Sequence[str]) -> Acceptance:
    """Plan which fields go into the specs, of the entries that `selectors` name or of all. Writes nothing.

    Raises ReconcilerError if the account cannot be planned or a file cannot be read.
    """
    remembering = replace(workspace, client=Client(RememberingSender(workspace.sender)))
    planned = make_plan(remembering)
    layers = SpecLayers(workspace.specs.project, workspace.settings.directory)
    differences, left_out = find_live_differences(remembering, planned, selectors)
    fields, unplaced = _place(layers, differences)
    proven, refused = _prove_fields(remembering, planned.plan, layers.files, fields)
    left_out = [*left_out, *unplaced, *refused]
    names = {(each.address, each.path) for each in refused}
    return Acceptance(
        planned.plan,
        tuple(field for field in fields if (field.address, field.path) not in names),
        tuple(sorted(left_out, key=lambda each: (*get_entry_sort_key(each.address), each.path or ()))),
        () if proven is None else _list_changed(workspace.specs, layers.files, proven),
    )


def _place(
    layers: SpecLayers, differences: Iterable[LiveDifference]
) -> tuple[list[AcceptedField], list[LeftOutDrift]]:
    """Place the live values in the files. An entry that only a later revision has is left out."""
    fields, unplaced = [], []
    for difference in differences:
        field = layers.place(difference)
        if field is not None:
            fields.append(field)
        else:
            unplaced.append(LeftOutDrift(difference.address, difference.declared, _NO_FILE, _UPDATE_BRANCH))
    return fields, unplaced


def _prove_fields(
    workspace: Workspace, before: Plan, files: Sequence[FileText], fields: Sequence[AcceptedField]
) -> tuple[ProvenTexts | None, list[LeftOutDrift]]:
    """Prove the fields, without those that an objection is about. Each round leaves out one field at least."""
    refused: list[LeftOutDrift] = []
    remaining = list(fields)
    while remaining:
        proven = prove_fields(workspace, before, files, remaining)
        if isinstance(proven, ProvenTexts):
            return proven, refused
        reasons = {key: objection for objection in proven for key in list_paths(objection)}
        refused += [
            LeftOutDrift(field.address, field.path, reasons[field.key].reason, reasons[field.key].help)
            for field in remaining
            if field.key in reasons
        ]
        remaining = [field for field in remaining if field.key not in reasons]
    return None, refused


_NO_FILE = "no file of this work tree describes the entry"
_UPDATE_BRANCH = "bring the branch up to date first"


def _list_changed(specs: Specs, files: Sequence[FileText], proven: ProvenTexts) -> tuple[ChangedFile, ...]:
    changed = []
    for file in files:
        shown = file.path.shown
        after = proven.texts.get(shown, file.text)
        if after != file.text:
            masked = mask_lines_at(shown, file.text, specs.hidden)
            changed.append(
                ChangedFile(file, after, {**masked, **mask_lines_at(shown, after, proven.specs.hidden)})
            )
    return tuple(changed)


def mask_lines_at(shown: str, text: str, hidden: Iterable[Span]) -> dict[str, str]:
    """Mask the lines of a file with values that must not be shown: each line by its shown form."""
    lines = text.removeprefix(BYTE_ORDER_MARK).splitlines()
    starts: dict[int, int] = {}
    for span in hidden:
        if span.path == shown:
            starts[span.line] = min(starts.get(span.line, span.column), span.column)
            starts |= dict.fromkeys(range(span.line + 1, span.end_line + 1), 1)
    return {
        lines[number - 1]: f"{_cut(lines[number - 1], column - 1)}{MASKED_IN_OUTPUT}"
        for number, column in starts.items()
        if number <= len(lines)
    }


def _cut(line: str, end: int) -> str:
    """Return the start of a line: up to a value, or the blanks before a text that continues there."""
    return line[:end] or line[: len(line) - len(line.lstrip())]


def write_accepted(files: Sequence[ChangedFile]) -> None:
    """Write all files, each whole. A file that changed since it was read stops the run before the first write.

    Raises ReconcilerError.
    """
    for file in files:
        check_current(file.before)
    result = write_files(map(_plan_file, files), "make the file and its folder writable")
    if result.problems:
        names = [file.shown for file in result.written]
        raise ReconcilerError([_note_written(problem, names) for problem in result.problems.values()])


def _plan_file(file: ChangedFile) -> PlannedFile:
    path, text = file.before.path, file.before.text
    return PlannedFile(path.file, path.shown, text, file.after, WriteStage.CHANGED_SPECS)


def _note_written(problem: Diagnostic, written: Sequence[str]) -> Diagnostic:
    """Note the files that were written before an error. Each is whole, and a further run continues with the rest."""
    names = ", ".join(f"`{shown}`" for shown in written)
    return replace(problem, notes=(*problem.notes, f"written before: {names}")) if written else problem
