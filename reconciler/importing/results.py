"""Results of an import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.api.responses import Account
from reconciler.importing.file_plan import PlannedFile
from reconciler.importing.model import ImportedEntry
from reconciler.importing.terraform_release import TerraformRelease
from reconciler.model.diagnostic import Diagnostic


@dataclass(frozen=True, slots=True)
class GroupLabel:
    """Live group in a report, with the key of its entry, if there is one."""

    id: str
    name: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOutGroup:
    """Group that an import leaves out, with the reason and the next step."""

    group: GroupLabel
    reason: str
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """Result of an import.

    `files` are the written files, or with `is_dry_run` the planned ones. `declared` are selected groups that had an
    entry before; `unmanaged` are all other groups without an entry. `problems` are errors about no single group.
    `release` are the steps that make Terraform release the groups. `hidden_lines` are lines of files, by displayed
    path, with values that must not be shown.
    """

    account: Account
    is_dry_run: bool = False
    imported: tuple[ImportedEntry, ...] = ()
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: tuple[PlannedFile, ...] = ()
    left_out: tuple[LeftOutGroup, ...] = ()
    declared: tuple[GroupLabel, ...] = ()
    unmanaged: tuple[GroupLabel, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    hidden_lines: Mapping[str, frozenset[int]] = field(default_factory=dict)
    release: TerraformRelease | None = None
    requests: int = 0
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether nothing that was asked for is left out."""
        return not self.left_out and not self.problems

    @property
    def references(self) -> tuple[str, ...]:
        """The references in the new entries, each once, in the order of the entries."""
        return tuple(
            dict.fromkeys(written.reference for entry in self.imported for written in entry.references)
        )
