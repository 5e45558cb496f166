"""Find the fields that were changed outside the specs, with their live values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.catalogue.normalize import MASKED
from reconciler.catalogue.secret_detection import detect_secret, is_secret_name
from reconciler.importing.accept_model import LeftOutDrift, LiveDifference
from reconciler.kinds.base import Kind
from reconciler.kinds.destination import SERVICE, read_service
from reconciler.kinds.registry import KINDS
from reconciler.kinds.visibility import Sensitivity, visibility
from reconciler.model.address import DESTINATION, GROUP, Address, get_entry_sort_key
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Change, Origin
from reconciler.model.removal import Extent
from reconciler.model.resource import Desired, Observed
from reconciler.model.value import ExternalKey, FieldPath, Reference, Structure
from reconciler.planning.diff import FieldDifference, compare
from reconciler.planning.last_applied import LastApplied
from reconciler.planning.pipeline import PlanResult
from reconciler.planning.targets import match_selector
from reconciler.spec.removal import render_removal
from reconciler.workspace.workspace import Workspace

_REFERENCE_TYPES = (Reference, Structure)


def find_live_differences(
    workspace: Workspace, planned: PlanResult, selectors: Sequence[str]
) -> tuple[list[LiveDifference], list[LeftOutDrift]]:
    """Find the fields to accept in the entries that `selectors` name, or in all entries, and the drift to leave out.

    Without selectors only proven drift counts. An entry that a selector names is meant as it is at Fivetran: its
    fields that changed on both sides count too, and all its differences if no apply of it is recorded.
    """
    finder = _DifferenceFinder(workspace, planned, is_named=bool(selectors))
    declared = {entry.address: entry for entry in (*workspace.specs.groups, *workspace.specs.destinations)}
    named = [address for address in declared if not selectors or _is_selected(address, selectors)]
    changes = {change.address: change for change in planned.plan.changes}
    omissions = {finding.address: finding for finding in planned.plan.omissions}
    differences: list[LiveDifference] = []
    for address in sorted(named, key=get_entry_sort_key):
        omission = omissions.get(address)
        observed = finder.observe(declared[address], changes.get(address), omission)
        if observed is not None:
            differences += finder.find(declared[address], observed, changes.get(address))
        elif omission is not None:
            finder.left_out.append(_explain_omission(planned, declared[address], omission))
    return differences, finder.left_out


def _is_selected(address: Address, selectors: Sequence[str]) -> bool:
    return any(match_selector(selector, [address]) for selector in selectors)


class _DifferenceFinder:
    """Finder of the differences of one entry after the other. `left_out` collects the drift that stays."""

    def __init__(self, workspace: Workspace, planned: PlanResult, *, is_named: bool) -> None:
        self.workspace, self.planned, self.is_named = workspace, planned, is_named
        self.left_out: list[LeftOutDrift] = []

    def find(self, desired: Desired, observed: Observed, change: Change | None) -> Iterator[LiveDifference]:
        """Find the differences of one entry that can be accepted."""
        kind, record = KINDS[desired.address.kind], self.planned.records.get(desired.address)
        service = read_service({SERVICE: desired.fields.get(SERVICE, observed.fields.get(SERVICE))})
        literals = {
            path: value
            for path, value in desired.fields.items()
            if not isinstance(value, _REFERENCE_TYPES) and path not in desired.ignore_changes
        }
        applied = LastApplied.of(record, self.workspace.state.build_fingerprinter())
        names = _find_declared_names(kind, desired, service)
        for path, difference in compare(kind, literals, observed.fields, applied).changed.items():
            if not self._is_drift(difference, is_recorded=record is not None):
                continue
            for declared in names.get(path, [path]):
                value = _arrange(kind, service, path, desired.fields.get(declared), difference.before)
                found = LiveDifference(desired, path, declared, value, _is_hidden(desired, observed, path))
                obstacle = self._find_obstacle(found, difference, observed)
                if obstacle is None:
                    yield found
                else:
                    self.left_out.append(LeftOutDrift(desired.address, declared, *obstacle))
        self._leave_out_references(desired, change, names)

    def observe(
        self, desired: Desired, change: Change | None, omission: Diagnostic | None
    ) -> Observed | None:
        """Read the live object, whose answer the client remembers. Returns None if the plan found none to compare.

        An entry that a plan omits may have an object all the same, as if only a replacement could set it back.
        """
        if change is None and (omission is None or omission.code_facts.hides_resource):
            return None
        group_id = self.planned.ids.get(Address(GROUP, desired.address.key))
        id = change.id if change is not None else group_id
        if id is None:
            return None
        if desired.address.kind == GROUP:
            return self.planned.live_groups.get(id)
        return KINDS[DESTINATION].observe(self.workspace.client, id)

    def _is_drift(self, difference: FieldDifference, *, is_recorded: bool) -> bool:
        """Return whether a difference is no edit of the specs. Without a record, a selector decides."""
        return difference.origin is not Origin.SPEC or (self.is_named and not is_recorded)

    def _find_obstacle(
        self, found: LiveDifference, difference: FieldDifference, observed: Observed
    ) -> tuple[str, str] | None:
        """Find the reason, with advice, why a live value cannot be written as a literal."""
        if difference.origin is Origin.CONFLICT and not self.is_named:
            advice = f"write the right value into the specs, or name the entry: `--accept {found.address}`"
            return "it was changed in the specs too, to another value", advice
        if variables := self._find_variables(found):
            return f"its value comes from {variables}", "change the variable, or write the value itself"
        if isinstance(found.value, dict):
            return "it is a mapping, which may hold secrets", _REFERENCE_ADVICE
        if self._may_be_secret(found, observed):
            return "it may be a secret", _REFERENCE_ADVICE
        return None

    def _find_variables(self, found: LiveDifference) -> str:
        """Find the variables in the text of a field, or in the items of its list."""
        spans = [
            span
            for path, span in found.desired.spans.items()
            if path[: len(found.declared)] == found.declared
        ]
        filled = self.workspace.specs.filled
        names = dict.fromkeys(variable.name for span in spans for variable in filled.get(span, ()))
        return ", ".join(f"`${{{name}}}`" for name in names)

    def _may_be_secret(self, found: LiveDifference, observed: Observed) -> bool:
        if found.address.kind == GROUP:
            return False
        sensitivity = visibility(
            DESTINATION, observed.fields.get(SERVICE), found.path, found.desired.unchecked
        )
        redactor = self.workspace.settings.redactor
        return (
            sensitivity is Sensitivity.SENSITIVE
            or (sensitivity is not Sensitivity.PUBLIC and is_secret_name(found.path[-1]))
            or found.value is MASKED
            or isinstance(found.value, ExternalKey)
            or detect_secret(found.value) is not None
            or bool(redactor.redact_all(found.value) != found.value)
        )

    def _leave_out_references(
        self, desired: Desired, change: Change | None, names: Mapping[FieldPath, list[FieldPath]]
    ) -> None:
        """Leave out the fields whose values come from references."""
        drifted = [field.path for field in change.fields if field.origin is not Origin.SPEC] if change else []
        for path in drifted:
            for declared in names.get(path, [path]):
                source = desired.fields.get(declared)
                if isinstance(source, _REFERENCE_TYPES):
                    reason = f"its value comes from the reference `{source}`"
                    advice = "change the value at its source, or write the value itself"
                    self.left_out.append(LeftOutDrift(desired.address, declared, reason, advice))


_REFERENCE_ADVICE = 'write it as a reference, for example `{secret: "env:NAME"}`, or apply to set it back'


def _arrange(kind: Kind, service: str | None, path: FieldPath, declared: Any, live: Any) -> Any:
    """Arrange the items of a live list as the specs have them, if their order does not count."""
    if not (isinstance(declared, list) and isinstance(live, list)):
        return live
    staying = [item for item in declared if item in live]
    arranged = [*staying, *(item for item in live if item not in staying)]
    fields = {SERVICE: service, path: arranged} if service else {path: arranged}
    return arranged if kind.normalize(fields).get(path) == live else live


def _is_hidden(desired: Desired, observed: Observed, path: FieldPath) -> bool:
    kind = desired.address.kind
    services = (observed.fields.get(SERVICE), desired.fields.get(SERVICE, observed.fields.get(SERVICE)))
    return any(
        visibility(kind, service, path, desired.unchecked) is not Sensitivity.PUBLIC for service in services
    )


def _find_declared_names(
    kind: Kind, desired: Desired, service: str | None
) -> Mapping[FieldPath, list[FieldPath]]:
    """Find the paths in the specs of each field in normal form: a deprecated name stands for the present name."""
    names: dict[FieldPath, list[FieldPath]] = {}
    for path, value in desired.fields.items():
        if path == SERVICE or isinstance(value, _REFERENCE_TYPES):
            names.setdefault(path, []).append(path)
            continue
        normal = kind.normalize({SERVICE: service, path: value} if service else {path: value})
        for present in normal.keys() - {SERVICE}:
            names.setdefault(present, []).append(path)
    return names


def _explain_omission(planned: PlanResult, desired: Desired, finding: Diagnostic) -> LeftOutDrift:
    """Explain that an entry cannot be compared: its object is gone, or the entry cannot be matched."""
    removal = _render_removal(planned, desired) if finding.code_facts.hides_resource else ""
    return LeftOutDrift(desired.address, None, finding.message, finding.help, removal)


def _render_removal(planned: PlanResult, desired: Desired) -> str:
    """Render the entry below `removed:` with which the object is given up."""
    record = planned.records.get(desired.address)
    id = (record.id if record is not None else None) or desired.id
    if id is None:
        return ""
    extent = Extent.PAIR if desired.address.kind == GROUP else Extent.DESTINATION
    return render_removal(desired.address.key, id, None if record else desired.name, extent)
