"""Whether the value of a field may be shown or kept: the one answer for plans, states, policies and messages."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto

from reconciler.catalogue.canonical import CONFIG
from reconciler.catalogue.load import destination_facts, load_service
from reconciler.catalogue.model import FieldType
from reconciler.kinds.registry import KINDS
from reconciler.model.address import DESTINATION
from reconciler.model.nearest import nearest
from reconciler.model.value import FieldPath

UNKNOWN_FIELD = "not in the catalogue"
UNCHECKED_FIELD = "below extra_config"


class Visibility(Enum):
    """What the catalogue says about showing a field."""

    PUBLIC = auto()
    SENSITIVE = auto()
    UNKNOWN = auto()  # the catalogue does not describe the field, so it may hold anything (S-45)


def visibility(kind: str, service: object, path: FieldPath) -> Visibility:
    """Whether values of a field may be shown. Of a field below `config` its name counts, whatever lies below it.

    `service` is the name of the destination's service; any other value is that of a service nobody knows.
    """
    if kind != DESTINATION:
        return Visibility.PUBLIC
    leaf = path[:2] if path[:1] == (CONFIG,) else path[:1]
    known = KINDS[DESTINATION].field(leaf, _name(service)) if leaf not in {(), (CONFIG,)} else None
    if known is None:
        return Visibility.UNKNOWN
    # The members of an object are not all known, and some are secrets.
    return Visibility.SENSITIVE if known.sensitive or known.type is FieldType.OBJECT else Visibility.PUBLIC


def is_slip(service: object, path: FieldPath) -> bool:
    """Whether a field that its service lacks is taken for a public one: mistyped, or written in a wrong place. The
    value is then judged, and shown, as one of that field."""
    known = load_service(service) if isinstance(service, str) else None
    if known is None or known.free_form or path[-1] in known.fields:
        return False
    meant = nearest(path[-1], known.fields)
    return path[-1] in destination_facts().fields or (meant is not None and not known.fields[meant].sensitive)


def _name(service: object) -> str | None:
    return service if isinstance(service, str) else None


@dataclass(frozen=True, slots=True)
class Masking:
    """Which fields of one resource are hidden. `unchecked` fields are, whatever the catalogue says."""

    kind: str
    service: object
    unchecked: Collection[FieldPath] = ()

    def hides(self, path: FieldPath) -> bool:
        """Whether values of a field must not be shown."""
        return path in self.unchecked or self._visibility(path) is not Visibility.PUBLIC

    def reason(self, path: FieldPath) -> str | None:
        """Why a literal value of a field is hidden; None for a public field and for a secret of the catalogue."""
        found = self._visibility(path)
        if found is Visibility.UNKNOWN:
            return UNKNOWN_FIELD
        return UNCHECKED_FIELD if found is Visibility.PUBLIC and path in self.unchecked else None

    def _visibility(self, path: FieldPath) -> Visibility:
        return visibility(self.kind, self.service, path)
