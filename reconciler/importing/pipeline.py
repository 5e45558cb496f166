"""Import live groups as entries of spec files, in the steps below. Sends only GET requests, and changes no state.

1. Specs (`existing`). Loads the specs that the project has. Refuses specs with errors: they may declare any group.
2. Account (`live_account`). Reads the account and both lists.
3. Selection (`existing`, `selection`). Reads the states of other projects at the place of the state. Gives the selected
   groups that no entry is about, and that no other project has.
4. Groups (`live_account`, `object_names`). Reads each destination by id, one list for each kind of link, agent or
   secrets manager that they refer to, and connections on request.
5. Entries (`draft`, `keys`, `entries`). Gives each group a key, and its entry.
6. Files (`profiles`, `layout`, `file_plan`). Gives the texts of all files, in memory.
7. Proof (`proving`, `proof`). Plans the entries from these texts. An entry that does not plan empty is left out, and
   steps 6 and 7 are done again without it.
8. Writing (`writing`). A file that cannot be written leaves its entries out; the others are planned again without it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from reconciler.api.client import Client
from reconciler.api.errors import ApiError
from reconciler.api.remembered_reads import RememberingSender
from reconciler.importing.draft import Draft, choose_file, draft_entries, load_project
from reconciler.importing.file_plan import PlannedFile
from reconciler.importing.layout import get_profile
from reconciler.importing.model import ImportedEntry
from reconciler.importing.options import ImportOptions
from reconciler.importing.proving import ProvenImport, Prover
from reconciler.importing.results import DeclaredGroup, GroupLabel, ImportResult, LeftOutGroup, OwnedGroup
from reconciler.importing.terraform_release import build_release
from reconciler.importing.terraform_state import TerraformState
from reconciler.importing.writing import WriteResult, write_files
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.planning.errors import explain_read
from reconciler.workspace.specs import Specs
from reconciler.workspace.workspace import Workspace, with_lock_renewal


@dataclass(frozen=True, slots=True)
class _PlannedImport:
    """Drafted entries, and the part of them that is proven."""

    draft: Draft
    proven: ProvenImport


@dataclass(slots=True)
class _WrittenPart:
    """Entries and files that are written so far, and the errors of files that could not be written."""

    entries: list[ImportedEntry] = field(default_factory=list)
    profiles: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    files: list[PlannedFile] = field(default_factory=list)
    unwritable: dict[Path, tuple[Diagnostic, ...]] = field(default_factory=dict)

    def add(self, proven: ProvenImport, written: WriteResult) -> None:
        """Add the written part of an import."""
        self.files += written.written
        missing = {file.path for file in proven.files.files} - {file.path for file in written.written}
        unwritten = {key for path in missing for key in proven.files.users.get(path, ())}
        added = [entry for entry in proven.entries if entry.key not in unwritten]
        self.entries += added
        used = {get_profile(entry) for entry in added}
        self.profiles |= {name: profile for name, profile in proven.profiles.items() if name in used}
        self.unwritable |= {path: (problem,) for path, problem in written.problems.items()}


def import_groups(workspace: Workspace, options: ImportOptions, *, is_dry_run: bool) -> ImportResult:
    """Import groups by the steps above. Raises ReconcilerError if the account or the specs cannot be read."""
    clock, sender = workspace.settings.clock, workspace.sender
    started, requests_before = clock.monotonic(), sender.requests_sent
    workspace = replace(workspace, client=Client(RememberingSender(sender)))
    options = choose_file(workspace.specs.project, options)
    part = _WrittenPart()
    while True:
        planned = with_lock_renewal(workspace, partial(_plan, options=options, unwritable=part.unwritable))
        files = planned.proven.files.files
        written = WriteResult(files) if is_dry_run else write_files(files)
        part.add(planned.proven, written)
        if not written.problems:
            break
        # The written files are specs now, so the other entries are planned beside them.
        try:
            workspace = replace(workspace, specs=load_project(workspace.settings, options))
        except ReconcilerError as error:  # another program has broken the specs since they were planned
            part.unwritable[workspace.specs.project.path] = error.diagnostics
            break
    return replace(
        _build_result(planned, part, options.terraform),
        is_dry_run=is_dry_run,
        is_narrowed=bool(options.selectors),
        requests=sender.requests_sent - requests_before,
        seconds=clock.monotonic() - started,
    )


def _plan(
    workspace: Workspace, options: ImportOptions, unwritable: Mapping[Path, tuple[Diagnostic, ...]]
) -> _PlannedImport:
    """Draft and prove an import. Raises ReconcilerError."""
    try:
        draft = draft_entries(workspace, options)
        proving = replace(workspace, specs=draft.specs)
        proven = Prover(proving, draft, options, {**draft.broken, **unwritable}).prove_all()
    except ApiError as error:
        raise ReconcilerError([explain_read(error)]) from error
    return _PlannedImport(draft, proven)


def _build_result(
    planned: _PlannedImport, part: _WrittenPart, terraform: TerraformState | None
) -> ImportResult:
    draft, proven = planned.draft, planned.proven
    groups = draft.content.listing.groups
    imported = {entry.live.id for entry in part.entries}
    unwritten = [entry for entry in proven.entries if entry.live.id not in imported]
    left_out = (*draft.left_out, *proven.left_out, *map(_explain_unwritten, unwritten))
    managed = {*imported, *draft.claims.declared, *draft.claims.removed, *draft.claims.owned}
    left_out_ids = {each.group.id for each in left_out}
    others = groups.keys() - managed - left_out_ids
    problems = {**proven.problems, **part.unwritable}
    keys = {**draft.claims.declared, **{entry.live.id: entry.key for entry in part.entries}}
    return ImportResult(
        account=draft.content.account,
        imported=tuple(part.entries),
        profiles=part.profiles,
        files=tuple(part.files),
        left_out=tuple(sorted(left_out, key=lambda each: (each.group.name, each.group.id))),
        declared=tuple(
            _describe_declared_groups(draft, [id for id in draft.selection.declared if id not in imported])
        ),
        owned=tuple(
            OwnedGroup(GroupLabel(id, groups[id].name), claim.place, claim.address)
            for id, claim in sorted(
                draft.claims.owned.items(), key=lambda item: (groups[item[0]].name, item[0])
            )
            if id not in left_out_ids
        ),
        unmanaged=tuple(
            GroupLabel(group.id, group.name)
            for group in sorted(groups.values(), key=lambda group: (group.name, group.id))
            if group.id in others
        ),
        problems=(*draft.selection.problems, *draft.findings, *chain.from_iterable(problems.values())),
        hidden_lines=find_hidden_lines(draft.specs),
        release=None if terraform is None else build_release(terraform, keys),
    )


def _describe_declared_groups(draft: Draft, ids: Iterable[str]) -> Iterator[DeclaredGroup]:
    """Describe selected groups that had an entry before."""
    listing = draft.content.listing
    places = {entry.address.key: entry.span for entry in draft.specs.groups}
    with_destination = {entry.address.key for entry in draft.specs.destinations}
    for id in ids:
        key = draft.claims.declared[id]
        summary = listing.summaries.get(id)
        yield DeclaredGroup(
            GroupLabel(id, listing.groups[id].name, key),
            places[key].line_place,
            None if summary is None or key in with_destination else summary.service,
        )


def _explain_unwritten(entry: ImportedEntry) -> LeftOutGroup:
    label = GroupLabel(entry.live.id, entry.live.name, entry.key)
    return LeftOutGroup(
        label, "the run ended before its file was written", "correct the errors, and import again"
    )


def find_hidden_lines(specs: Specs) -> Mapping[str, frozenset[int]]:
    """Find the lines of files that hold values which must not be shown, by displayed path."""
    lines: dict[str, set[int]] = defaultdict(set)
    for span in specs.hidden:
        lines[span.path].update(range(span.line, span.end_line + 1))
    return {path: frozenset(numbers) for path, numbers in lines.items()}
