"""Check that each reference of the specs can be read. Values are read, and never shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.kinds.destination import SERVICE
from reconciler.model.checkup import AreaChecks, CheckupArea, CheckupItem
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.resource import Desired
from reconciler.model.value import EXTERNAL_SCHEME, FieldPath, ObjectName, Reference, find_references
from reconciler.operations.doctor.project import ExaminedProject
from reconciler.planning.planner import Planner
from reconciler.secrets.base import Registry, SecretUnavailable, ValueShape
from reconciler.workspace.settings import Settings
from reconciler.workspace.specs import Specs
from reconciler.workspace.workspace import Access, build_registry

_CHECKS = AreaChecks(CheckupArea.SECRETS)
_NAME = "references"
_HELP = "provide the value at its source, or correct the reference"


@dataclass(frozen=True, slots=True)
class FailedReference:
    """Reference that cannot be read, with the reason and the finding about its field."""

    reference: Reference
    reason: str
    finding: Diagnostic


@dataclass(slots=True)
class _ReferenceReader:
    """Reader of the references of one field after the other, as a plan reads them."""

    registry: Registry
    planner: Planner = field(init=False)
    failed: list[FailedReference] = field(default_factory=list)
    _reasons: list[tuple[Reference, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.planner = Planner(self._resolve, None)

    def read_field(self, desired: Desired, path: FieldPath) -> None:
        """Read all references of a field."""
        self._reasons.clear()
        before = len(self.planner.diagnostics)
        self.planner.resolve_secret(desired, path, desired.fields.get(SERVICE))
        findings = self.planner.diagnostics[before:]
        for (reference, reason), finding in zip(self._reasons, findings, strict=True):
            self.failed.append(FailedReference(reference, reason, finding))

    def read_key(self, specs: Specs, reference: Reference) -> None:
        """Read the key of the fingerprints."""
        try:
            self.registry.resolve(reference)
        except SecretUnavailable as error:
            key = specs.project.content.fingerprint_key
            finding = Diagnostic(
                "secret-unavailable",
                f"`fingerprint_key` needs `{reference}`, which cannot be resolved: {error.reason}",
                span=key.span if key is not None else None,
                help=_HELP,
            )
            self.failed.append(FailedReference(reference, error.reason, finding))

    def _resolve(self, reference: Reference, shape: ValueShape) -> Any:
        try:
            return self.registry.resolve(reference, shape)
        except SecretUnavailable as error:
            self._reasons.append((reference, error.reason))
            raise


def find_unreadable(settings: Settings, specs: Specs) -> tuple[FailedReference, ...]:
    """Find the references that cannot be read. Raises ReconcilerError if a store cannot be opened."""
    registry = build_registry(settings, specs, Access.READ)
    reader = _ReferenceReader(registry)
    fields = list(_list_fields(specs))
    registry.prefetch(
        (reference for desired, path in fields for reference in find_references(desired.fields[path])),
        settings.workers,
    )
    for desired, path in fields:
        reader.read_field(desired, path)
    if specs.fingerprint_key is not None:
        reader.read_key(specs, specs.fingerprint_key)
    return tuple(reader.failed)


def _list_fields(specs: Specs) -> Iterator[tuple[Desired, FieldPath]]:
    """List the fields with references that this program reads itself."""
    for desired in specs.destinations:
        for path, value in desired.fields.items():
            schemes = {reference.scheme for reference in _list_store_references(value)}
            if schemes and schemes != {EXTERNAL_SCHEME}:
                yield desired, path


def _count_references(specs: Specs) -> Counter[str]:
    """Count the references by the store that they name."""
    values = [value for desired in specs.destinations for value in desired.fields.values()]
    return Counter(
        reference.scheme
        for value in (*values, specs.fingerprint_key)
        for reference in _list_store_references(value)
    )


def _list_store_references(value: Any) -> list[Reference]:
    """List the references to stores. The name of a link or an agent is looked up in the account."""
    return [reference for reference in find_references(value) if not isinstance(reference, ObjectName)]


def check_references(settings: Settings, view: ExaminedProject) -> Sequence[CheckupItem]:
    """Check each store that the specs refer to."""
    if view.specs is None:
        return [_CHECKS.skip(_NAME, view.specs_obstacle)]
    if settings.sandbox:
        return [_CHECKS.skip(_NAME, "the sandbox makes up all values")]
    counts = _count_references(view.specs)
    if not counts:
        return [_CHECKS.pass_check(_NAME, "none in the specs")]
    try:
        failed = find_unreadable(settings, view.specs)
    except ReconcilerError as error:
        return [_CHECKS.judge(_NAME, "", error.diagnostics, "a store cannot be used")]
    by_store = {scheme: [each for each in failed if each.reference.scheme == scheme] for scheme in counts}
    return [
        _CHECKS.skip(scheme, "`--secrets skip` reads no secret")
        if not (settings.compare_secrets or by_store[scheme])
        else _check_store(scheme, counts[scheme], by_store[scheme])
        for scheme in sorted(counts)
    ]


def _check_store(scheme: str, total: int, failed: Sequence[FailedReference]) -> CheckupItem:
    noun = "1 reference" if total == 1 else f"{total:,} references"
    if scheme == EXTERNAL_SCHEME:
        return _CHECKS.skip(scheme, f"only Fivetran reads its {noun}")
    reasons = Counter(each.reason for each in failed)
    if len(failed) > 1 and len(reasons) == 1:  # one cause, such as a server that is out of reach
        return _CHECKS.fail(scheme, f"{len(failed):,} of {noun} cannot be read: {failed[0].reason}", _HELP)
    return _CHECKS.judge(
        scheme,
        f"{noun}, all readable",
        [replace(each.finding, message=f"`{each.reference}`: {each.reason}", help=_HELP) for each in failed],
        f"{len(failed):,} of {noun} cannot be read",
        _HELP,
    )
