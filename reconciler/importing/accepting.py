"""Accept drift: take the live values of fields that were changed outside into the specs.

 1. The account is planned as for `drift`; every answer is remembered.
 2. The fields that differ are found with their live values (`live_differences`).
 3. Each gets its place in the files: the entry, or the override that decides about it (`field_places`).
 4. The changed files are proven in memory (`acceptance_proof`). A field with an objection is left out, and the rest is
    proven again, until nothing objects.

Sends only GET requests, and writes only by `write_changed_files`. The state stays as it is: its last applied values are
neither the old nor the new value of the specs until the next apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reconciler.api.client import Client
from reconciler.api.remembered_reads import RememberingSender
from reconciler.importing.accept_model import (
    Acceptance,
    AcceptedField,
    LeftOutDrift,
    LiveDifference,
)
from reconciler.importing.acceptance_proof import ProvenTexts, list_paths, prove_fields
from reconciler.importing.changed_files import list_changed_files
from reconciler.importing.field_places import SpecLayers
from reconciler.importing.live_differences import find_live_differences
from reconciler.model.address import DESTINATION, GROUP, get_entry_sort_key
from reconciler.model.plan import Plan
from reconciler.model.value import FieldPath
from reconciler.planning.pipeline import make_plan
from reconciler.spec.edit import FileText
from reconciler.spec.field_edits import REMOVED, FieldEdit
from reconciler.spec.merge import UNSET
from reconciler.workspace.workspace import Workspace


def plan_acceptance(workspace: Workspace, selectors: Sequence[str]) -> Acceptance:
    """Plan which fields go into the specs, of the entries that `selectors` name or of all. Writes nothing.

    Raises ReconcilerError if the account cannot be planned or a file cannot be read.
    """
    remembering = replace(workspace, client=Client(RememberingSender(workspace.sender)))
    planned = make_plan(remembering)
    layers = SpecLayers(workspace.specs.project, workspace.settings.directory)
    differences, left_out = find_live_differences(remembering, planned, selectors)
    fields, unplaced = _place(layers, differences)
    proven, refused = _prove_fields(remembering, planned.plan, layers.files, fields)
    left_out = [*left_out, *unplaced, *refused]
    names = {(each.address, each.path) for each in refused}
    return Acceptance(
        planned.plan,
        tuple(field for field in fields if (field.address, field.path) not in names),
        tuple(sorted(left_out, key=lambda each: (*get_entry_sort_key(each.address), each.path or ()))),
        ()
        if proven is None
        else list_changed_files(layers.files, proven.texts, workspace.specs, proven.specs),
    )


def _place(
    layers: SpecLayers, differences: Iterable[LiveDifference]
) -> tuple[list[AcceptedField], list[LeftOutDrift]]:
    """Place the live values in the files. An entry that only a later revision has is left out."""
    fields, unplaced = [], []
    for difference in differences:
        field = _place_value(layers, difference)
        if field is not None:
            fields.append(field)
        else:
            unplaced.append(LeftOutDrift(difference.address, difference.declared, _NO_FILE, _UPDATE_BRANCH))
    return fields, unplaced


def _place_value(layers: SpecLayers, difference: LiveDifference) -> AcceptedField | None:
    """Place a live value where the field is declared, or as a copy in the entry. None for an entry without a file."""
    place = layers.find_place(_find_location(difference))
    if place is None:
        return None
    value = difference.value
    if value is None:
        value = {UNSET: True} if place.is_inherited else REMOVED
    return AcceptedField(
        difference, place.file, FieldEdit(place.location, value), place.source, place.profile
    )


def _find_location(difference: LiveDifference) -> tuple[str, ...]:
    """Find the keys that lead to a field in a spec file."""
    desired, path = difference.desired, difference.declared
    entry = ("groups", desired.address.key)
    if desired.address.kind == GROUP:
        return (*entry, *path)
    return (*entry, DESTINATION, *_find_block(path, is_unchecked=path in desired.unchecked))


def _find_block(path: FieldPath, *, is_unchecked: bool) -> FieldPath:
    return (_EXTRA_CONFIG, *path[1:]) if is_unchecked and path[0] == _CONFIG else path


_CONFIG, _EXTRA_CONFIG = "config", "extra_config"


def _prove_fields(
    workspace: Workspace, before: Plan, files: Sequence[FileText], fields: Sequence[AcceptedField]
) -> tuple[ProvenTexts | None, list[LeftOutDrift]]:
    """Prove the fields, without those that an objection is about. Each round leaves out one field at least."""
    refused: list[LeftOutDrift] = []
    remaining = list(fields)
    while remaining:
        proven = prove_fields(workspace, before, files, remaining)
        if isinstance(proven, ProvenTexts):
            return proven, refused
        reasons = {key: objection for objection in proven for key in list_paths(objection)}
        refused += [
            LeftOutDrift(field.address, field.path, reasons[field.key].reason, reasons[field.key].help)
            for field in remaining
            if field.key in reasons
        ]
        remaining = [field for field in remaining if field.key not in reasons]
    return None, refused


_NO_FILE = "no file of this work tree describes the entry"
_UPDATE_BRANCH = "bring the branch up to date first"
