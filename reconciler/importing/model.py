"""Values of an import: the live groups, the entries that declare them, and the reasons to leave something out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reconciler.model.plan import LiveConnection
from reconciler.model.resource import Observed
from reconciler.model.value import FieldPath


@dataclass(frozen=True, slots=True)
class LiveGroup:
    """Group of the account with its destination.

    `destination` is None if the group has none. `unreadable` is the message of an answer 403 about the destination,
    whose fields are then unknown. `connections` are None if they were not read.
    """

    group: Observed
    destination: Observed | None = None
    unreadable: str | None = None
    connections: tuple[LiveConnection, ...] | None = None

    @property
    def id(self) -> str:
        """Return the id of the group and of its destination."""
        return self.group.id

    @property
    def name(self) -> str:
        """Return the name of the group, byte for byte."""
        return self.group.name


class UnknownFieldTreatment(StrEnum):
    """Treatment of fields that the catalogue does not know."""

    LEAVE_OUT = "leave-out"
    WRITE = "write"  # below `extra_config`, if neither their names nor their values look like secrets


@dataclass(frozen=True, slots=True)
class EntryOptions:
    """Options about the content of entries. `secret_template` makes the references of secrets from `{key}` and
    `{field}`, in capitals if they are written in capitals. `inherited` are the fields that the defaults of the project
    set (`inheritance.list_inherited`). With `writes_names` entries have the names of private links, agents and secrets
    managers in place of their ids."""

    secret_template: str = "env:{KEY}_{FIELD}"  # noqa: S105 - a template of references
    unknown_fields: UnknownFieldTreatment = UnknownFieldTreatment.LEAVE_OUT
    inherited: frozenset[FieldPath] = frozenset()
    writes_names: bool = False


@dataclass(frozen=True, slots=True)
class WrittenReference:
    """Reference in an imported entry: the field of the destination, and the reference as the spec writes it."""

    path: FieldPath
    reference: str


@dataclass(frozen=True, slots=True)
class LeftOutField:
    """Field of a live destination that its entry does not declare, with the reason. Never has the value."""

    path: FieldPath
    reason: str


@dataclass(frozen=True, slots=True)
class ImportedEntry:
    """Entry that declares a live group. `content` is the plain data of the entry in the order of its lines.

    `content` has `id`, `name` if it differs from the key, and `destination`. A reference is a mapping
    `{"secret": "env:…"}`. Texts are the literal texts; the writer of the file escapes them. `comments` stand above the
    entry, without `#`.
    """

    key: str
    live: LiveGroup
    content: Mapping[str, Any]
    comments: tuple[str, ...] = ()
    references: tuple[WrittenReference, ...] = ()
    left_out: tuple[LeftOutField, ...] = ()


@dataclass(frozen=True, slots=True)
class FactoredEntries:
    """Entries whose common fields stand in profiles. `profiles` has the plain data of each profile by name."""

    entries: tuple[ImportedEntry, ...]
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Omission:
    """Group that an import leaves out. `reason` says why, `help` what to do next."""

    live: LiveGroup
    reason: str
    help: str
    key: str | None = None
