"""Load the specs as if changed files were written, and write them once the result is proven."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reconciler.importing.accept_model import ChangedFile
from reconciler.importing.file_plan import PlannedFile, WriteStage
from reconciler.importing.writing import write_files
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.source import Span
from reconciler.model.value import MASKED_IN_OUTPUT
from reconciler.spec.characters import BYTE_ORDER_MARK
from reconciler.spec.edit import FileText, check_current
from reconciler.spec.unsaved import UnsavedFiles
from reconciler.workspace.settings import Settings
from reconciler.workspace.specs import Specs, load_specs


def load_changed_specs(settings: Settings, files: Iterable[FileText], texts: Mapping[str, str]) -> Specs:
    """Load the specs as if the texts, by shown path, were written. Files without a new text count as they were read.

    Raises ReconcilerError.
    """
    unsaved = UnsavedFiles(
        {
            file.path.file.resolve(): texts.get(file.path.shown, file.text).removeprefix(BYTE_ORDER_MARK)
            for file in files
        }
    )
    return load_specs(settings, unsaved=unsaved)


def list_changed_files(
    files: Iterable[FileText], texts: Mapping[str, str], before: Specs, after: Specs
) -> tuple[ChangedFile, ...]:
    """List the files whose texts, by shown path, differ from what was read. Lines with values that must not be shown
    are masked, by the specs before and after."""
    changed = []
    for file in files:
        shown = file.path.shown
        text = texts.get(shown, file.text)
        if text != file.text:
            masked = mask_lines_at(shown, file.text, before.hidden)
            changed.append(ChangedFile(file, text, {**masked, **mask_lines_at(shown, text, after.hidden)}))
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


def write_changed_files(files: Sequence[ChangedFile]) -> None:
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
