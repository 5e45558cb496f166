"""Pin servers: write certificates and SSH host keys that wait for an approval into the spec of their destination.

 1. Each pin gets its place: the last layer that declares the trust of its kind, else the entry, with a copy of the pins
    that it inherits (`field_places`): a list replaces an inherited list.
 2. The pin is appended with a comment for reviewers (`list_items`).
 3. The changed files are proven in memory: the specs load, the entry trusts one more server for each pin, and nothing
    else has changed.

Sends nothing, and writes only by `write_changed_files`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.importing.accept_model import ChangedFile
from reconciler.importing.changed_files import list_changed_files, load_changed_specs
from reconciler.importing.field_places import FieldPlace, SpecLayers
from reconciler.importing.pin_text import build_pin, describe_for_review
from reconciler.kinds.approvals import matches_server
from reconciler.kinds.destination_trust import TRUST
from reconciler.model.address import DESTINATION
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, select_errors
from reconciler.model.resource import Desired
from reconciler.model.trust import Pin, ServerIdentity
from reconciler.spec.certificate_files import PEM
from reconciler.spec.edit import FileText
from reconciler.spec.list_items import ItemAddition, append_item
from reconciler.workspace.changed_entries import EntryVersion, collect_versions
from reconciler.workspace.settings import Settings
from reconciler.workspace.specs import Specs


@dataclass(frozen=True, slots=True)
class NewPin:
    """Pin of a server that waits, with its place in the specs. `pin` is the pin as the changed specs have it; `copied`
    are the inherited pins that the entry gets a copy of."""

    server: ServerIdentity
    pin: Pin
    place: FieldPlace
    copied: tuple[Pin, ...] = ()


@dataclass(frozen=True, slots=True)
class PinPlan:
    """New pins of one destination, and the files with their new texts."""

    desired: Desired
    pins: tuple[NewPin, ...]
    files: tuple[ChangedFile, ...]


def plan_pins(
    settings: Settings, specs: Specs, desired: Desired, servers: Iterable[ServerIdentity]
) -> PinPlan:
    """Plan the pins of servers that a destination of the specs does not pin yet. Writes nothing.

    Raises ReconcilerError if a server cannot be pinned, or its pin cannot be written without another change.
    """
    layers = SpecLayers(specs.project, settings.directory)
    texts: dict[str, str] = {}
    drafts = [_draft_pin(layers, desired, server) for server in servers]
    for draft in drafts:
        shown = draft.place.file.path.shown
        texts[shown] = _add_pin(texts.get(shown, draft.place.file.text), draft)
    changed = _load_changed(settings, desired, layers.files, texts)
    [after] = [entry for entry in changed.destinations if entry.address == desired.address]
    if not (
        _adds_only_pins(desired, after, [draft.server for draft in drafts])
        and _list_versions(specs, after) == _list_versions(changed, after)
    ):
        raise ReconcilerError([_refuse(desired, "the pin would change something else in the specs")])
    pins = [
        NewPin(draft.server, _find_pin(after, draft.server), draft.place, draft.copied) for draft in drafts
    ]
    return PinPlan(desired, tuple(pins), list_changed_files(layers.files, texts, specs, changed))


@dataclass(frozen=True, slots=True)
class _PinDraft:
    """Server to pin, and the place of its pin."""

    server: ServerIdentity
    place: FieldPlace
    copied: tuple[Pin, ...]


def _draft_pin(layers: SpecLayers, desired: Desired, server: ServerIdentity) -> _PinDraft:
    place = layers.find_place(("groups", desired.address.key, DESTINATION, TRUST, server.kind.plural))
    if place is None:
        raise ReconcilerError([_refuse(desired, "no file of this work tree describes the entry")])
    copied = desired.trust.list_pins(server.kind) if place.node is None else ()
    return _PinDraft(server, place, copied)


def _add_pin(text: str, draft: _PinDraft) -> str:
    """Add the pin of a draft to the text of its file. Raises ReconcilerError."""
    addition = ItemAddition(
        draft.place.location,
        build_pin(draft.server),
        describe_for_review(draft.server),
        tuple(map(_copy_pin, draft.copied)),
    )
    return append_item(text, addition, draft.place.file.path.shown)


def _copy_pin(pin: Pin) -> Any:
    return {PEM: pin.source} if pin.can_be_approved else pin.source


def _load_changed(
    settings: Settings, desired: Desired, files: Iterable[FileText], texts: Mapping[str, str]
) -> Specs:
    try:
        return load_changed_specs(settings, files, texts)
    except ReconcilerError as error:
        first = select_errors(error.diagnostics)[0]
        raise ReconcilerError(
            [_refuse(desired, f"the specs would not be valid with this pin: {first.message}")]
        ) from None


def _adds_only_pins(before: Desired, after: Desired, servers: Collection[ServerIdentity]) -> bool:
    """Check that the trust of a destination has exactly one more pin for each server, and is the same otherwise."""
    old, new = before.trust.pins, after.trust.pins
    added = [pin for pin in new if pin not in old]
    return (
        replace(after.trust, pins=()) == replace(before.trust, pins=())
        and len(new) == len(old) + len(servers)
        and len(added) == len(servers)
        and all(sum(matches_server(pin.identity, server) for pin in added) == 1 for server in servers)
    )


def _list_versions(specs: Specs, after: Desired) -> dict[str, EntryVersion]:
    """List what all entries of the specs come to, each with the trust of `after` if it is this entry."""
    destinations = (
        replace(entry, trust=after.trust) if entry.address == after.address else entry
        for entry in specs.destinations
    )
    return collect_versions((*specs.groups, *destinations), specs.removed)


def _find_pin(desired: Desired, server: ServerIdentity) -> Pin:
    return next(pin for pin in reversed(desired.trust.pins) if matches_server(pin.identity, server))


def _refuse(desired: Desired, reason: str) -> Diagnostic:
    return Diagnostic(
        "not-editable",
        reason,
        span=desired.span,
        address=desired.address,
        help="write the pin by hand; `reconciler help setup-tests` shows its forms",
    )
