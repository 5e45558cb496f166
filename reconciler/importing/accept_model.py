"""Values of accepted drift: the live values that go into the specs, and the drift that is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reconciler.model.address import Address
from reconciler.model.plan import Plan
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath
from reconciler.spec.edit import FileText
from reconciler.spec.field_edits import FieldEdit


class FieldSource(StrEnum):
    """Place in the specs that decides about a field."""

    ENTRY = "entry"
    OVERRIDE = "override"
    PROFILE = "profile"
    DEFAULTS = "defaults"

    @property
    def is_shared(self) -> bool:
        """Whether other entries use the place too, so that the entry gets a copy of its own."""
        return self in {FieldSource.PROFILE, FieldSource.DEFAULTS}


@dataclass(frozen=True, slots=True)
class LiveDifference:
    """Field that was changed outside the specs. `path` is its present name, `declared` the path that the specs have.

    `value` is the live value in normal form, None if the field was cleared.
    """

    desired: Desired
    path: FieldPath
    declared: FieldPath
    value: Any
    is_hidden: bool

    @property
    def address(self) -> Address:
        """The address of the entry."""
        return self.desired.address


@dataclass(frozen=True, slots=True)
class AcceptedField:
    """Live value that goes into the specs by an edit of a file. `profile` is the profile of a copied value."""

    difference: LiveDifference
    file: FileText
    edit: FieldEdit
    source: FieldSource
    profile: str = ""

    @property
    def address(self) -> Address:
        """The address of the entry."""
        return self.difference.address

    @property
    def path(self) -> FieldPath:
        """The path of the field."""
        return self.difference.declared

    @property
    def key(self) -> tuple[Address, FieldPath]:
        """The address and the path in normal form, as in plans."""
        return self.difference.address, self.difference.path


@dataclass(frozen=True, slots=True)
class LeftOutDrift:
    """Drift that does not go into the specs, with the reason and the next step. Never has the live value.

    `path` is None for a whole entry. `removal` is the entry below `removed:` for an object that is gone.
    """

    address: Address
    path: FieldPath | None
    reason: str
    help: str = ""
    removal: str = ""


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """File with its text before and after. `masked` has the shown form of each line, of either text, with a value that
    must not be shown."""

    before: FileText
    after: str
    masked: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Result: all accepted fields, the files with their new texts, and the drift that is left out. `plan` is the plan
    before."""

    plan: Plan
    accepted: tuple[AcceptedField, ...]
    left_out: tuple[LeftOutDrift, ...]
    files: tuple[ChangedFile, ...]
