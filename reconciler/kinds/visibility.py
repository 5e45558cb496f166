"""Decide whether a value may be shown or kept: the one answer for plans, states, policies and excerpts of specs.

`visibility` judges the value of a field that is known, `line_is_public` a value on a line of a spec file, of which only
the keys above it are known. Specs that no parser understands are judged by their text alone: that is
`spec.excerpt_masking`, below this module.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from reconciler.catalogue.load import load_destination_facts, load_service
from reconciler.catalogue.model import FieldType
from reconciler.catalogue.normalize import CONFIG
from reconciler.catalogue.secret_detection import is_secret_name
from reconciler.catalogue.serviceless_checks import is_public_field
from reconciler.kinds.account_objects import FIELDS_BY_NAME_KEY
from reconciler.kinds.destination import SERVICE
from reconciler.kinds.destination_spec import EXTRA_CONFIG
from reconciler.kinds.destination_trust import TRUST, is_public_trust
from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION, Address
from reconciler.model.record import Record
from reconciler.model.resource import Desired
from reconciler.model.source import Span
from reconciler.model.suggestions import find_nearest
from reconciler.model.value import FieldPath, Reference
from reconciler.secrets.stores import BUILT_IN_SCHEMES
from reconciler.spec.merge import UNSET
from reconciler.spec.merge_files import PROFILE
from reconciler.spec.reference import SECRET, VALUE
from reconciler.spec.variable_places import VARS

_WITH_CONDITIONS = ("policies", "warnings")
_DEPTHS_OF_TRUST = {"groups": 3, "profiles": 2, "defaults": 2}
"""Numbers of keys above `trust`, by the first key."""
_PUBLIC_KEYS = frozenset(
    {"version", "account_id", "specs", "overrides", "id", "name", PROFILE, SERVICE[0], UNSET}
    | {"run", "on_failure"}
    | {"group", "only"}  # of a removal
)


class Sensitivity(Enum):
    """Visibility of a value, with the reason why a value is hidden."""

    PUBLIC = auto()
    SENSITIVE = auto()  # the catalogue describes the field as a secret
    UNKNOWN = auto()  # the catalogue does not describe the field, so the value may be anything
    UNCHECKED = auto()  # the catalogue calls the field public, but the spec passes it on unchecked

    @property
    def reason(self) -> str | None:
        """Return why a literal value is hidden; None for a public field and for a secret of the catalogue."""
        return _REASONS.get(self)


_REASONS = {Sensitivity.UNKNOWN: "not in the catalogue", Sensitivity.UNCHECKED: "below extra_config"}


def visibility(
    kind: str, service: object, path: FieldPath, unchecked: Collection[FieldPath] = ()
) -> Sensitivity:
    """Decide whether values of a field may be shown. Below `config` only the first name counts.

    `service` is the name of the destination's service; any other value stands for an unknown service. `unchecked` are
    the fields that the spec passes on unchecked (`Desired.unchecked`).
    """
    known_service = service if isinstance(service, str) else None
    sensitivity = (
        _classify_destination_field(known_service, _find_leaf(path))
        if kind == DESTINATION
        else Sensitivity.PUBLIC
    )
    return Sensitivity.UNCHECKED if sensitivity is Sensitivity.PUBLIC and path in unchecked else sensitivity


@lru_cache(maxsize=4096)  # plans ask for the same few fields of every destination, again and again
def _classify_destination_field(service: str | None, leaf: FieldPath) -> Sensitivity:
    if leaf in {(), (CONFIG,)}:
        return Sensitivity.UNKNOWN
    field = KINDS[DESTINATION].get_field(leaf, service)
    if field is None:
        return Sensitivity.UNKNOWN
    # An object can have members that the catalogue does not list, and some are secrets.
    is_sensitive = field.sensitive or field.type is FieldType.OBJECT
    return Sensitivity.SENSITIVE if is_sensitive else Sensitivity.PUBLIC


def _find_leaf(path: FieldPath) -> FieldPath:
    """Find the field that the catalogue describes: two names below `config`, one name elsewhere."""
    return path[:2] if path[:1] == (CONFIG,) else path[:1]


@dataclass(frozen=True, slots=True)
class Masking:
    """Visibility of the fields of one resource."""

    kind: str
    service: object
    unchecked: Collection[FieldPath] = ()

    def hides(self, path: FieldPath) -> bool:
        """Return whether values of a field must not be shown."""
        return visibility(self.kind, self.service, path, self.unchecked) is not Sensitivity.PUBLIC

    def get_reason(self, path: FieldPath) -> str | None:
        """Return why a literal value of a field is hidden, as `Sensitivity.reason`."""
        return visibility(self.kind, self.service, path, self.unchecked).reason

    def list_hidden(self, paths: Iterable[FieldPath]) -> list[FieldPath]:
        """Select the fields whose values must not be shown."""
        return [path for path in paths if self.hides(path)]


def find_hidden_fields(address: Address, record: Record) -> frozenset[FieldPath]:
    """Find the hidden fields of a record. Fingerprints of hidden literals count, fingerprints of secrets do not."""
    masking = Masking(address.kind, record.applied.get(SERVICE))
    literals = frozenset(path for path in record.fingerprints if masking.get_reason(path) is not None)
    return literals.union(masking.list_hidden(record.applied))


def find_hidden_spans(desired: Desired) -> Iterator[Span]:
    """Find the places of literal values that are never shown. References may be shown, and so may the value of a
    misspelled public field."""
    service = desired.fields.get(SERVICE)
    masking = Masking(DESTINATION, service, desired.unchecked)
    for path, span in desired.spans.items():
        leaf = _find_leaf(path)
        is_literal = leaf in desired.fields and not isinstance(desired.fields[leaf], Reference)
        # The search for a similar name is the costly part, and only few literals are hidden at all.
        if is_literal and masking.hides(leaf) and not _is_misspelled(desired, service, leaf):
            yield span


def _is_misspelled(desired: Desired, service: object, leaf: FieldPath) -> bool:
    return leaf not in desired.unchecked and is_misspelled_field(service, leaf)


def is_misspelled_field(service: object, path: FieldPath) -> bool:
    """Return whether a field that its service lacks is probably a public field, mistyped or in a wrong place. Its value
    is then judged, and shown, as a value of that public field."""
    known_service = load_service(service) if isinstance(service, str) else None
    if known_service is None or known_service.free_form or path[-1] in known_service.fields:
        return False
    suggestion = find_nearest(path[-1], known_service.fields)
    return path[-1] in load_destination_facts().fields or (
        suggestion is not None and not known_service.fields[suggestion].sensitive
    )


def line_is_public(keys: tuple[str, ...], text: str) -> bool:
    """Return whether a value in a spec file may be shown, judged by the keys that lead to it and by its text."""
    if keys[0] == VARS:
        return False  # the value may stand in any field
    if keys[0] in _WITH_CONDITIONS:
        return not keys[-1].startswith(f"{CONFIG}.") or is_public_field(keys[-1].partition(".")[2])
    if keys[-1] in (SECRET, VALUE) and text.partition(":")[0] in BUILT_IN_SCHEMES:
        return True  # plans show references too
    if _is_below_trust(keys):
        return is_public_trust(keys[-1], text)
    if CONFIG in keys[:-1] or EXTRA_CONFIG in keys[:-1]:
        return is_public_field(keys[-1])
    return (
        keys[-1] in _PUBLIC_KEYS
        or keys[-1] in FIELDS_BY_NAME_KEY
        or keys[-1] in load_destination_facts().fields
        or (not is_secret_name(keys[-1]) and find_nearest(keys[-1], sorted(_PUBLIC_KEYS)) is not None)
    )


def _is_below_trust(keys: tuple[str, ...]) -> bool:
    depth = _DEPTHS_OF_TRUST.get(keys[0], len(keys))
    return keys[depth : depth + 1] == (TRUST,) and len(keys) > depth + 1
