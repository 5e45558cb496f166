"""Results of an import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.api.responses import Account
from reconciler.importing.file_plan import PlannedFile
from reconciler.importing.model import ImportedEntry
from reconciler.importing.terraform_release import TerraformRelease
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.sanitize import escape, quote

_MAX_NAMES = 20


@dataclass(frozen=True, slots=True)
class GroupLabel:
    """Live group in a report, with the key of its entry, if there is one."""

    id: str
    name: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class DeclaredGroup:
    """Selected group that had an entry before, with the place of the entry. `undeclared_service` is the service of its
    live destination, if the entry has no destination."""

    group: GroupLabel
    place: str
    undeclared_service: str | None = None


@dataclass(frozen=True, slots=True)
class OwnedGroup:
    """Group that the state of another project has. `place` names the state in words, `address` is the entry there."""

    group: GroupLabel
    place: str
    address: Address


@dataclass(frozen=True, slots=True)
class LeftOutGroup:
    """Group that an import leaves out, with the reason and the next step. `cause` is the error of a whole file."""

    group: GroupLabel
    reason: str
    help: str = ""
    cause: Diagnostic | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """Result of an import.

    `is_narrowed` says that selectors chose the groups. `files` are the written files, or with `is_dry_run` the planned
    ones. `declared` are selected groups that had an entry before; `owned` are groups of other projects that no selector
    names; `unmanaged` are all other groups without an entry.
    `problems` are errors about no single group. `release` are the steps that make Terraform release the groups.
    `hidden_lines` are lines of files, by displayed path, with values that must not be shown.
    """

    account: Account
    is_dry_run: bool = False
    is_narrowed: bool = False
    imported: tuple[ImportedEntry, ...] = ()
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: tuple[PlannedFile, ...] = ()
    left_out: tuple[LeftOutGroup, ...] = ()
    declared: tuple[DeclaredGroup, ...] = ()
    owned: tuple[OwnedGroup, ...] = ()
    unmanaged: tuple[GroupLabel, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    hidden_lines: Mapping[str, frozenset[int]] = field(default_factory=dict)
    release: TerraformRelease | None = None
    requests: int = 0
    seconds: float = 0.0

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        """All errors: those of files with the groups that they leave out, and one for all groups of one reason."""
        by_cause: dict[Diagnostic, list[GroupLabel]] = {}
        by_reason: dict[tuple[str, str], list[GroupLabel]] = {}
        for each in self.left_out:
            if each.cause is not None:
                by_cause.setdefault(each.cause, []).append(each.group)
            else:
                by_reason.setdefault((each.reason, each.help), []).append(each.group)
        return (
            *(_note_left_out(problem, by_cause.get(problem, [])) for problem in self.problems),
            *(_explain_left_out(reason, advice, groups) for (reason, advice), groups in by_reason.items()),
        )

    @property
    def is_complete(self) -> bool:
        """Whether every selected group has an entry now, and every selector names a group."""
        return not self.left_out and not self.problems

    @property
    def references(self) -> tuple[str, ...]:
        """The references in the new entries, each once, in the order of the entries."""
        return tuple(
            dict.fromkeys(written.reference for entry in self.imported for written in entry.references)
        )


def _explain_left_out(reason: str, advice: str, groups: Sequence[GroupLabel]) -> Diagnostic:
    """Explain that groups are left out for one reason."""
    if len(groups) == 1:
        message = f"the group {_name(groups[0])} is left out: {reason}"
        return Diagnostic("not-imported", message, help=advice)
    message = f"{len(groups)} groups are left out: {reason}"
    return Diagnostic("not-imported", message, notes=tuple(_list_names(groups)), help=advice)


def _note_left_out(problem: Diagnostic, groups: Sequence[GroupLabel]) -> Diagnostic:
    """Note the groups that an error of a file leaves out."""
    notes = [f"left out: {name}" for name in _list_names(groups)]
    return replace(problem, notes=(*problem.notes, *notes))


def _list_names(groups: Sequence[GroupLabel]) -> Iterator[str]:
    yield from map(_name, groups[:_MAX_NAMES])
    if len(groups) > _MAX_NAMES:
        yield f"and {len(groups) - _MAX_NAMES} more"


def _name(group: GroupLabel) -> str:
    return f"{escape(group.id)} {quote(group.name)}"
