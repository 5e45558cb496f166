"""Load the specs that a project has before an import, and find the live groups that they are about."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.importing.layout import find_missing_file, has_named_files, has_spec_files
from reconciler.model.address import GROUP, Address
from reconciler.model.diagnostic import ReconcilerError
from reconciler.model.record import Record
from reconciler.model.record_transitions import apply_moves
from reconciler.model.removal import Extent
from reconciler.model.resource import Observed
from reconciler.planning.match import match_groups
from reconciler.planning.owners import Claim, Owners, find_group_owner
from reconciler.spec.load import LoadedProject
from reconciler.spec.nodes import MappingNode
from reconciler.spec.project import read_project
from reconciler.spec.unsaved import NO_UNSAVED_FILES, UnsavedFiles
from reconciler.workspace.settings import Settings
from reconciler.workspace.specs import Specs, compile_specs, load_specs


@dataclass(frozen=True, slots=True)
class Claims:
    """Live groups that the specs or the state are about, by id.

    `declared` has the key of the entry, `removed` the key below `removed:`. `ambiguous` has the key of an entry whose
    name several groups have. `recorded` has the key of a record without an entry. `owned` has the claim of the state of
    another project.
    """

    declared: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)
    ambiguous: Mapping[str, str] = field(default_factory=dict)
    recorded: Mapping[str, str] = field(default_factory=dict)
    owned: Mapping[str, Claim] = field(default_factory=dict)


def load_existing_specs(settings: Settings, unsaved: UnsavedFiles = NO_UNSAVED_FILES) -> Specs:
    """Load the specs of a project, which may have no spec file yet. Raises ReconcilerError for specs with errors.

    Of a project without a spec file, `specs` may have globs, or name the one file that the import writes.
    """
    try:
        return load_specs(settings, unsaved=unsaved)
    except ReconcilerError:
        project = read_project(settings.project, settings.directory, unsaved=unsaved)
        is_named = has_named_files(project) and find_missing_file(project) is None
        if has_spec_files(project) or is_named:
            raise
    return compile_specs(LoadedProject(project, (), ()), strict=settings.strict)


def find_claims(
    specs: Specs, groups: Mapping[str, Observed], all_records: Mapping[Address, Record], owners: Owners
) -> Claims:
    """Find the live groups that entries, removals and records are about, as a plan matches them, and those of other
    projects. What the own state has as well is no group of another project: a plan says that two states have it."""
    records = apply_moves(all_records, (*specs.groups, *specs.destinations))
    addresses = [entry.address for entry in specs.groups]
    declared = {
        id: key for key, id in match_groups(specs.groups, groups, records, addresses).group_ids.items()
    }
    unmatched = {entry.name: entry for entry in specs.groups if entry.address.key not in declared.values()}
    return Claims(
        declared,
        {removal.id: removal.key for removal in specs.removed if removal.extent is not Extent.DESTINATION},
        {
            group.id: unmatched[group.name].address.key
            for group in groups.values()
            if group.id not in declared and group.name in unmatched
        },
        {
            record.id: address.key
            for address, record in records.items()
            if address.kind == GROUP
            and record.id is not None
            and record.id in groups
            and record.id not in declared
        },
        _find_owned(groups, owners, {*declared, *(record.id for record in records.values())}),
    )


def _find_owned(
    groups: Mapping[str, Observed], owners: Owners, own_ids: Collection[str | None]
) -> dict[str, Claim]:
    """Find the live groups that the state of another project has, or may have created."""
    return {
        id: claim
        for id, group in groups.items()
        if id not in own_ids and (claim := find_group_owner(owners, group)) is not None
    }


def list_used_keys(specs: Specs, records: Mapping[Address, Record]) -> frozenset[str]:
    """List the keys that no new entry may have: keys of entries, former keys, removals and records."""
    return frozenset(
        {
            *(entry.address.key for entry in specs.groups),
            *(entry.moved_from.key for entry in specs.groups if entry.moved_from is not None),
            *(removal.key for removal in specs.removed),
            *(address.key for address in records),
        }
    )


def list_used_profiles(specs: Specs) -> frozenset[str]:
    """List the names of all profiles of the specs."""
    return frozenset(_iterate_profiles(specs))


def _iterate_profiles(specs: Specs) -> Iterator[str]:
    for root in specs.roots.values():
        profiles = root.get("profiles")
        if isinstance(profiles, MappingNode):
            yield from profiles.entries
