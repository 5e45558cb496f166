"""Whether the value of a field may be shown or kept: the one answer for plans, states, policies and messages."""

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
    """What the catalogue says about showing a field."""

    PUBLIC = auto()
    SENSITIVE = auto()
    UNKNOWN = auto()  # the catalogue does not describe the field, so it may hold anything (S-45)


def classify_sensitivity(kind: str, service: object, path: FieldPath) -> Sensitivity:
    """Whether values of a field may be shown. Of a field below `config` its name counts, whatever lies below it.

    `service` is the name of the destination's service; any other value is that of a service nobody knows.
    """
    if kind != DESTINATION:
        return Sensitivity.PUBLIC
    leaf = path[:2] if path[:1] == (CONFIG,) else path[:1]
    field = (
        KINDS[DESTINATION].get_field(leaf, _to_service_name(service)) if leaf not in {(), (CONFIG,)} else None
    )
    if field is None:
        return Sensitivity.UNKNOWN
    # The members of an object are not all known, and some are secrets.
    return Sensitivity.SENSITIVE if field.sensitive or field.type is FieldType.OBJECT else Sensitivity.PUBLIC


def is_misspelled_field(service: object, path: FieldPath) -> bool:
    """Whether a field that its service lacks is taken for a public one: mistyped, or written in a wrong place. The
    value is then judged, and shown, as one of that field."""
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
    """Which fields of one resource are hidden. `unchecked` fields are, whatever the catalogue says."""

    kind: str
    service: object
    unchecked: Collection[FieldPath] = ()

    def hides(self, path: FieldPath) -> bool:
        """Whether values of a field must not be shown."""
        return path in self.unchecked or self._classify(path) is not Sensitivity.PUBLIC

    def get_reason(self, path: FieldPath) -> str | None:
        """Why a literal value of a field is hidden; None for a public field and for a secret of the catalogue."""
        sensitivity = self._classify(path)
        if sensitivity is Sensitivity.UNKNOWN:
            return UNKNOWN_FIELD
        return UNCHECKED_FIELD if sensitivity is Sensitivity.PUBLIC and path in self.unchecked else None

    def _classify(self, path: FieldPath) -> Sensitivity:
        return classify_sensitivity(self.kind, self.service, path)
