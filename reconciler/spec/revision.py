"""What the specs said at an earlier revision of the git repository that they are in.

They are read as those of today are, from a temporary folder that holds no more than what the project file names.
"""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, errors_among
from reconciler.spec.files import GLOB_CHARACTERS, shown_path
from reconciler.spec.load import Loaded, gather
from reconciler.spec.project import Project, read_project
from reconciler.spec.repository import (
    MergeBase,
    Repository,
    find_merge_base,
    open_repository,
    unusable_revision,
)

_TOLD = 3


def loaded_at(project_file: Path, shown_from: Path, revision: str, environ: Mapping[str, str]) -> Loaded:
    """The project as it was at a revision, with everything that it names.

    Raises ReconcilerError: `unknown-revision` where git cannot find it, `unusable-revision` where its specs cannot be
    read. What the catalogue says of them is not asked here.
    """
    with _unpacked(project_file, shown_from, revision, environ) as copy:
        try:
            project = read_project(copy.project, copy.shown_from)
            copy.add_files_of(project)
            loaded = gather(copy.project, copy.shown_from)
        except ReconcilerError as error:
            raise not_in_order(revision, error.diagnostics) from None
    if errors_among(loaded.findings):
        raise not_in_order(revision, loaded.findings)
    return loaded


def project_at(project_file: Path, shown_from: Path, revision: str, environ: Mapping[str, str]) -> Project:
    """Only the project file as it was at a revision. Its spans show `PATH@REVISION`. Raises as `loaded_at`."""
    with _unpacked(project_file, shown_from, revision, environ) as copy:
        shown = f"{shown_path(copy.project, copy.shown_from)}@{revision}"
        try:
            return read_project(copy.project, copy.shown_from, shown)
        except ReconcilerError as error:
            raise not_in_order(revision, error.diagnostics) from None


def read_merge_base(
    project_file: Path, shown_from: Path, revision: str, environ: Mapping[str, str]
) -> MergeBase:
    """Where the branch that the project file is on left a revision.

    Raises ReconcilerError: `unknown-revision` as `loaded_at`, `no-merge-base` where the two have nothing in common.
    """
    path = _resolve(project_file, shown_from)
    return find_merge_base(path, shown_path(path, shown_from), revision, environ)


def not_in_order(revision: str, problems: Sequence[Diagnostic]) -> ReconcilerError:
    """The one error for all that is wrong with the specs of a revision. It tells the first few problems."""
    if any(each.code == "unusable-revision" for each in problems):
        return ReconcilerError(problems)
    errors = errors_among(problems)
    told = [_told(each, revision) for each in errors[:_TOLD]]
    told += [f"and {len(errors) - _TOLD} more"] if len(errors) > _TOLD else []
    return unusable_revision(revision, f"the specs of revision `{revision}` are not in order", *told)


def _told(problem: Diagnostic, revision: str) -> str:
    span = problem.span
    if span is None:
        return problem.message
    return f"{span.path.removesuffix(f'@{revision}')}@{revision}:{span.line}:{span.column}: {problem.message}"


@dataclass(frozen=True, slots=True)
class _Copy:
    """A part of a revision in a temporary folder. `name` is the path of the project file from the root of the
    repository, and from `folder`; `shown_from` stands for the folder that paths are shown from."""

    repository: Repository
    folder: Path
    name: str
    shown_from: Path

    @property
    def project(self) -> Path:
        """The copy of the project file."""
        return self.folder / self.name

    def add(self, names: Collection[str]) -> None:
        """Write these files, and what symbolic links among them lead to. Raises OSError and ReconcilerError."""
        contents = self.repository.contents(names)
        links = {name for name in contents if self.repository.files[name].is_link}
        for name in (*sorted(contents.keys() - links), *sorted(links)):  # nothing is written through a link
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if name not in links:
                file.write_bytes(contents[name])
            elif not os.path.lexists(file):
                file.symlink_to(os.fsdecode(contents[name]))

    def add_files_of(self, project: Project) -> None:
        """Write all that may be a spec or override file of the project. Raises OSError and ReconcilerError."""
        written = [str(each.value) for each in (*project.specs, *project.overrides)]
        self._refuse_absolute(written)
        start = posixpath.dirname(self.name)
        patterns = [PurePosixPath(start, each) for each in written]
        self.add({name for name in self.repository.files if any(_may_match(name, each) for each in patterns)})

    def _refuse_absolute(self, patterns: Collection[str]) -> None:
        """A file that is named by an absolute path is part of no revision: the one of today would be read."""
        revision = self.repository.revision
        for each in patterns:
            if Path(each).is_absolute():
                raise unusable_revision(
                    revision,
                    f"the project file of revision `{revision}` names `{each}` by an absolute path",
                    "git keeps no earlier content of that path, so a change there would not be seen",
                )


@contextmanager
def _unpacked(
    project_file: Path, shown_from: Path, revision: str, environ: Mapping[str, str]
) -> Iterator[_Copy]:
    """A revision with nothing of it but the project file. Raises ReconcilerError where it has none."""
    path = _resolve(project_file, shown_from)
    repository = open_repository(path, shown_path(path, shown_from), revision, environ)
    folder, start = path.parent.resolve(), shown_from.resolve()
    name = (folder / path.name).relative_to(repository.root).as_posix()
    if name not in repository.files:
        raise unusable_revision(revision, f"revision `{revision}` has no project file `{name}`")
    is_inside = start.is_relative_to(repository.root) and folder.is_relative_to(start)
    with tempfile.TemporaryDirectory(prefix="reconciler-") as place:
        shown = Path(place, start.relative_to(repository.root)) if is_inside else Path(place)
        copy = _Copy(repository, Path(place), name, shown)
        try:
            copy.add({name})
            yield copy
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            message = f"revision `{revision}` cannot be unpacked into a temporary folder: {reason}"
            raise unusable_revision(revision, message) from None


def _resolve(project_file: Path, shown_from: Path) -> Path:
    return project_file if project_file.is_absolute() else shown_from / project_file


def _may_match(name: str, pattern: PurePosixPath) -> bool:
    """Whether a glob may find a file. One too many does no harm: the glob itself is tried on the copies."""
    path = PurePosixPath(name)
    globs = (place for place, part in enumerate(pattern.parts) if GLOB_CHARACTERS & set(part))
    fixed = next(globs, None)
    if fixed is None:
        return path == pattern
    is_below = path.parts[:fixed] == pattern.parts[:fixed]
    return is_below and (pattern.name == "**" or fnmatchcase(path.name, pattern.name))
