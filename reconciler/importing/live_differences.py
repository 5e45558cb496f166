"""Find the fields that were changed outside the specs, with their live values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.catalogue.normalize import MASKED
from reconciler.catalogue.secret_detection import detect_secret, is_secret_name
from reconciler.importing.accept_model import LeftOutDrift, LiveDifference
from reconciler.kinds.base import Kind
from reconciler.kinds.destination import SERVICE, read_service
from reconciler.kinds.registry import KINDS
from reconciler.kinds.visibility import Sensitivity, visibility
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.plan import Change, Origin
from reconciler.model.removal import Extent
from reconciler.model.resource import Desired, Observed
from reconciler.model.value import ExternalKey, FieldPath, Reference, Structure, format_path
from reconciler.planning.diff import FieldDifference, compare
from reconciler.planning.last_applied import LastApplied
from reconciler.planning.pipeline import PlanResult
from reconciler.planning.targets import match_selector
from reconciler.spec.removal import render_removal
from reconciler.workspace.workspace import Workspace

_REFUSED_REPLACEMENT = "replace-refused"
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
    known = {address for address in declared if not selectors or _is_selected(address, selectors)}
    changes = {change.address: change for change in planned.plan.changes}
    blockers = [finding for finding in planned.plan.omissions if finding.address in known]
    refused = {finding.address for finding in blockers if finding.code == _REFUSED_REPLACEMENT}
    differences: list[LiveDifference] = []
    left_out = [
        _explain_omission(planned, declared, finding)
        for finding in blockers
        if finding.code != _REFUSED_REPLACEMENT
    ]
    for address in sorted(known, key=lambda address: (address.key, address.kind != GROUP)):
        if address in changes or address in refused:
            differences += finder.find(declared[address], changes.get(address))
    return differences, [*left_out, *finder.left_out]


def _is_selected(address: Address, selectors: Sequence[str]) -> bool:
    return any(match_selector(selector, [address]) for selector in selectors)


@dataclass(slots=True)
class _DifferenceFinder:
    workspace: Workspace
    planned: PlanResult
    is_named: bool
    left_out: list[LeftOutDrift]

    def __init__(self, workspace: Workspace, planned: PlanResult, *, is_named: bool) -> None:
        self.workspace, self.planned, self.is_named = workspace, planned, is_named
        self.left_out = []

    def find(self, desired: Desired, change: Change | None) -> Iterator[LiveDifference]:
        """Find the differences of one entry. Drift that is left out goes to `left_out`."""
        observed = self._observe(desired, change)
        if observed is None:
            return
        kind = KINDS[desired.address.kind]
        service = observed.fields.get(SERVICE)
        literals = {
            path: value
            for path, value in desired.fields.items()
            if not isinstance(value, _REFERENCE_TYPES) and path not in desired.ignore_changes
        }
        record = self.planned.records.get(desired.address)
        applied = LastApplied.of(record, self.workspace.state.build_fingerprinter())
        names = _find_declared_names(
            kind, desired, read_service({SERVICE: desired.fields.get(SERVICE, service)})
        )
        for path, difference in compare(kind, literals, observed.fields, applied).changed.items():
            found = LiveDifference(
                desired, path, names.get(path, path), difference.before, _is_hidden(desired, observed, path)
            )
            reason = self._check(found, difference, observed, is_recorded=record is not None)
            if reason is None:
                yield found
            elif reason:
                self.left_out.append(LeftOutDrift(desired.address, found.declared, *reason))
        self._leave_out_references(desired, change)

    def _observe(self, desired: Desired, change: Change | None) -> Observed | None:
        """Read the live object. The client remembers the answers of the plan."""
        group_id = self.planned.ids.get(Address(GROUP, desired.address.key))
        id = change.id if change is not None else group_id
        if id is None:
            return None
        if desired.address.kind == GROUP:
            return self.planned.live_groups.get(id)
        return KINDS[DESTINATION].observe(self.workspace.client, id)

    def _check(
        self, found: LiveDifference, difference: FieldDifference, observed: Observed, *, is_recorded: bool
    ) -> tuple[str, ...] | None:
        """Return None for a difference to accept, its reason and advice if it is left out, or nothing if it is an edit
        of the specs."""
        if difference.origin is Origin.SPEC and (is_recorded or not self.is_named):
            return ()
        if difference.origin is Origin.CONFLICT and not self.is_named:
            return (
                "it was changed in the specs too, to another value",
                f"write the right value into the specs, or name the entry: `--accept {found.address}`",
            )
        variables = self._find_variables(found)
        if variables:
            return (f"its value comes from {variables}", "change the variable, or write the value itself")
        if (
            found.value is MASKED
            or isinstance(found.value, ExternalKey)
            or self._may_be_secret(found, observed)
        ):
            return ("it may be a secret", _REFERENCE_ADVICE)
        if isinstance(found.value, dict):
            return ("it is a mapping, which may hold secrets", _REFERENCE_ADVICE)
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
            or detect_secret(found.value) is not None
            or bool(redactor.redact_all(found.value) != found.value)
        )

    def _leave_out_references(self, desired: Desired, change: Change | None) -> None:
        """Leave out the fields whose values come from references."""
        for field in change.fields if change is not None else ():
            source = desired.fields.get(field.path)
            if field.origin is not Origin.SPEC and isinstance(source, _REFERENCE_TYPES):
                reason = f"its value comes from the reference `{source}`"
                advice = "change the value at its source, or write the value itself"
                self.left_out.append(LeftOutDrift(desired.address, field.path, reason, advice))


_REFERENCE_ADVICE = 'write it as a reference, for example `{secret: "env:NAME"}`, or apply to set it back'


def _is_hidden(desired: Desired, observed: Observed, path: FieldPath) -> bool:
    kind = desired.address.kind
    services = (observed.fields.get(SERVICE), desired.fields.get(SERVICE, observed.fields.get(SERVICE)))
    return any(
        visibility(kind, service, path, desired.unchecked) is not Sensitivity.PUBLIC for service in services
    )


def _find_declared_names(kind: Kind, desired: Desired, service: str | None) -> Mapping[FieldPath, FieldPath]:
    """Find the path in the specs of each field in normal form: a deprecated name stands for the present name."""
    names: dict[FieldPath, FieldPath] = {}
    for path, value in desired.fields.items():
        if path == SERVICE or isinstance(value, _REFERENCE_TYPES):
            names[path] = path
            continue
        for present in kind.normalize({SERVICE: service, path: value} if service else {path: value}):
            if present != SERVICE:
                names.setdefault(present, path)
    return {**names, **{path: path for path in desired.fields if path in names}}


def _explain_omission(
    planned: PlanResult, declared: Mapping[Address, Desired], finding: Diagnostic
) -> LeftOutDrift:
    """Explain that an entry cannot be compared: its object is gone, or the entry cannot be matched."""
    address = finding.address
    assert address is not None  # noqa: S101 - selected by its address
    removal = _render_removal(planned, declared[address]) if finding.code_facts.hides_resource else ""
    return LeftOutDrift(address, None, finding.message, finding.help, removal)


def _render_removal(planned: PlanResult, desired: Desired) -> str:
    """Render the entry below `removed:` with which the object is given up."""
    record = planned.records.get(desired.address)
    id = (record.id if record is not None else None) or desired.id
    if id is None:
        return ""
    extent = Extent.PAIR if desired.address.kind == GROUP else Extent.DESTINATION
    return render_removal(desired.address.key, id, None if record else desired.name, extent)


def describe_path(address: Address, path: FieldPath | None) -> str:
    """Describe a field, or a whole entry: `destination.a config.host`."""
    return str(address) if path is None else f"{address} {format_path(path)}"
