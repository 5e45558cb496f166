"""Choose the files of drafted entries, and leave out each entry that does not plan empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.importing.draft import Draft, list_reserved_files, list_shared_names
from reconciler.importing.existing import list_used_profiles, load_existing_specs
from reconciler.importing.file_plan import FilePlan, FilePlanner
from reconciler.importing.layout import SpecContent, choose_folder, place_entries
from reconciler.importing.model import FactoredEntries, ImportedEntry
from reconciler.importing.options import PROFILE_THRESHOLD, ImportOptions, ProfileUse
from reconciler.importing.profiles import factor_profiles
from reconciler.importing.proof import Proof, Refutation, prove_entries
from reconciler.importing.results import GroupLabel, LeftOutGroup
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, select_errors
from reconciler.model.sanitize import escape
from reconciler.spec.files import display_match
from reconciler.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class ProvenImport:
    """Entries that plan empty, with the files that declare them. `problems` are errors of files, by path."""

    entries: tuple[ImportedEntry, ...] = ()
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: FilePlan = field(default_factory=FilePlan)
    left_out: tuple[LeftOutGroup, ...] = ()
    problems: Mapping[Path, tuple[Diagnostic, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Entries with their files and the result of their proof."""

    factored: FactoredEntries
    files: FilePlan
    proof: Proof


@dataclass(frozen=True, slots=True)
class Prover:
    """Prover of drafted entries. `unusable` files get no entry: they have errors, or cannot be written."""

    workspace: Workspace
    draft: Draft
    options: ImportOptions
    unusable: Mapping[Path, tuple[Diagnostic, ...]] = field(default_factory=dict)

    def prove_all(self) -> ProvenImport:
        """Prove the entries, and leave out the entries that are refuted until the others are proven."""
        entries = self.draft.entries
        left_out: list[LeftOutGroup] = []
        problems: dict[Path, tuple[Diagnostic, ...]] = {}
        while True:
            attempt = self._attempt(entries)
            problems |= attempt.files.problems
            refuted = self._find_refuted(entries, attempt)
            if not refuted:
                return ProvenImport(
                    attempt.factored.entries,
                    attempt.factored.profiles,
                    attempt.files,
                    tuple(left_out),
                    problems,
                )
            left_out += [_leave_out(entry, refuted[entry.key]) for entry in entries if entry.key in refuted]
            entries = tuple(entry for entry in entries if entry.key not in refuted)

    def _attempt(self, entries: Sequence[ImportedEntry]) -> _Attempt:
        """Plan the files of entries, and prove them if all files can be planned."""
        specs = self.draft.specs
        factored = self._factor(entries)
        contents = place_entries(
            factored, choose_folder(specs.project), self.options, list_reserved_files(specs)
        )
        files = self._plan_files(contents).without(self.unusable)
        if files.blocked_keys or not entries:
            return _Attempt(factored, files, Proof())
        return _Attempt(
            factored, files, prove_entries(self.workspace, files, {entry.key for entry in entries})
        )

    def _plan_files(self, contents: Mapping[Path, SpecContent]) -> FilePlan:
        planner = FilePlanner(
            self.draft.specs.project,
            self.workspace.settings.directory,
            self.draft.loaded,
            self.options.ids_into,
            list_shared_names(self.draft.content),
            is_fresh=self.draft.is_fresh,
        )
        return planner.plan(contents, self.draft.patterns, self.draft.missing_ids)

    def _factor(self, entries: Sequence[ImportedEntry]) -> FactoredEntries:
        uses_profiles = self.options.profiles is ProfileUse.AUTO and len(entries) >= PROFILE_THRESHOLD
        if not uses_profiles:
            return FactoredEntries(tuple(entries))
        return factor_profiles(entries, list_used_profiles(self.draft.specs))

    def _find_refuted(self, entries: Sequence[ImportedEntry], attempt: _Attempt) -> Mapping[str, Refutation]:
        """Find the entries to leave out after an attempt, with the reasons."""
        files = attempt.files
        if files.blocked_keys:
            return {
                key: Refutation(
                    f"its file `{self._show(path)}` cannot be used", cause=files.problems[path][0]
                )
                for key, path in files.blocked_keys.items()
            }
        if attempt.proof.refuted or not attempt.proof.unassigned:
            return attempt.proof.refuted
        broken = self._find_broken_specs()
        if broken is not None:
            return {entry.key: broken for entry in entries}
        return {self._find_culprit(entries): attempt.proof.unassigned[0]}

    def _find_broken_specs(self) -> Refutation | None:
        """Find an error that the specs have without any new entry: another program has changed them meanwhile."""
        try:
            load_existing_specs(self.workspace.settings, self._plan_files({}).unsaved)
        except ReconcilerError as error:
            [first, *_] = select_errors(error.diagnostics)
            place = f" at {first.span}" if first.span is not None else ""
            return Refutation(f"the specs have an error{place}: {first.message}", first.help)
        return None

    def _find_culprit(self, entries: Sequence[ImportedEntry]) -> str:
        """Find the first entry with which an error appears that names no entry."""
        proven, refuted = 0, len(entries)
        while refuted - proven > 1:
            middle = (proven + refuted) // 2
            if self._attempt(entries[:middle]).proof.holds:
                proven = middle
            else:
                refuted = middle
        return entries[refuted - 1].key

    def _show(self, path: Path) -> str:
        return display_match(path, self.workspace.settings.directory, self.draft.specs.project.area)


def _leave_out(entry: ImportedEntry, refutation: Refutation) -> LeftOutGroup:
    label = GroupLabel(entry.live.id, entry.live.name, entry.key)
    written = {str(each.reference) for each in entry.references}
    reason = refutation.reason
    if refutation.reference in written:
        reason = f"{reason}: `{escape(refutation.reference)}`"
    return LeftOutGroup(label, reason, refutation.help, refutation.cause)
