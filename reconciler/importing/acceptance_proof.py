"""Prove accepted drift: the changed files are loaded and planned in memory, before one of them is written.

A field counts as accepted if the changed specs are valid, keep the policies, and have no difference in it. Sends
nothing: the client remembers what the first plan has read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.importing.accept_model import AcceptedField
from reconciler.importing.changed_files import load_changed_specs
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity, select_errors
from reconciler.model.event import ignore_event
from reconciler.model.plan import Plan
from reconciler.model.policy import EnforcementLevel, PolicyStatus
from reconciler.model.value import FieldPath
from reconciler.planning.pipeline import make_plan
from reconciler.planning.policies import evaluate_spec_policies
from reconciler.spec.edit import FileText
from reconciler.spec.field_edits import apply_field_edits
from reconciler.spec.nodes import MappingNode, Node, find_span
from reconciler.spec.source import parse
from reconciler.spec.spec_text import covers
from reconciler.workspace.baseline import merge_specs
from reconciler.workspace.specs import Specs
from reconciler.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Objection:
    """Reason why some accepted fields cannot stay accepted, and the next step."""

    fields: tuple[AcceptedField, ...]
    reason: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class ProvenTexts:
    """New texts of the changed files by path, and the specs that they give."""

    texts: Mapping[str, str]
    specs: Specs


def prove_fields(
    workspace: Workspace, before: Plan, files: Sequence[FileText], fields: Sequence[AcceptedField]
) -> ProvenTexts | list[Objection]:
    """Prove that the specs plan empty in these fields once they are edited. Returns the objections if they do not.

    `before` is the plan of the specs as they are; its other changes may stay.
    """
    texts, objections = _edit_files(fields)
    if objections:
        return objections
    try:
        specs = _load(workspace, files, texts)
    except ReconcilerError as error:
        found = _object(select_errors(error.diagnostics), fields, texts)
        if not found:
            return _try_each(workspace, files, fields)
        return [_refine(objection, workspace, files) for objection in found]
    if objections := _check_policies(workspace, specs, fields, texts):
        return objections
    scope = frozenset(Address(kind, field.address.key) for field in fields for kind in (GROUP, DESTINATION))
    try:
        after = _plan(workspace, specs, scope)
    except ReconcilerError as error:
        return _object(select_errors(error.diagnostics), fields, texts) or [_object_to_all(fields, error)]
    objections = [*_find_differences(before, after, fields), *_find_blockers(before, after, fields, texts)]
    return objections or ProvenTexts(texts, specs)


def _edit_files(fields: Sequence[AcceptedField]) -> tuple[dict[str, str], list[Objection]]:
    """Edit all files. A field that cannot be edited in its file is an objection."""
    texts: dict[str, str] = {}
    objections: list[Objection] = []
    by_file: dict[str, list[AcceptedField]] = {}
    for field in fields:
        by_file.setdefault(field.file.path.shown, []).append(field)
    for shown, in_file in by_file.items():
        try:
            texts[shown] = _edit(in_file)
        except ReconcilerError as error:
            refused = list(_find_uneditable(in_file)) or [_object_to_all(in_file, error)]
            objections += refused
    return texts, objections


def _edit(fields: Sequence[AcceptedField]) -> str:
    file = fields[0].file
    return apply_field_edits(file.text, [field.edit for field in fields], file.path.shown)


def _find_uneditable(fields: Iterable[AcceptedField]) -> Iterator[Objection]:
    for field in fields:
        try:
            _edit([field])
        except ReconcilerError as error:
            yield _object_to_all([field], error)


def _load(workspace: Workspace, files: Iterable[FileText], texts: Mapping[str, str]) -> Specs:
    """Load the specs as if the texts were written, with the entries of the revision of `--changed-since`."""
    return merge_specs(load_changed_specs(workspace.settings, files, texts), workspace.baseline)


def _plan(workspace: Workspace, specs: Specs, scope: frozenset[Address]) -> Plan:
    proving = replace(workspace, specs=specs, listener=ignore_event)
    return make_plan(proving, scope=scope).plan


def _check_policies(
    workspace: Workspace, specs: Specs, fields: Sequence[AcceptedField], texts: Mapping[str, str]
) -> list[Objection]:
    """Object to the fields that violate a policy which the specs keep as they are."""
    known = {_identify(finding) for finding in _list_refusals(workspace.specs)}
    refusals = [finding for finding in _list_refusals(specs) if _identify(finding) not in known]
    return _object(refusals, fields, texts) if refusals else []


def _list_refusals(specs: Specs) -> list[Diagnostic]:
    """List the violations of policies that refuse a plan. A soft policy counts too: no reason overrides it here."""
    results = evaluate_spec_policies(specs)
    return [
        finding
        for result in results
        if result.level is not EnforcementLevel.ADVISORY and result.standing is not PolicyStatus.PASSED
        for finding in (*result.findings, *result.older)
    ]


def _identify(finding: Diagnostic) -> tuple[str, str, Address | None]:
    return finding.code, finding.message, finding.address


def _find_differences(before: Plan, after: Plan, fields: Sequence[AcceptedField]) -> Iterator[Objection]:
    """Find accepted fields that still differ, and entries that get other differences than before."""
    known = {(change.address, field.path) for change in before.changes for field in change.fields}
    accepted = {field.key: field for field in fields}
    for change in after.changes:
        differing = [(change.address, field.path) for field in change.fields]
        same = tuple(accepted[key] for key in differing if key in accepted)
        others = [key for key in differing if key not in known and key not in accepted]
        if same:
            yield Objection(same, "the specs would not have the live value all the same", _BY_HAND)
        elif others:
            own = tuple(field for field in fields if field.address.key == change.address.key)
            yield Objection(own, "other fields of the entry would differ then", _BY_HAND)


_BY_HAND = "change the specs by hand"


def _find_blockers(
    before: Plan, after: Plan, fields: Sequence[AcceptedField], texts: Mapping[str, str]
) -> list[Objection]:
    known = {_identify(finding) for finding in before.blockers}
    blockers = [finding for finding in after.blockers if _identify(finding) not in known]
    own = [finding for finding in blockers if finding.address is not None or finding.span is not None]
    return _object(own, fields, texts, only_own=True)


def _object(
    findings: Iterable[Diagnostic],
    fields: Sequence[AcceptedField],
    texts: Mapping[str, str],
    *,
    only_own: bool = False,
) -> list[Objection]:
    """Assign findings to the fields that they are about: by their place, else by their address.

    With `only_own` a finding about another entry is no objection.
    """
    roots = {shown: parse(text, shown) for shown, text in texts.items()}
    objections = []
    for finding in findings:
        affected = _find_affected(finding, fields, roots)
        if affected:
            objections.append(Objection(tuple(affected), finding.message, finding.help))
        elif not only_own:
            return []
    return objections


def _find_affected(
    finding: Diagnostic, fields: Sequence[AcceptedField], roots: Mapping[str, MappingNode]
) -> Sequence[AcceptedField]:
    """Find the fields that a finding is about: the field at its place, else its entry."""

    def is_at(field: AcceptedField, location: tuple[str, ...]) -> bool:
        root = roots.get(field.file.path.shown)
        return (
            finding.span is not None and root is not None and covers(find_span(root, location), finding.span)
        )

    tests: tuple[Callable[[AcceptedField], bool], ...] = (
        lambda field: _has_place(roots, field) and is_at(field, field.edit.path),
        lambda field: finding.address == field.address,
        lambda field: finding.address is not None and finding.address.key == field.address.key,
        lambda field: is_at(field, field.edit.path[:2]),
    )
    found: Iterator[list[AcceptedField]] = ([field for field in fields if test(field)] for test in tests)
    return next((selected for selected in found if selected), [])


def _has_place(roots: Mapping[str, MappingNode], field: AcceptedField) -> bool:
    """Return whether a file has the field itself, and not only a part of the way to it."""
    node: Node | None = roots.get(field.file.path.shown)
    for step in field.edit.path:
        node = node.get(step) if isinstance(node, MappingNode) else None
    return node is not None


def _try_each(
    workspace: Workspace, files: Sequence[FileText], fields: Sequence[AcceptedField]
) -> list[Objection]:
    """Find the entries with which the specs do not load, one after the other, since no error names them."""
    objections = []
    for key in dict.fromkeys(field.address.key for field in fields):
        own = [field for field in fields if field.address.key == key]
        try:
            _load(workspace, files, _edit_files(own)[0])
        except ReconcilerError as error:
            objections.append(_object_to_all(own, error))
    return objections or [Objection(tuple(fields), "the specs would not be valid together", _BY_HAND)]


def _refine(objection: Objection, workspace: Workspace, files: Sequence[FileText]) -> Objection:
    """Limit an objection to a whole entry to the fields with which the specs alone do not load."""
    if not 1 < len(objection.fields) <= _MAX_TRIALS:
        return objection
    culprits = []
    for field in objection.fields:
        try:
            _load(workspace, files, _edit_files([field])[0])
        except ReconcilerError:
            culprits.append(field)
    return replace(objection, fields=tuple(culprits)) if culprits else objection


_MAX_TRIALS = 20
"""Fields of one entry that are tried one after the other."""


def _object_to_all(fields: Collection[AcceptedField], error: ReconcilerError) -> Objection:
    first = next(
        (finding for finding in error.diagnostics if finding.severity is Severity.ERROR), error.diagnostics[0]
    )
    return Objection(tuple(fields), first.message, first.help)


def list_paths(objection: Objection) -> set[tuple[Address, FieldPath]]:
    """List the addresses and paths of the fields of an objection."""
    return {field.key for field in objection.fields}
