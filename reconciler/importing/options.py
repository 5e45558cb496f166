"""Options of an import."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from reconciler.importing.model import EntryOptions
from reconciler.importing.terraform_state import TerraformState


class Layout(StrEnum):
    """Distribution of new entries over spec files."""

    SERVICE = "service"
    GROUP = "group"
    ONE = "one"


class ProfileUse(StrEnum):
    """Use of profiles for the fields that new entries share."""

    AUTO = "auto"  # from `PROFILE_THRESHOLD` entries on
    OFF = "off"


PROFILE_THRESHOLD = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """Options of an import.

    `selectors` are names, ids or globs of live groups; without a selector every group that the specs do not declare.
    With a `terraform` state only its groups are imported, and its addresses become keys.
    Without a `layout`, new entries go into the only file that `specs` names if it does not exist yet, else into one
    file per service. `into` is the only file of new entries and profiles, instead of a layout. `ids_into` is the
    override file for ids.
    """

    selectors: tuple[str, ...] = ()
    layout: Layout | None = None
    into: Path | None = None
    ids_into: Path | None = None
    profiles: ProfileUse = ProfileUse.AUTO
    with_connections: bool = False
    entries: EntryOptions = field(default_factory=EntryOptions)
    terraform: TerraformState | None = None
