"""Draft the entries of an import: select live groups, read them, and give each its key and its entry."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.importing.entries import EntryBuilder, list_used_references
from reconciler.importing.existing import Claims, find_claims, list_used_keys, load_existing_specs
from reconciler.importing.file_plan import FilePlanner, read_loaded_texts
from reconciler.importing.inheritance import list_inherited
from reconciler.importing.keys import assign_keys
from reconciler.importing.layout import (
    PROFILES,
    can_be_listed,
    choose_folder,
    find_missing_file,
    has_spec_files,
    is_listed,
    list_override_files,
    make_pattern,
    place_entries,
)
from reconciler.importing.live_account import AccountContent, list_account, read_groups
from reconciler.importing.model import FactoredEntries, ImportedEntry, LiveGroup, Omission
from reconciler.importing.object_names import read_object_names
from reconciler.importing.options import ImportOptions
from reconciler.importing.results import GroupLabel, LeftOutGroup
from reconciler.importing.selection import Selection, select_groups
from reconciler.importing.setup_tests import accept_unhealthy
from reconciler.importing.terraform_bindings import TerraformBindings, bind_addresses
from reconciler.importing.terraform_options import declare_options
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, select_errors
from reconciler.model.event import WarningIssued
from reconciler.model.sanitize import escape
from reconciler.planning.owners import Claim, Owners, build_owners, explain_unreadable
from reconciler.spec.files import resolve_path
from reconciler.spec.project import Project
from reconciler.spec.unsaved import NOT_PLANNED_YET, UnsavedFiles
from reconciler.workspace.settings import Settings
from reconciler.workspace.specs import Specs
from reconciler.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Draft:
    """Drafted entries with everything that they follow from. `loaded` are the texts of the files of the specs.

    `patterns` are lines that the project file needs below `specs` for files that an import without an end has left;
    `broken` are such files with errors. `findings` are about groups that the account does not show. `missing_ids`
    are ids, by key, that the override file may lack. A project that `is_fresh` has no spec file yet.
    """

    specs: Specs
    loaded: Mapping[Path, str]
    content: AccountContent
    claims: Claims
    selection: Selection
    entries: tuple[ImportedEntry, ...]
    left_out: tuple[LeftOutGroup, ...]
    findings: tuple[Diagnostic, ...] = ()
    patterns: tuple[str, ...] = ()
    broken: Mapping[Path, tuple[Diagnostic, ...]] = field(default_factory=dict)
    missing_ids: Mapping[str, str] = field(default_factory=dict)
    is_fresh: bool = False


def load_project(settings: Settings, options: ImportOptions) -> Specs:
    """Load the specs that a project has. Raises ReconcilerError, also for files that do not fit their options."""
    specs = load_existing_specs(settings, _expect_override_file(settings, options))
    _check_files(specs, settings, options)
    return specs


def choose_file(project: Project, options: ImportOptions) -> ImportOptions:
    """Choose the file of new entries: the only file that the project names, if it does not exist yet."""
    if options.into is not None or options.layout is not None:
        return options
    return replace(options, into=find_missing_file(project))


def draft_entries(workspace: Workspace, options: ImportOptions) -> Draft:
    """Draft the entries. Raises ReconcilerError and ApiError.

    A new file that stands at its place already, and that no line of the project lists, is from an import that was
    stopped before it wrote the project file. Its entries count, and its line is written now.
    """
    specs = workspace.specs
    loaded = read_loaded_texts(specs, workspace.settings.directory)
    is_fresh = not has_spec_files(specs.project)
    content = list_account(workspace)
    owners = _read_owners(workspace, content)
    patterns: tuple[str, ...] = ()
    broken: dict[Path, tuple[Diagnostic, ...]] = {}
    while True:
        draft = _draft_once(workspace, specs, content, owners, options)
        unlisted = sorted(_find_unlisted_files(draft, options) - broken.keys())
        if not unlisted:
            return replace(draft, loaded=loaded, patterns=patterns, broken=broken, is_fresh=is_fresh)
        for file in unlisted:
            lines = (*patterns, make_pattern(specs.project, file))
            try:
                specs = _load_with(workspace, options, lines)
                patterns = lines
            except ReconcilerError as error:
                broken[file] = error.diagnostics


def _read_owners(workspace: Workspace, content: AccountContent) -> Owners:
    """Read what the states of other projects have. Raises ReconcilerError for a state that cannot be read, if the
    project demands to read all."""
    if workspace.settings.sandbox:
        return Owners()
    owners = build_owners(workspace.state.read_neighbours(content.account.account_id))
    is_strict = workspace.specs.project.content.requires_all_states
    findings = [explain_unreadable(each, is_strict=is_strict) for each in owners.unreadable]
    if select_errors(findings):
        raise ReconcilerError(findings)
    for warning in findings:
        workspace.listener(WarningIssued(warning))
    return owners


def _draft_once(
    workspace: Workspace, specs: Specs, content: AccountContent, owners: Owners, options: ImportOptions
) -> Draft:
    groups, records = content.listing.groups, workspace.state.records
    claims = find_claims(specs, groups, records, owners)
    selection = _select(content, options, claims)
    left_out = _list_claimed(content, claims, selection)
    claimed = {each.group.id for each in left_out}
    open_ids = [id for id in selection.ids if id not in claimed]
    live = read_groups(workspace, content.listing, open_ids, with_connections=options.with_connections)
    unreadable = [each for each in live if each.unreadable is not None]
    readable = [each for each in live if each.unreadable is None]
    bindings = _bind(content, options)
    fixed = {**claims.recorded, **bindings.keys}
    used = list_used_keys(specs, records) - {*claims.recorded.values()}
    keys, omissions = assign_keys(readable, used, fixed)
    inherited = list_inherited(specs.project.content.defaults.destination)
    builder = EntryBuilder(
        replace(options.entries, inherited=inherited),
        list_used_references(specs.destinations),
        read_object_names(workspace.client, readable),
    )
    return Draft(
        specs,
        {},
        content,
        claims,
        selection,
        tuple(_build_entry(builder, each, keys[each.id], options) for each in readable if each.id in keys),
        (
            *left_out,
            *(_explain_unreadable(each) for each in unreadable),
            *(_label_omission(omission) for omission in omissions),
        ),
        bindings.findings,
        missing_ids=_list_missing_ids(specs, claims, selection, list_shared_names(content)),
    )


def _list_missing_ids(
    specs: Specs, claims: Claims, selection: Selection, shared_names: frozenset[str]
) -> dict[str, str]:
    """List the ids of selected groups whose entries have no id, by key. Entries of one name have ids in any case."""
    wanted = {entry.address.key for entry in specs.groups if entry.id is None or entry.name in shared_names}
    keys = {id: claims.declared[id] for id in selection.declared}
    return {key: id for id, key in keys.items() if key in wanted}


def _build_entry(builder: EntryBuilder, live: LiveGroup, key: str, options: ImportOptions) -> ImportedEntry:
    """Build an entry, with the options of its setup tests."""
    entry = builder.build(live, key)
    if options.terraform is not None:
        entry = declare_options(entry, options.terraform.get_options(live.id))
    return accept_unhealthy(entry)


def _select(content: AccountContent, options: ImportOptions, claims: Claims) -> Selection:
    """Select groups of the account, or of the Terraform state: those of the selectors, else all."""
    groups = content.listing.groups
    if options.terraform is None:
        return select_groups(groups, options.selectors, claims)
    managed = {id: groups[id] for id in options.terraform.groups if id in groups}
    return select_groups(managed, options.selectors, claims, groups)


def _bind(content: AccountContent, options: ImportOptions) -> TerraformBindings:
    """Bind the addresses of the Terraform state, which become keys."""
    if options.terraform is None:
        return TerraformBindings({})
    return bind_addresses(options.terraform, content.listing.groups)


def list_shared_names(content: AccountContent) -> frozenset[str]:
    """List the names that several groups of the account have."""
    counts = Counter(group.name for group in content.listing.groups.values())
    return frozenset(name for name, count in counts.items() if count > 1)


def _list_claimed(content: AccountContent, claims: Claims, selection: Selection) -> list[LeftOutGroup]:
    """List the selected groups that a removal, or an entry with an ambiguous name, may be about, and those of other
    projects."""
    groups = content.listing.groups
    left_out = []
    for id in selection.ids:
        label = GroupLabel(id, groups[id].name)
        if id in claims.removed:
            left_out.append(_explain_removed(label, claims.removed[id]))
        elif id in claims.ambiguous:
            left_out.append(_explain_ambiguous(label, claims.ambiguous[id]))
        elif id in claims.owned:
            left_out.append(_explain_owned(label, claims.owned[id]))
    return left_out


def _find_unlisted_files(draft: Draft, options: ImportOptions) -> set[Path]:
    """Find the files of the drafted entries and profiles that exist, and that no line below `specs` finds."""
    project = draft.specs.project
    folder = choose_folder(project)
    placed = place_entries(FactoredEntries(draft.entries), folder, options, list_reserved_files(draft.specs))
    files = {*placed, options.into or folder.get_file(PROFILES)}
    return {file for file in files if os.path.lexists(file) and not is_listed(project, file)}


def list_reserved_files(specs: Specs) -> frozenset[Path]:
    """List the files that cannot have new entries: the project file and override files."""
    return list_override_files(specs.project) | {resolve_path(specs.project.path)}


def _load_with(workspace: Workspace, options: ImportOptions, lines: tuple[str, ...]) -> Specs:
    """Load the specs as if the project file had these lines below `specs`. Raises ReconcilerError."""
    settings, project = workspace.settings, workspace.specs.project
    planner = FilePlanner(project, settings.directory, is_fresh=not has_spec_files(project))
    expected = _expect_override_file(settings, options)
    texts = {**expected.texts, **planner.plan_project_text(lines).texts}
    return load_existing_specs(settings, UnsavedFiles(texts))


def _expect_override_file(settings: Settings, options: ImportOptions) -> UnsavedFiles:
    """Expect the override file for ids, which may not exist yet."""
    if options.ids_into is None or os.path.lexists(options.ids_into):
        return UnsavedFiles()
    return UnsavedFiles({resolve_path(options.ids_into): NOT_PLANNED_YET})


def _check_files(specs: Specs, settings: Settings, options: ImportOptions) -> None:
    """Refuse a file of new entries that is no spec file, and a file of ids that is no override file."""
    shown = specs.project.shown
    missing = find_missing_file(specs.project)
    if missing is not None and _uses_other_file(options, missing):
        raise ReconcilerError([_explain_missing_file(missing, specs.project)])
    for option, file in (("--into", options.into), ("--ids-into", options.ids_into)):
        if file is not None and not _can_be_named(specs.project, option, file):
            raise ReconcilerError([_explain_place(option, file, specs.project)])
    if options.into is not None and resolve_path(options.into) in list_reserved_files(specs):
        raise ReconcilerError([_explain_no_spec_file(options.into, shown)])
    if options.ids_into is not None and resolve_path(options.ids_into) not in list_override_files(
        specs.project, options.ids_into
    ):
        raise ReconcilerError(
            [_explain_no_override_file(make_pattern(specs.project, options.ids_into), shown)]
        )


def _uses_other_file(options: ImportOptions, missing: Path) -> bool:
    """Return whether new entries go into other files than the one that the project names."""
    if options.into is not None:
        return resolve_path(options.into) != resolve_path(missing)
    return options.layout is not None


def _can_be_named(project: Project, option: str, file: Path) -> bool:
    """Return whether the project file may name a file of an option without the path of this machine."""
    if option == "--ids-into" and resolve_path(file) in list_override_files(project, file):
        return True
    return can_be_listed(project, file)


def _label_omission(omission: Omission) -> LeftOutGroup:
    label = GroupLabel(omission.live.id, omission.live.name, omission.key)
    return LeftOutGroup(label, omission.reason, omission.help)


def _explain_unreadable(live: LiveGroup) -> LeftOutGroup:
    return LeftOutGroup(
        GroupLabel(live.id, live.name),
        live.unreadable or "",
        "use a key that may read destinations, or leave the group out",
    )


def _explain_removed(label: GroupLabel, key: str) -> LeftOutGroup:
    return LeftOutGroup(
        label,
        f"`removed:` has it as `{key}`",
        "delete that line of the specs, if the group is to stay managed",
    )


def _explain_ambiguous(label: GroupLabel, key: str) -> LeftOutGroup:
    return LeftOutGroup(
        label,
        f"the entry `{key}` may be about it, or about another group of this name",
        f"write the `id:` of its group into the entry `{key}`",
    )


def _explain_owned(label: GroupLabel, claim: Claim) -> LeftOutGroup:
    return LeftOutGroup(
        label,
        f"the state {claim.place} has it as {claim.address}",
        "leave it to that project, or let it hand the group over: `reconciler state move --to PROJECT"
        f" {claim.address.key}`",
    )


def _explain_missing_file(missing: Path, project: Project) -> Diagnostic:
    line = project.content.specs[0]
    return Diagnostic(
        "wrong-usage",
        f"`specs` names `{escape(str(line.value))}`, which does not exist, and the options name other files",
        line.span,
        help="leave `--layout` and `--into` out to write that file, or write a glob in its place: `groups/*.yaml`",
    )


def _explain_place(option: str, file: Path, project: Project) -> Diagnostic:
    place = "the repository" if project.area.is_repository else "the folder"
    return Diagnostic(
        "wrong-usage",
        f"`{option} {escape(str(file))}` is outside of {place} of `{project.shown}`, where its files lie",
        help=f"name a file in {place} of `{project.shown}`",
    )


def _explain_no_spec_file(file: Path, project: str) -> Diagnostic:
    return Diagnostic(
        "wrong-usage",
        f"`--into {file}` is no spec file: `{project}` uses it for something else",
        help="name another file",
    )


def _explain_no_override_file(line: str, project: str) -> Diagnostic:
    return Diagnostic(
        "wrong-usage",
        f"`--ids-into` needs an override file of the project, and `{line}` is none",
        help=f"add it to `{project}` first: `overrides: [{line}]`",
    )
