"""Read the specs at an earlier revision of their git repository.

The same code reads them as the specs of the work tree, from a temporary folder with the files that the project file
names.
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

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, select_errors
from reconciler.model.given_variables import NO_VARIABLES, GivenVariables
from reconciler.spec.files import GLOB_CHARACTERS, RevisionCopy, display_path, find_in_repository
from reconciler.spec.load import LoadedProject, load
from reconciler.spec.project import Project, read_project
from reconciler.spec.repository import (
    MergeBase,
    Repository,
    UnusableRevisionError,
    build_unusable_revision_error,
    find_merge_base,
    open_repository,
)
from reconciler.spec.reused_parts import ReusedParts
from reconciler.spec.unlisted_files import YAML_SUFFIXES

_MAX_REPORTED = 3


def load_at_revision(
    project_file: Path,
    shown_from: Path,
    revision: str,
    environ: Mapping[str, str],
    given: GivenVariables = NO_VARIABLES,
    *,
    parts: ReusedParts | None = None,
) -> LoadedProject:
    """Load the project at a revision, with all files that it names. `given` are the values of `--var`, `parts` those of
    the other revisions that this run loads.

    Raises ReconcilerError: `unknown-revision` if git cannot find the revision, `unusable-revision` if its specs cannot
    be read. The specs are not checked against the catalogue here.
    """
    with _unpack_revision(project_file, shown_from, revision, environ) as checkout:
        try:
            project = read_project(checkout.project_file, checkout.shown_from, copy=checkout.copy)
            checkout.write_files_of(project)
            loaded = load(checkout.project_file, checkout.shown_from, checkout.copy, given, parts=parts)
        except UnusableRevisionError:
            raise
        except ReconcilerError as error:
            raise build_invalid_specs_error(revision, error.diagnostics) from None
    if select_errors(loaded.findings):
        raise build_invalid_specs_error(revision, loaded.findings)
    return loaded


def read_project_at_revision(
    project_file: Path, shown_from: Path, revision: str, environ: Mapping[str, str]
) -> Project:
    """Read only the project file at a revision. Its spans show `PATH@REVISION`. Raises as `load_at_revision`."""
    with _unpack_revision(project_file, shown_from, revision, environ) as checkout:
        shown = f"{display_path(checkout.project_file, checkout.shown_from)}@{revision}"
        try:
            return read_project(checkout.project_file, checkout.shown_from, shown, checkout.copy)
        except ReconcilerError as error:
            raise build_invalid_specs_error(revision, error.diagnostics) from None


def read_merge_base(
    project_file: Path, shown_from: Path, revision: str, environ: Mapping[str, str]
) -> MergeBase:
    """Find the commit where the branch of the project file left a revision.

    Raises ReconcilerError: `unknown-revision` as `load_at_revision`, `no-merge-base` if they have no commit in common.
    """
    path = _resolve(project_file, shown_from)
    return find_merge_base(path, display_path(path, shown_from), revision, environ)


def build_invalid_specs_error(revision: str, diagnostics: Sequence[Diagnostic]) -> ReconcilerError:
    """Build one error for all problems with the specs of a revision. It lists the first few."""
    errors = select_errors(diagnostics)
    notes = [_render_problem(diagnostic, revision) for diagnostic in errors[:_MAX_REPORTED]]
    notes += [f"and {len(errors) - _MAX_REPORTED} more"] if len(errors) > _MAX_REPORTED else []
    return build_unusable_revision_error(revision, f"the specs of revision `{revision}` have errors", *notes)


def _render_problem(problem: Diagnostic, revision: str) -> str:
    span = problem.span
    if span is None:
        return problem.message
    return f"{span.path.removesuffix(f'@{revision}')}@{revision}:{span.line}:{span.column}: {problem.message}"


@dataclass(frozen=True, slots=True)
class _Checkout:
    """Part of a revision in a temporary folder. `name` is the path of the project file from the root of the repository,
    and from `folder`; `shown_from` stands for the folder that paths are shown from."""

    repository: Repository
    folder: Path
    name: str
    shown_from: Path

    @property
    def project_file(self) -> Path:
        """Return the path of the copy of the project file."""
        return self.folder / self.name

    def write_files(self, names: Collection[str]) -> None:
        """Write these files, and the targets of symbolic links among them. Raises OSError and ReconcilerError."""
        contents = self.repository.read_contents(names)
        links = {name for name in contents if self.repository.files[name].is_link}
        for name in (*sorted(contents.keys() - links), *sorted(links)):  # nothing is written through a link
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if name not in links:
                file.write_bytes(contents[name])
            else:
                self._write_link(name, os.fsdecode(contents[name]))

    @property
    def copy(self) -> RevisionCopy:
        """The temporary folder, as the place of the files of the revision."""
        return RevisionCopy(
            self.folder, self.repository.root, self._read_file, has_other_files=self._has_other_files()
        )

    def _read_file(self, name: str) -> bytes | None:
        """Read a file, through symbolic links; None if there is none. Raises ReconcilerError if git cannot read it."""
        file = self.repository.follow_links(name)
        return None if file is None else self.repository.read_contents([file])[file]

    def _has_other_files(self) -> bool:
        """Return whether the revision has a YAML file, or a link, below the project file, besides the project file
        itself. Hidden files and folders are left out, as by globs."""
        folder, files = PurePosixPath(self.name).parent, self.repository.files
        paths = (PurePosixPath(name) for name in files if name != self.name)
        return any(
            (path.suffix in YAML_SUFFIXES or files[str(path)].is_link)
            and path.is_relative_to(folder)
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
            for path in paths
        )

    def write_files_of(self, project: Project) -> None:
        """Write every file that may be a spec or override file of the project. Raises OSError and ReconcilerError."""
        texts = [str(pattern.value) for pattern in (*project.content.specs, *project.content.overrides)]
        patterns = [PurePosixPath(self._locate(text)) for text in texts]
        self.write_files(
            {name for name in self.repository.files if any(_may_match(name, pattern) for pattern in patterns)}
        )
        links = self.repository.find_folder_links(
            lambda name: any(_may_lead_through(name, pattern) for pattern in patterns)
        )
        for link, target in links.items():
            names = [name for name in self.repository.files if name.startswith(f"{target}/")]
            names = [name for name in names if _matches_below(name, target, link, patterns)]
            self.write_files(names)
            if names:
                self._write_link(link, os.path.relpath(target, posixpath.dirname(link) or "."))

    def _write_link(self, name: str, target: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(file):
            file.symlink_to(target)

    def _locate(self, pattern: str) -> str:
        """Locate a pattern from the root of the repository. Raises ReconcilerError for an absolute path outside of it,
        which is part of no revision: the present file would be read."""
        if not Path(pattern).is_absolute():
            return posixpath.normpath(posixpath.join(posixpath.dirname(self.name), pattern))
        found = find_in_repository(pattern, self.repository.root)
        if found is None:
            revision = self.repository.revision
            raise build_unusable_revision_error(
                revision,
                f"the project file of revision `{revision}` names `{pattern}` by an absolute path",
                "git keeps no earlier content of that path, so a change there would not be seen",
            )
        return found


@contextmanager
def _unpack_revision(
    project_file: Path, shown_from: Path, revision: str, environ: Mapping[str, str]
) -> Iterator[_Checkout]:
    """Check out only the project file. Raises ReconcilerError if the revision has no project file."""
    path = _resolve(project_file, shown_from)
    repository = open_repository(path, display_path(path, shown_from), revision, environ)
    folder, start = path.parent.resolve(), shown_from.resolve()
    name = (folder / path.name).relative_to(repository.root).as_posix()
    if name not in repository.files:
        raise build_unusable_revision_error(revision, f"revision `{revision}` has no project file `{name}`")
    is_inside = start.is_relative_to(repository.root) and folder.is_relative_to(start)
    with tempfile.TemporaryDirectory(prefix="reconciler-") as directory:
        shown = Path(directory, start.relative_to(repository.root)) if is_inside else Path(directory)
        checkout = _Checkout(repository, Path(directory), name, shown)
        try:
            checkout.write_files({name})
            yield checkout
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            message = f"revision `{revision}` cannot be unpacked into a temporary folder: {reason}"
            raise build_unusable_revision_error(revision, message) from None


def _resolve(project_file: Path, shown_from: Path) -> Path:
    return project_file if project_file.is_absolute() else shown_from / project_file


def _may_match(name: str, pattern: PurePosixPath) -> bool:
    """Return whether a glob may find a file. True may be wrong: the copied files are searched with the glob itself."""
    path = PurePosixPath(name)
    globs = (position for position, part in enumerate(pattern.parts) if GLOB_CHARACTERS & set(part))
    first_glob = next(globs, None)
    if first_glob is None:
        return path == pattern
    is_below = path.parts[:first_glob] == pattern.parts[:first_glob]
    return is_below and (pattern.name == "**" or fnmatchcase(path.name, pattern.name))


def _may_lead_through(link: str, pattern: PurePosixPath) -> bool:
    """Whether a glob may find files below a link to a folder. `**` follows no links."""
    parts = PurePosixPath(link).parts
    return len(parts) < len(pattern.parts) and all(
        part != "**" and fnmatchcase(name, part) for name, part in zip(parts, pattern.parts, strict=False)
    )


def _matches_below(name: str, target: str, link: str, patterns: Collection[PurePosixPath]) -> bool:
    """Whether a glob may find a file through a link to one of its folders."""
    path = f"{link}{name.removeprefix(target)}"
    return any(_may_match(path, pattern) for pattern in patterns)
