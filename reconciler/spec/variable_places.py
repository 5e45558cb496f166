"""Places of project and spec files in which variables may stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from reconciler.spec.merge import UNSET

VARS = "vars"


class Rule(Enum):
    """Rule about variables in the texts of a place."""

    ALLOWED = auto()
    REFUSED = auto()
    DEFINITION = auto()  # the value of a variable, which holds no other variable
    COMMAND = auto()  # arguments of a program, which may be a shell: `$NAME` is usual there


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Place of a tree. `children` are the places below single keys, `other` is the place below all other keys; None
    for the place itself."""

    rule: Rule
    children: Mapping[str, Place] = field(default_factory=dict)
    other: Place | None = None

    def descend(self, key: str) -> Place:
        """Return the place below a key."""
        return self.children.get(key) or self.other or self


_REFUSED = Place(Rule.REFUSED)
_TEXT = Place(Rule.ALLOWED, {UNSET: _REFUSED})
_DESTINATION = Place(
    Rule.REFUSED, dict.fromkeys(("service", "lifecycle", "trust", "setup_tests"), _REFUSED), other=_TEXT
)
_GROUP = Place(Rule.REFUSED, {"name": _TEXT, "destination": _DESTINATION}, other=_REFUSED)
ROOT = Place(
    Rule.REFUSED,
    {
        "groups": Place(Rule.REFUSED, other=_GROUP),
        "profiles": Place(Rule.REFUSED, other=_DESTINATION),
        "defaults": Place(Rule.REFUSED, {"destination": _DESTINATION}, other=_REFUSED),
        VARS: Place(Rule.DEFINITION),
        "secrets": Place(Rule.REFUSED, {"commands": Place(Rule.COMMAND)}, other=_REFUSED),
    },
    other=_REFUSED,
)
"""The top of a project, spec or override file."""
