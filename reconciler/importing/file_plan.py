"""Plan the texts of all files that an import writes, before it writes any of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import partial
from pathlib import Path

from reconciler.importing.layout import SpecContent, get_profile, is_listed, make_pattern
from reconciler.importing.model import ImportedEntry
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.spec.characters import BYTE_ORDER_MARK
from reconciler.spec.edit import explain_changed, read_file_text
from reconciler.spec.field_edits import FieldEdit, apply_field_edits
from reconciler.spec.files import SpecPath, display_match, resolve_path
from reconciler.spec.insertion import add_spec_pattern, insert_entries, render_spec_file
from reconciler.spec.new_entry import NewEntry
from reconciler.spec.project import Project
from reconciler.spec.unsaved import UnsavedFiles
from reconciler.workspace.specs import Specs

_NO_IDS: Mapping[str, str] = {}
_SPEC_SCHEMA = Path(".schema", "spec.json")


class WriteStage(IntEnum):
    """Stages of writing, in their order: after each file the project is valid, if it was valid before.

    An override of an entry whose file is not listed yet is an error, so overrides come behind the project file.
    """

    NEW_SPECS = 0
    CHANGED_SPECS = 1
    PROJECT = 2
    OVERRIDES = 3


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """File with its text before and after an import, whole, with byte order mark; `before` is None for a new file."""

    path: Path
    shown: str
    before: str | None
    after: str
    stage: WriteStage

    @property
    def is_new(self) -> bool:
        """Whether the file does not exist yet."""
        return self.before is None


@dataclass(frozen=True, slots=True)
class FilePlan:
    """Planned files in the order in which they are written, and the errors of files that cannot be planned.

    `users` are the keys of the new entries that need a file, planned or not. `profile_users` are the keys of the new
    entries that name a new profile.
    """

    files: tuple[PlannedFile, ...] = ()
    problems: Mapping[Path, tuple[Diagnostic, ...]] = field(default_factory=dict)
    users: Mapping[Path, frozenset[str]] = field(default_factory=dict)
    profile_users: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def blocked_keys(self) -> Mapping[str, Path]:
        """The keys of new entries that need a file with errors, each with that file."""
        return {key: path for path in self.problems for key in self.users.get(path, ())}

    def without(self, unusable: Mapping[Path, tuple[Diagnostic, ...]]) -> FilePlan:
        """Return the plan without files that cannot be used, whose errors are problems of the plan then."""
        kept = tuple(file for file in self.files if file.path not in unusable)
        needed = {path: found for path, found in unusable.items() if path in self.users}
        return replace(self, files=kept, problems={**self.problems, **needed})

    @property
    def unsaved(self) -> UnsavedFiles:
        """The planned texts, for a load of the specs as if they were written."""
        return UnsavedFiles(
            {resolve_path(file.path): file.after.removeprefix(BYTE_ORDER_MARK) for file in self.files}
        )


@dataclass(frozen=True, slots=True)
class FilePlanner:
    """Planner of the files of one project. Paths are shown as seen from `shown_from`.

    `loaded` are the texts of the files from which the specs were loaded: a file that changed since gets no entry, since
    the keys and the choice of groups follow from its former content. `ids_into` is the override file for ids. Groups of
    `shared_names` keep their ids in their entries too: without them the project would be invalid until the override
    file is written. A project that `is_fresh` has no spec file yet.
    """

    project: Project
    shown_from: Path
    loaded: Mapping[Path, str] = field(default_factory=dict)
    ids_into: Path | None = None
    shared_names: frozenset[str] = frozenset()
    is_fresh: bool = False

    def plan(
        self,
        contents: Mapping[Path, SpecContent],
        patterns: Iterable[str] = (),
        missing_ids: Mapping[str, str] = _NO_IDS,
    ) -> FilePlan:
        """Plan the spec files, the override file, and the project file with `patterns` and the paths of new files that
        it does not list yet. The override file also gets the `missing_ids` of entries that exist, by key."""
        collector = _ErrorCollector()
        users = {path: content.keys for path, content in contents.items()}
        files = [
            collector.collect(path, partial(self._plan_spec_file, path, content))
            for path, content in contents.items()
        ]
        entries = [entry for content in contents.values() for entry in content.entries]
        ids = {**missing_ids, **{entry.key: entry.live.id for entry in entries}}
        if self.ids_into is not None and ids:
            users[self.ids_into] = frozenset(entry.key for entry in entries)
            plan_overrides = partial(self._plan_override_file, self.ids_into, ids)
            files.append(collector.collect(self.ids_into, plan_overrides))
        unlisted = [path for path in contents if not is_listed(self.project, path)]
        lines = [*patterns, *(make_pattern(self.project, path) for path in unlisted)]
        if lines:
            users[self.project.path] = frozenset[str]().union(*(users[path] for path in unlisted))
            is_replaced = self.is_fresh and len(unlisted) == len(contents)
            plan_project = partial(self._plan_project_file, lines, is_replaced=is_replaced)
            files.append(collector.collect(self.project.path, plan_project))
        planned = [file for file in files if file is not None and file.before != file.after]
        planned.sort(key=lambda file: (not _has_profiles(contents.get(file.path)), file.stage, file.shown))
        return FilePlan(tuple(planned), collector.problems, users, _list_profile_users(entries))

    def plan_project_text(self, patterns: Iterable[str]) -> UnsavedFiles:
        """Plan the project file with more lines below `specs`, for a load. Raises ReconcilerError."""
        return FilePlan((self._plan_project_file(patterns, is_replaced=self.is_fresh),)).unsaved

    def _plan_spec_file(self, path: Path, content: SpecContent) -> PlannedFile:
        shown = display_match(path, self.shown_from, self.project.area)
        entries = [self._make_new_entry(entry) for entry in content.entries]
        profiles = [NewEntry(name, profile) for name, profile in content.profiles.items()]
        if not os.path.lexists(path):
            text = render_spec_file(entries, profiles, _list_modelines(self.project, path))
            return PlannedFile(path, shown, None, text, WriteStage.NEW_SPECS)
        before = self._read(path, shown)
        after = insert_entries(before, "profiles", profiles, shown) if profiles else before
        after = insert_entries(after, "groups", entries, shown) if entries else after
        return PlannedFile(path, shown, before, after, WriteStage.CHANGED_SPECS)

    def _read(self, path: Path, shown: str) -> str:
        """Read a file that is as it was loaded. Raises ReconcilerError."""
        read = read_file_text(SpecPath(path, shown)).text
        if self.loaded.get(resolve_path(path), read) != read:
            raise ReconcilerError([explain_changed(shown)])
        return read

    def _make_new_entry(self, entry: ImportedEntry) -> NewEntry:
        has_id = self.ids_into is None or entry.live.name in self.shared_names
        content = {name: value for name, value in entry.content.items() if has_id or name != "id"}
        return NewEntry(entry.key, content, entry.comments)

    def _plan_override_file(self, path: Path, ids: Mapping[str, str]) -> PlannedFile:
        shown = display_match(path, self.shown_from, self.project.area)
        if not os.path.lexists(path):
            text = render_spec_file([NewEntry(key, {"id": id}) for key, id in ids.items()])
            return PlannedFile(path, shown, None, text, WriteStage.OVERRIDES)
        before = self._read(path, shown)
        edits = [FieldEdit(("groups", key, "id"), id) for key, id in ids.items()]
        after = apply_field_edits(before, edits, shown)
        return PlannedFile(path, shown, before, after, WriteStage.OVERRIDES)

    def _plan_project_file(self, patterns: Iterable[str], *, is_replaced: bool = False) -> PlannedFile:
        """Add patterns to `specs`. The former patterns of a project without a spec file match nothing, which is an
        error beside another pattern, so they are replaced unless they match a new file."""
        path, shown = self.project.path, self.project.shown
        before = after = self._read(path, shown)
        if is_replaced:
            after = apply_field_edits(before, [FieldEdit(("specs",), list(patterns))], shown)
            return PlannedFile(path, shown, before, after, WriteStage.PROJECT)
        for pattern in patterns:
            after = add_spec_pattern(after, pattern, shown)
        return PlannedFile(path, shown, before, after, WriteStage.PROJECT)


@dataclass(frozen=True, slots=True)
class _ErrorCollector:
    problems: dict[Path, tuple[Diagnostic, ...]] = field(default_factory=dict)

    def collect(self, path: Path, plan: Callable[[], PlannedFile]) -> PlannedFile | None:
        """Plan one file; None if it cannot be planned."""
        try:
            return plan()
        except ReconcilerError as error:
            self.problems[path] = error.diagnostics
            return None


def read_loaded_texts(specs: Specs, shown_from: Path) -> dict[Path, str]:
    """Read the texts of all files of a project that exist, by resolved path. Unreadable files are left out."""
    texts = {}
    for shown in (*specs.files, specs.project.shown):
        file = shown_from / shown
        with suppress(ReconcilerError):
            texts[resolve_path(file)] = read_file_text(SpecPath(file, shown)).text
    return texts


def _list_modelines(project: Project, path: Path) -> tuple[str, ...]:
    """List the line for editors, if the project has the schema of spec files."""
    schema = project.directory / _SPEC_SCHEMA
    if not schema.is_file():
        return ()
    relative = Path(os.path.relpath(schema, path.parent)).as_posix()
    return (f"yaml-language-server: $schema={relative}",)


def _has_profiles(content: SpecContent | None) -> bool:
    """Return whether a file has new profiles, which have to be there before the entries that name them."""
    return content is not None and bool(content.profiles)


def _list_profile_users(entries: Iterable[ImportedEntry]) -> dict[str, frozenset[str]]:
    users: dict[str, frozenset[str]] = {}
    for entry in entries:
        profile = get_profile(entry)
        if profile is not None:
            users[profile] = users.get(profile, frozenset()) | {entry.key}
    return users
