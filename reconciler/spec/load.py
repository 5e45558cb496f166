"""Load a project: read the project file and the files that it names, and merge them to groups."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity, select_errors, sort_diagnostics
from reconciler.model.given_variables import NO_VARIABLES, GivenVariables
from reconciler.model.source import Span
from reconciler.spec.certificate_files import CertificateFile, read_certificate_files
from reconciler.spec.files import RevisionCopy, SpecPath, find_files
from reconciler.spec.fill import Filling, TemplateFiller
from reconciler.spec.fresh_projects import is_fresh, warn_fresh
from reconciler.spec.merge_files import GroupSpec, ParsedFile, ProjectMerger
from reconciler.spec.nodes import MappingNode
from reconciler.spec.project import Project, read_project, with_defaults
from reconciler.spec.removal import RemovalEntry
from reconciler.spec.reused_parts import ReparsedTrees, ReusedParts, parse_file
from reconciler.spec.schema import SPEC_LEVELS, Levels, OverrideFile, SpecFile, validate_partially
from reconciler.spec.source import read_text
from reconciler.spec.spec_text import SpecTexts
from reconciler.spec.unlisted_files import warn_unlisted_files
from reconciler.spec.unsaved import NO_UNSAVED_FILES, NOT_PLANNED_YET, UnsavedFiles
from reconciler.spec.variables import Definitions, define_variables, find_unused

__all__ = [
    "GroupSpec",
    "LoadedProject",
    "ProjectFiles",
    "find_files_by_kind",
    "find_project_files",
    "load",
    "load_strictly",
]


@dataclass(frozen=True, slots=True)
class LoadedProject:
    """Content of a project, groups sorted by key. `files` are the displayed paths of the spec and override files,
    without the project file. `shared` are the defaults and the profiles, unmerged; `bases` are the settings that
    entries start from, by the name of their profile: the defaults with the profile, the defaults alone for None.
    `roots` are the trees of all readable files by displayed path; `filling` has the variables of the texts.
    `unmatched` are findings about the globs of a fresh project, which has no spec file yet; a project with a state has
    lost its files instead. `certificate_files` are the PEM files of pins, by path. `texts` are the texts of the spec
    and override files, by displayed path."""

    project: Project
    groups: tuple[GroupSpec, ...]
    files: tuple[str, ...]
    findings: tuple[Diagnostic, ...] = ()
    shared: tuple[MappingNode, ...] = ()
    roots: Mapping[str, MappingNode] = field(default_factory=dict)
    removed: tuple[RemovalEntry, ...] = ()
    filling: Filling = field(default_factory=Filling)
    unmatched: tuple[Diagnostic, ...] = ()
    certificate_files: Mapping[str, CertificateFile] = field(default_factory=dict)
    bases: Mapping[str | None, MappingNode] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def reparsed_roots(self) -> ReparsedTrees:
        """The roots, of which those of spec and override files are not kept in memory."""
        kept = {path: root for path, root in self.roots.items() if path not in self.texts}
        return ReparsedTrees(self.texts, kept)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """Return the warnings among the findings."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.WARNING)


def load_strictly(project_file: Path, shown_from: Path) -> LoadedProject:
    """Read a project and all its spec files.

    Raises ReconcilerError with the findings of all files together, in reading order. A project without any group is an
    error. Spans show paths relative to `shown_from` if they are below it.
    """
    loaded = load(project_file, shown_from)
    if select_errors(loaded.findings):
        raise ReconcilerError(loaded.findings)
    return loaded


def load(
    project_file: Path,
    shown_from: Path,
    copy: RevisionCopy | None = None,
    given: GivenVariables = NO_VARIABLES,
    unsaved: UnsavedFiles = NO_UNSAVED_FILES,
    *,
    parts: ReusedParts | None = None,
) -> LoadedProject:
    """Read a project with its errors in `findings`, so that the readable part can be checked too.

    `copy` says that the files are a copy of an earlier revision; `given` are the values of `--var`; `unsaved` files
    count as if they were written; `parts` are those of the other revisions that this run loads, and become those of
    this one too.

    A group that is not `complete` lacks a part because of an error. Raises ReconcilerError only if the project file, or
    the list of its files, cannot be read.
    """
    with _pause_gc():
        return _load(
            project_file,
            shown_from,
            copy,
            given if copy is None else given.make_lenient(),
            unsaved,
            parts=parts,
        )


def _load(
    project_file: Path,
    shown_from: Path,
    copy: RevisionCopy | None,
    given: GivenVariables,
    unsaved: UnsavedFiles,
    *,
    parts: ReusedParts | None,
) -> LoadedProject:
    project = read_project(project_file, shown_from, copy=copy, unsaved=unsaved, parts=parts)
    files = find_files_by_kind(project, shown_from, may_be_fresh=copy is None or not copy.has_other_files)
    specs, overrides = files.specs, files.overrides
    findings: list[Diagnostic] = []
    override_sources = _read_sources(overrides, unsaved, findings, parts)
    # A variable without a definition may be defined in the file that cannot be read.
    definitions = define_variables((project.root, *(file.texts.root for file in override_sources)), given)
    filler = TemplateFiller(
        definitions.variables, definitions.invalid, reports=not (findings or given.is_lenient)
    )
    override_files = _validate_files(override_sources, OverrideFile, filler, findings, parts)
    overrides_complete = not findings
    spec_sources = _read_sources(specs, unsaved, findings, parts)
    spec_files = _validate_files(spec_sources, SpecFile, filler, findings, parts)
    if defaults := project.content.defaults.destination:
        project = with_defaults(project, filler.fill(defaults, project.texts))
    source_files = (*override_sources, *spec_sources)
    refused = frozenset(chain.from_iterable(file.texts.refused for file in source_files))
    side_findings = [
        *project.findings,
        *chain.from_iterable(file.texts.findings for file in source_files),
        *filler.findings,
        *_check_given(given, definitions, filler, is_complete=not findings),
    ]

    if copy is None and not findings:  # an unreadable file is news enough
        side_findings += warn_unlisted_files(project, [*specs, *overrides], shown_from)

    merger = ProjectMerger(
        project.content.defaults.destination,
        complete=not findings,
        overrides_complete=overrides_complete,
        parts=parts,
    )
    for parsed_file in spec_files:
        merger.add(parsed_file)
    for parsed_file in override_files:
        merger.override(parsed_file)
    groups = merger.merge_groups()
    removals = merger.merge_removals()

    if files.unmatched:
        side_findings.append(warn_fresh(project))
    elif not groups and not removals and not findings:
        findings.append(_explain_no_groups(project))
    shared = merger.merge_shared()
    roots = {
        project.shown: project.root,
        **{file.texts.root.span.path: file.texts.root for file in source_files},
    }
    return LoadedProject(
        project,
        groups,
        tuple(parsed.shown for parsed in chain(specs, overrides)),
        tuple(sort_diagnostics([*findings, *merger.findings, *([] if given.is_lenient else side_findings)])),
        shared,
        roots,
        removals,
        filler.finish(() if given.is_lenient else refused),
        files.unmatched,
        read_certificate_files(
            (*shared, *(group.destination for group in groups if group.destination is not None)), project.area
        ),
        merger.bases,
        {file.texts.root.span.path: file.text for file in source_files},
    )


def _check_given(
    given: GivenVariables, definitions: Definitions, filler: TemplateFiller, *, is_complete: bool
) -> Iterator[Diagnostic]:
    """Check the values of `--var`. With `is_complete` false, a use may stand in a part that could not be read."""
    yield from definitions.findings
    if is_complete:
        yield from find_unused(given, definitions.declared, filler.used)


def find_project_files(project: Project, shown_from: Path) -> tuple[SpecPath, ...]:
    """Find the spec and override files that a project names, without reading them. Raises ReconcilerError."""
    files = find_files_by_kind(project, shown_from)
    return (*files.specs, *files.overrides)


@contextmanager
def _pause_gc() -> Iterator[None]:
    """Pause garbage collection, which would walk a growing tree again and again.

    Trees have no cycles, so nothing can be collected; for thousands of groups the pause halves the time. Loaded trees
    stay for the whole run, so they are frozen: later collections do not walk them either.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """Spec files of a project, sorted by path, and its override files in the order in which it names them. `unmatched`
    are findings about the globs of a fresh project."""

    specs: list[SpecPath]
    overrides: list[SpecPath]
    unmatched: tuple[Diagnostic, ...] = ()


def find_files_by_kind(project: Project, shown_from: Path, *, may_be_fresh: bool = True) -> ProjectFiles:
    """Find the files of a project. Raises ReconcilerError."""
    findings: list[Diagnostic] = []
    overrides: list[SpecPath] = []
    try:
        overrides = list(chain.from_iterable(find_files(project.content.overrides, project.area, shown_from)))
    except ReconcilerError as error:
        findings += error.diagnostics
    excluded = [project.path, *(override.file for override in overrides)]
    try:
        specs = list(
            chain.from_iterable(find_files(project.content.specs, project.area, shown_from, excluded))
        )
    except ReconcilerError as error:
        if may_be_fresh and not findings and is_fresh(project, excluded):
            return ProjectFiles([], overrides, tuple(error.diagnostics))
        raise ReconcilerError([*findings, *error.diagnostics]) from None
    if findings:
        raise ReconcilerError(findings)
    return ProjectFiles(sorted(specs, key=lambda spec: spec.file), overrides)


@dataclass(frozen=True, slots=True)
class _SourceFile:
    """Readable file with its texts, which may have variables."""

    path: SpecPath
    text: str
    texts: SpecTexts


def _read_sources(
    files: list[SpecPath], unsaved: UnsavedFiles, findings: list[Diagnostic], parts: ReusedParts | None
) -> list[_SourceFile]:
    """Read the files, and return the readable files. Errors go to `findings`."""
    source_files = []
    for file in files:
        try:
            text = unsaved.get(file.file)
            if text == NOT_PLANNED_YET:
                continue
            text = read_text(file.file, file.shown) if text is None else text
            texts = parse_file(text, file.shown) if parts is None else parts.parse(text, file.shown)
            source_files.append(_SourceFile(file, text, texts))
        except ReconcilerError as error:
            findings += (_add_location(problem, file) for problem in error.diagnostics)
    return source_files


def _validate_files(
    source_files: list[_SourceFile],
    model: type[SpecFile] | type[OverrideFile],
    filler: TemplateFiller,
    findings: list[Diagnostic],
    parts: ReusedParts | None,
) -> list[ParsedFile]:
    """Fill the variables of files, and return the valid files. Errors go to `findings`."""
    parsed_files = []
    levels: Mapping[str, Levels] = SPEC_LEVELS
    for file in source_files:
        root = filler.fill(file.texts.root, file.texts)
        content = parts.contents.get(root) if parts is not None else None
        problems: list[Diagnostic] = []
        if content is None:
            content, problems = validate_partially(model, root, levels)
        findings += problems
        if content is None:
            continue
        if parts is not None and not problems:
            parts.contents.add(content, root)
        if not problems and _is_empty(content):
            findings.append(_explain_empty_file(file.path, "profile" if model is SpecFile else "variable"))
        else:
            parsed_files.append(ParsedFile(root, content))
    return parsed_files


def _add_location(problem: Diagnostic, file: SpecPath) -> Diagnostic:
    """Locate a problem of a whole file at the place in the project file that names the file."""
    return problem if problem.span else replace(problem, span=file.declared_at)


def _is_empty(content: SpecFile | OverrideFile) -> bool:
    if isinstance(content, OverrideFile):
        return not (content.groups or content.vars)
    return not (content.groups or content.profiles or content.removed)


def _explain_empty_file(file: SpecPath, other: str) -> Diagnostic:
    return Diagnostic(
        "empty-spec",
        f"`{file.shown}` describes no group and no {other}",
        Span(file.shown, 1, 1, 1, 1),
        help="delete the file, or write an entry"
        if file.is_by_glob
        else "restore its content, or take the file out of the project file",
    )


def _explain_no_groups(project: Project) -> Diagnostic:
    return Diagnostic(
        "empty-spec",
        "the files of this project describe no group",
        project.content.specs[0].span,
        help="describe at least one group under `groups`, or correct `specs`",
    )
