"""Map each of the two kinds to its verbs, for code that treats groups and destinations alike.

The map is no point of extension: see the package for what else a third kind would need.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.kinds.base import Kind
from reconciler.kinds.destination import DestinationKind
from reconciler.kinds.group import GroupKind

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (GroupKind(), DestinationKind())}
