"""Places of project and spec files in which variables may stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from reconciler.spec.merge import UNSET

VARS = "vars"


class TextRule(Enum):
    """TextRule about variables in the texts of a place."""

    ALLOWED = auto()
    REFUSED = auto()
    DEFINITION = auto()  # the value of a variable, which holds no other variable
    COMMAND = auto()  # arguments of a program, which may be a shell: `$NAME` is usual there


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Place of a tree. `children` are the places below single keys, `other` is the place below all other keys; None
    for the place itself."""

    rule: TextRule
    children: Mapping[str, Place] = field(default_factory=dict)
    other: Place | None = None

    def descend(self, key: str) -> Place:
        """Return the place below a key."""
        return self.children.get(key) or self.other or self


_REFUSED = Place(TextRule.REFUSED)
_TEXT = Place(TextRule.ALLOWED, {UNSET: _REFUSED})
_DESTINATION = Place(
    TextRule.REFUSED, dict.fromkeys(("service", "lifecycle", "trust", "setup_tests"), _REFUSED), other=_TEXT
)
_GROUP = Place(TextRule.REFUSED, {"name": _TEXT, "destination": _DESTINATION}, other=_REFUSED)
ROOT = Place(
    TextRule.REFUSED,
    {
        "groups": Place(TextRule.REFUSED, other=_GROUP),
        "profiles": Place(TextRule.REFUSED, other=_DESTINATION),
        "defaults": Place(TextRule.REFUSED, {"destination": _DESTINATION}, other=_REFUSED),
        VARS: Place(TextRule.DEFINITION),
        "secrets": Place(TextRule.REFUSED, {"commands": Place(TextRule.COMMAND)}, other=_REFUSED),
    },
    other=_REFUSED,
)
"""The top of a project, spec or override file."""
