"""Select a project's files by paths on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.suggestions import did_you_mean
from reconciler.spec.files import SpecPath, display_path
from reconciler.spec.load import find_project_files
from reconciler.spec.project import read_project
from reconciler.workspace.settings import Settings


def select_files(settings: Settings, paths: Sequence[Path]) -> list[SpecPath]:
    """Select the named files of a project and the files below named folders; all files without `paths`.

    The project file is one of the files. Raises ReconcilerError with a finding for each path without any file
    of the project: a result about no files would look like success.
    """
    project = read_project(settings.project, settings.directory)
    project_path = SpecPath(project.path, project.shown)
    project_paths = [project_path, *find_project_files(project, settings.directory)]
    if not paths:
        return project_paths
    findings: list[Diagnostic] = []
    chosen: dict[Path, SpecPath] = {}
    for path in paths:
        absolute = (settings.directory / path).resolve()
        found = [
            spec_path for spec_path in project_paths if spec_path.file.resolve().is_relative_to(absolute)
        ]
        chosen |= {spec_path.file: spec_path for spec_path in found}
        if not found:
            findings.append(_explain_unknown_path(settings, path, project.shown, project_paths))
    if findings:
        raise ReconcilerError(findings)
    return [spec_path for spec_path in project_paths if spec_path.file in chosen]


def _explain_unknown_path(
    settings: Settings, path: Path, project: str, known: Iterable[SpecPath]
) -> Diagnostic:
    absolute = settings.directory / path
    shown = display_path(absolute, settings.directory)
    if not absolute.exists():
        return Diagnostic(
            "not-in-project",
            f"there is no file `{shown}`",
            help=did_you_mean(shown, [spec_path.shown for spec_path in known]) or "correct the path",
        )
    what = "holds no file" if absolute.is_dir() else "is not a file"
    return Diagnostic(
        "not-in-project",
        f"`{shown}` {what} of this project",
        notes=(f"its files are the files that `specs` and `overrides` in `{project}` name",),
        help="correct the path, add the file to `specs`, or choose another project with `--project`",
    )
