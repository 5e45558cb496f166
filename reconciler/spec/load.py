"""From a project file to the groups that it describes."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity, errors_among, in_reading_order
from reconciler.model.source import Span
from reconciler.spec.assemble import Assembly, Document, GroupSpec
from reconciler.spec.files import SpecPath, find
from reconciler.spec.project import Project, read_project
from reconciler.spec.removal import Tombstone
from reconciler.spec.schema import SPEC_LEVELS, OverrideFile, SpecFile, salvaged
from reconciler.spec.source import parse, read
from reconciler.spec.tree import Table

__all__ = ["GroupSpec", "Loaded", "gather", "load", "project_files"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything that a project says, groups sorted by key. `files` are the spec and override files
    as shown to people; the project file itself is not among them. `shared` are the defaults and the
    profiles, each for itself; `roots` the trees of all files that could be read, by path as shown."""

    project: Project
    groups: tuple[GroupSpec, ...]
    files: tuple[str, ...]
    findings: tuple[Diagnostic, ...] = ()
    shared: tuple[Table, ...] = ()
    roots: Mapping[str, Table] = field(default_factory=dict)
    removed: tuple[Tombstone, ...] = ()

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """The findings that stop nothing."""
        return tuple(each for each in self.findings if each.severity is Severity.WARNING)


def load(project_file: Path, shown_from: Path) -> Loaded:
    """Read a project and all its spec files.

    Raises ReconcilerError with the findings of all files together, in reading order. A project
    without any group is an error. Spans show paths relative to `shown_from` where they are below it.
    """
    loaded = gather(project_file, shown_from)
    if errors_among(loaded.findings):
        raise ReconcilerError(loaded.findings)
    return loaded


def gather(project_file: Path, shown_from: Path) -> Loaded:
    """As `load`, but errors are in `findings`, so that what could be assembled can be checked as well.

    A group that is not `complete` is without something that an error kept away. Raises ReconcilerError
    only where it is not known which files belong to the project.
    """
    with _uncollected():
        return _gather(project_file, shown_from)


def _gather(project_file: Path, shown_from: Path) -> Loaded:
    project = read_project(project_file, shown_from)
    specs, overrides = _files_of(project, shown_from)
    findings: list[Diagnostic] = []
    later = _read_all(overrides, OverrideFile, findings)
    overrides_complete = not findings
    documents = _read_all(specs, SpecFile, findings)

    assembly = Assembly(project.defaults, complete=not findings, overrides_complete=overrides_complete)
    for document in documents:
        assembly.add(document)
    for document in later:
        assembly.override(document)
    groups = assembly.groups()
    removed = assembly.removed()

    if not groups and not removed and not findings:
        findings.append(_no_groups(project))
    shared = assembly.shared()
    roots = {project.shown: project.root, **{each.root.span.path: each.root for each in (*documents, *later)}}
    return Loaded(
        project,
        groups,
        tuple(each.shown for each in chain(specs, overrides)),
        tuple(in_reading_order([*findings, *assembly.findings])),
        shared,
        roots,
        removed,
    )


def project_files(project: Project, shown_from: Path) -> tuple[SpecPath, ...]:
    """The spec and override files that a project names, unread. Raises ReconcilerError."""
    return tuple(chain.from_iterable(_files_of(project, shown_from)))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection, which would walk a growing tree again and again.

    Trees have no cycles, so there is nothing to collect; for thousands of groups this halves the time. What
    was loaded stays for the whole run, so later collections need not walk it either.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def _files_of(project: Project, shown_from: Path) -> tuple[list[SpecPath], list[SpecPath]]:
    """Spec files sorted by path; override files in the order in which the project names them."""
    findings: list[Diagnostic] = []
    overrides: list[SpecPath] = []
    try:
        overrides = list(chain.from_iterable(find(project.overrides, project.directory, shown_from)))
    except ReconcilerError as error:
        findings += error.diagnostics
    taken = [project.path, *(each.file for each in overrides)]
    try:
        specs = list(chain.from_iterable(find(project.specs, project.directory, shown_from, taken)))
    except ReconcilerError as error:
        raise ReconcilerError([*findings, *error.diagnostics]) from None
    if findings:
        raise ReconcilerError(findings)
    return sorted(specs, key=lambda each: each.file), overrides


def _read_all(
    files: list[SpecPath], model: type[SpecFile] | type[OverrideFile], findings: list[Diagnostic]
) -> list[Document]:
    """The files that are in order; what is wrong with the others goes to `findings`."""
    documents = []
    levels: Mapping[str, int] = SPEC_LEVELS
    for each in files:
        try:
            root = parse(read(each.file, each.shown), each.shown)
        except ReconcilerError as error:
            findings += (_placed(problem, each) for problem in error.diagnostics)
            continue
        skeleton, wrong = salvaged(model, root, levels)
        findings += wrong
        if skeleton is None:
            continue
        if not wrong and _is_empty(skeleton):
            findings.append(_nothing_in(each))
        else:
            documents.append(Document(root, skeleton))
    return documents


def _placed(problem: Diagnostic, file: SpecPath) -> Diagnostic:
    """What is wrong with a file as a whole is wrong where the project file names it."""
    return problem if problem.span else replace(problem, span=file.named_at)


def _is_empty(skeleton: SpecFile | OverrideFile) -> bool:
    more = isinstance(skeleton, SpecFile) and (skeleton.profiles or skeleton.removed)
    return not skeleton.groups and not more


def _nothing_in(file: SpecPath) -> Diagnostic:
    return Diagnostic(
        "empty-spec",
        f"`{file.shown}` describes no group and no profile",
        Span(file.shown, 1, 1, 1, 1),
        help="restore what stood there, or take the file out of the project file",
    )


def _no_groups(project: Project) -> Diagnostic:
    return Diagnostic(
        "empty-spec",
        "the files of this project describe no group",
        project.specs[0].span,
        help="describe at least one group under `groups`, or correct `specs`",
    )
