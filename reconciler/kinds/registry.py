"""The kinds that exist. A new kind is a module with the verbs and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.kinds.base import Kind
from reconciler.kinds.destination import DestinationKind
from reconciler.kinds.group import GroupKind

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (GroupKind(), DestinationKind())}
