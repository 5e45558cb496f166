"""From a project file to the groups that it describes."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity, errors_among, in_reading_order
from reconciler.model.source import Span
from reconciler.spec.assemble import Assembly, Document, GroupSpec
from reconciler.spec.files import SpecPath, find
from reconciler.spec.project import Project, read_project
from reconciler.spec.schema import SPEC_LEVELS, OverrideFile, SpecFile, validated
from reconciler.spec.source import parse, read

__all__ = ["GroupSpec", "Loaded", "load"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything that a project says, groups sorted by key. `files` are the spec and override files
    as shown to people; the project file itself is not among them."""

    project: Project
    groups: tuple[GroupSpec, ...]
    files: tuple[str, ...]
    warnings: tuple[Diagnostic, ...] = ()


def load(project_file: Path, shown_from: Path) -> Loaded:
    """Read a project and all its spec files.

    Raises ReconcilerError with the findings of all files together, in reading order. A project
    without any group is an error. Spans show paths relative to `shown_from` where they are below it.
    """
    with _uncollected():
        return _load(project_file, shown_from)


def _load(project_file: Path, shown_from: Path) -> Loaded:
    project = read_project(project_file, shown_from)
    specs, overrides = _files_of(project, shown_from)
    findings: list[Diagnostic] = []
    documents = _read_all(specs, SpecFile, findings)
    later = _read_all(overrides, OverrideFile, findings)

    assembly = Assembly(project.defaults, complete=not findings)
    for document in documents:
        assembly.add(document)
    for document in later:
        assembly.override(document)
    groups = assembly.groups()

    if not groups and not findings:
        findings.append(_no_groups(project))
    findings = in_reading_order([*findings, *assembly.findings])
    if errors_among(findings):
        raise ReconcilerError(findings)
    files = tuple(each.shown for each in chain(specs, overrides))
    return Loaded(
        project, groups, files, tuple(each for each in findings if each.severity is Severity.WARNING)
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection, which would walk a growing tree again and again.

    Trees have no cycles, so there is nothing to collect; for thousands of groups this halves the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
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
            document = Document(root, validated(model, root, levels))
            if not document.skeleton.groups and not getattr(document.skeleton, "profiles", None):
                raise ReconcilerError([_nothing_in(each)])
            documents.append(document)
        except ReconcilerError as error:
            findings += error.diagnostics
    return documents


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
