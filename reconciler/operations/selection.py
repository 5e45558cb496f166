"""Which files of a project are meant by paths on a command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.nearest import did_you_mean
from reconciler.operations.settings import Settings
from reconciler.spec.files import SpecPath, shown_path
from reconciler.spec.load import project_files
from reconciler.spec.project import read_project


def select_files(settings: Settings, paths: Sequence[Path]) -> list[SpecPath]:
    """The files of a project that are meant: all without `paths`, those below where a path is a folder.

    The project file is one of them. Raises `ReconcilerError` with one finding for each path that
    means no file of the project, since an answer about nothing would look like a good one.
    """
    project = read_project(settings.project, settings.directory)
    own = SpecPath(project.path, project.shown)
    known = [own, *project_files(project, settings.directory)]
    if not paths:
        return known
    findings: list[Diagnostic] = []
    chosen: dict[Path, SpecPath] = {}
    for path in paths:
        absolute = (settings.directory / path).resolve()
        found = [each for each in known if each.file.resolve().is_relative_to(absolute)]
        chosen |= {each.file: each for each in found}
        if not found:
            findings.append(_unknown(settings, path, project.shown, known))
    if findings:
        raise ReconcilerError(findings)
    return [each for each in known if each.file in chosen]


def _unknown(settings: Settings, path: Path, project: str, known: Iterable[SpecPath]) -> Diagnostic:
    absolute = settings.directory / path
    shown = shown_path(absolute, settings.directory)
    if not absolute.exists():
        return Diagnostic(
            "not-in-project",
            f"there is no file `{shown}`",
            help=did_you_mean(shown, [each.shown for each in known]) or "correct the path",
        )
    what = "holds no file" if absolute.is_dir() else "is not a file"
    return Diagnostic(
        "not-in-project",
        f"`{shown}` {what} of this project",
        notes=(f"its files are those that `specs` and `overrides` in `{project}` name",),
        help="correct the path, add the file to `specs`, or choose another project with `--project`",
    )
