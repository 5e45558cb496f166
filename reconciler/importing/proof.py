"""Prove that the planned files of an import plan empty, before any of them is written. Sends only GET requests.

Each new entry is planned from the texts that would be written, as the next `plan` would do it. Secrets are not read, so
their references need no values.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.importing.file_plan import FilePlan, PlannedFile
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, select_errors
from reconciler.model.event import ignore_event
from reconciler.model.plan import Action, Change, Plan
from reconciler.model.value import format_path
from reconciler.planning.pipeline import make_plan
from reconciler.spec.characters import BYTE_ORDER_MARK
from reconciler.spec.nodes import MappingNode
from reconciler.spec.source import parse
from reconciler.workspace.specs import load_specs
from reconciler.workspace.workspace import Access, Workspace, build_registry

_POLICIES, _SECRETS = "policies", "secrets"
_RENAME = "rename the group in Fivetran, or change the policy"
_CHANGE_DESTINATION = "change the destination in Fivetran, write its entry by hand, or change the policy"
_EMPTY_ACTIONS = frozenset({Action.ADOPT, Action.NO_OP})


@dataclass(frozen=True, slots=True)
class Refutation:
    """Reason why an entry does not plan empty, and what to do next. `cause` is the error of a whole file.

    `reference` is the text at the place of an error of a reference. It may be a secret in the wrong place, unless
    import has written it.
    """

    reason: str
    help: str = ""
    cause: Diagnostic | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """Result of a proof: the reasons by the key of each entry that does not plan empty, and reasons that belong to no
    entry."""

    refuted: Mapping[str, Refutation] = field(default_factory=dict)
    unassigned: tuple[Refutation, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every entry plans empty."""
        return not self.refuted and not self.unassigned


def prove_entries(workspace: Workspace, plan: FilePlan, keys: Collection[str]) -> Proof:
    """Plan the new entries from the planned texts. The client of the workspace must remember its reads."""
    try:
        result = _plan_entries(workspace, plan, keys)
    except ReconcilerError as error:
        return _assign(select_errors(error.diagnostics), plan, keys)
    refuted = {key: _explain_change(changes) for key, changes in _find_changed(result, keys).items()}
    blocked = _assign(_list_new_blockers(workspace, result), plan, keys)
    return Proof({**refuted, **blocked.refuted}, blocked.unassigned)


def _plan_entries(workspace: Workspace, plan: FilePlan, keys: Iterable[str]) -> Plan:
    specs = load_specs(workspace.settings, unsaved=plan.unsaved)
    proving = replace(
        workspace,
        specs=specs,
        registry=build_registry(workspace.settings, specs, Access.READ),
        listener=ignore_event,
    )
    scope = frozenset(Address(kind, key) for key in keys for kind in (GROUP, DESTINATION))
    return make_plan(proving, scope=scope).plan


def _list_new_blockers(workspace: Workspace, plan: Plan) -> list[Diagnostic]:
    """List the blockers that the specs do not have without the new entries."""
    blockers = select_errors(plan.blockers)
    if not blockers or not workspace.specs.groups:
        return blockers
    try:
        known = make_plan(replace(workspace, listener=ignore_event), scope=frozenset()).plan.blockers
    except ReconcilerError as error:
        known = error.diagnostics
    before = {(finding.code, finding.message, finding.address) for finding in known}
    return [finding for finding in blockers if (finding.code, finding.message, finding.address) not in before]


def _find_changed(plan: Plan, keys: Collection[str]) -> Mapping[str, list[Change]]:
    """Find the changes of the new entries that would send a request, by key."""
    changed: dict[str, list[Change]] = {}
    for change in plan.changes:
        if change.address.key in keys and change.action not in _EMPTY_ACTIONS:
            changed.setdefault(change.address.key, []).append(change)
    return changed


def _explain_change(changes: Iterable[Change]) -> Refutation:
    """Explain a plan that is not empty: the action, and the fields without their values."""
    parts = []
    for change in changes:
        fields = ", ".join(f"`{format_path(field.path)}`" for field in change.fields)
        parts.append(f"{change.action} {change.address.kind}" + (f": {fields}" if fields else ""))
    return Refutation(
        f"a plan of its entry would not be empty ({'; '.join(parts)})",
        "write its entry by hand, without these fields: `reconciler help adoption`",
    )


@dataclass(frozen=True, slots=True)
class _EntryLines:
    """First lines of the entries of one file, sorted, with the keys that need each entry."""

    lines: tuple[int, ...]
    keys: tuple[frozenset[str], ...]

    def find(self, line: int) -> frozenset[str]:
        """Find the keys of the entry around a line."""
        index = bisect_right(self.lines, line) - 1
        return self.keys[index] if index >= 0 else frozenset()


def _assign(errors: Iterable[Diagnostic], plan: FilePlan, keys: Collection[str]) -> Proof:
    """Assign errors to the entries that they are about: by address, else by their place."""
    listed = list(errors)
    if not listed:
        return Proof()
    places = {file.shown: _locate_entries(file, plan.profile_users, keys) for file in plan.files}
    refuted: dict[str, Refutation] = {}
    unassigned = []
    for error in listed:
        affected = _find_affected(error, places, keys)
        for key in affected:
            refuted.setdefault(key, _explain_error(error, plan))
        if not affected:
            unassigned.append(_explain_error(error, plan))
    return Proof(refuted, tuple(unassigned))


def _find_affected(
    error: Diagnostic, places: Mapping[str, _EntryLines], keys: Collection[str]
) -> frozenset[str]:
    if error.address is not None and error.address.key in keys:
        return frozenset({error.address.key})
    if error.span is not None and error.span.path in places:
        return places[error.span.path].find(error.span.line)
    return frozenset()


def _explain_error(error: Diagnostic, plan: FilePlan) -> Refutation:
    """Explain an error of an entry, with advice for a group that exists."""
    if error.code_facts.setting == _POLICIES and error.address is not None:
        return Refutation(error.message, _RENAME if error.address.kind == GROUP else _CHANGE_DESTINATION)
    reference = _read_text(error, plan) if error.code_facts.setting == _SECRETS else ""
    return Refutation(error.message, error.help, reference=reference)


def _read_text(error: Diagnostic, plan: FilePlan) -> str:
    """Read the text at the place of an error from the planned files; empty if it is in another file."""
    span = error.span
    for file in plan.files:
        if span is not None and span.path == file.shown and span.line == span.end_line:
            line = file.after.removeprefix(BYTE_ORDER_MARK).splitlines()[span.line - 1]
            return line[span.column - 1 : span.end_column - 1].strip("'\"")
    return ""


def _locate_entries(
    file: PlannedFile, profile_users: Mapping[str, frozenset[str]], keys: Collection[str]
) -> _EntryLines:
    """Locate the entries, profiles and sections of a planned file. An entry that is not new has no keys."""
    try:
        root = parse(file.after, file.shown)
    except ReconcilerError:
        return _EntryLines((), ())
    rows = [(entry.key.span.line, frozenset[str]()) for entry in root.entries.values()]
    rows += _locate(root, "groups", {key: frozenset({key}) for key in keys})
    rows += _locate(root, "profiles", profile_users)
    rows.sort(key=lambda row: row[0])
    return _EntryLines(tuple(line for line, _ in rows), tuple(found for _, found in rows))


def _locate(
    root: MappingNode, section: str, users: Mapping[str, frozenset[str]]
) -> Iterator[tuple[int, frozenset[str]]]:
    node = root.get(section)
    for key, entry in node.entries.items() if isinstance(node, MappingNode) else ():
        yield entry.key.span.line, users.get(key, frozenset())
