"""Visibility of field values: the one decision for plans, states, policies and messages."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto

from reconciler.catalogue.load import load_destination_facts, load_service
from reconciler.catalogue.model import FieldType
from reconciler.catalogue.normalize import CONFIG
from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION
from reconciler.model.suggestions import find_nearest
from reconciler.model.value import FieldPath

UNKNOWN_FIELD = "not in the catalogue"
UNCHECKED_FIELD = "below extra_config"


class Sensitivity(Enum):
    """Sensitivity of a field in the catalogue."""

    PUBLIC = auto()
    SENSITIVE = auto()
    UNKNOWN = auto()  # the catalogue does not describe the field, so it may hold a secret


def classify_sensitivity(kind: str, service: object, path: FieldPath) -> Sensitivity:
    """Classify the sensitivity of a field. Below `config` the name of the config field decides.

    `service` is the name of the destination's service; any other value counts as an unknown service.
    """
    if kind != DESTINATION:
        return Sensitivity.PUBLIC
    leaf = path[:2] if path[:1] == (CONFIG,) else path[:1]
    field = (
        KINDS[DESTINATION].get_field(leaf, _to_service_name(service)) if leaf not in {(), (CONFIG,)} else None
    )
    if field is None:
        return Sensitivity.UNKNOWN
    # The catalogue does not know all members of an object, and some members are secrets.
    return Sensitivity.SENSITIVE if field.sensitive or field.type is FieldType.OBJECT else Sensitivity.PUBLIC


def is_misspelled_field(service: object, path: FieldPath) -> bool:
    """Return whether a field that its service lacks is a misspelled or misplaced public field.

    Its value is then checked and shown as the value of the public field.
    """
    known_service = load_service(service) if isinstance(service, str) else None
    if known_service is None or known_service.free_form or path[-1] in known_service.fields:
        return False
    suggestion = find_nearest(path[-1], known_service.fields)
    return path[-1] in load_destination_facts().fields or (
        suggestion is not None and not known_service.fields[suggestion].sensitive
    )


def _to_service_name(service: object) -> str | None:
    return service if isinstance(service, str) else None


@dataclass(frozen=True, slots=True)
class Masking:
    """Masking of one resource's fields. `unchecked` fields are hidden, whatever the catalogue says."""

    kind: str
    service: object
    unchecked: Collection[FieldPath] = ()

    def hides(self, path: FieldPath) -> bool:
        """Return whether values of a field must not be shown."""
        return path in self.unchecked or self._classify(path) is not Sensitivity.PUBLIC

    def get_reason(self, path: FieldPath) -> str | None:
        """Return the reason why a literal value is hidden; None for public fields and for secrets of the
        catalogue."""
        sensitivity = self._classify(path)
        if sensitivity is Sensitivity.UNKNOWN:
            return UNKNOWN_FIELD
        return UNCHECKED_FIELD if sensitivity is Sensitivity.PUBLIC and path in self.unchecked else None

    def _classify(self, path: FieldPath) -> Sensitivity:
        return classify_sensitivity(self.kind, self.service, path)
