"""Evaluate the policies of a project over its specs and over a plan."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from enum import Enum, auto

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.policy import EnforcementLevel, PolicyResult, PolicyStatus
from reconciler.model.source import Span
from reconciler.model.suggestions import did_you_mean
from reconciler.model.value import MASKED_IN_OUTPUT, walk
from reconciler.policy.base import EntryView, PlanView, Violation
from reconciler.policy.entry import before, removed_entry
from reconciler.policy.load import Policy
from reconciler.policy.matching import format_value, meets


class EvaluationStage(Enum):
    """Subject of an evaluation: the specs alone, or a plan."""

    SPECS = auto()
    PLAN = auto()


def evaluate_specs(policies: Iterable[Policy], entries: Collection[EntryView]) -> tuple[PolicyResult, ...]:
    """Evaluate policies over the specs alone. Only violations of hard policies are errors at this stage."""
    return tuple(_evaluate_policy(policy, entries, None, overridden=False) for policy in policies)


def evaluate_plan(
    policies: Collection[Policy], plan_view: PlanView, overridden: Collection[str]
) -> tuple[PolicyResult, ...]:
    """Evaluate policies over a plan. `overridden` are names of soft policies that the operator overrides.

    Raises ReconcilerError if a name belongs to a hard policy or to no policy.
    """
    refuse_overrides(policies, overridden)
    entries = plan_view.entries.values()
    return tuple(
        _evaluate_policy(policy, entries, plan_view, overridden=policy.name in overridden)
        for policy in policies
    )


def refuse_overrides(policies: Collection[Policy], overridden: Iterable[str]) -> None:
    """Refuse overrides of hard policies and of unknown names. Raises ReconcilerError."""
    levels = {policy.name: policy.level for policy in policies}
    findings = [
        _diagnose_override(name, levels)
        for name in overridden
        if levels.get(name, EnforcementLevel.HARD) is EnforcementLevel.HARD
    ]
    if findings:
        raise ReconcilerError(findings)


def _diagnose_override(name: str, levels: Mapping[str, EnforcementLevel]) -> Diagnostic:
    soft = [soft_name for soft_name, level in levels.items() if level is EnforcementLevel.SOFT]
    note = (
        f"soft ones are {', '.join(f'`{soft_name}`' for soft_name in soft)}"
        if soft
        else "no policy of this project is soft"
    )
    if name in levels:
        return Diagnostic(
            "cannot-override",
            f"the policy `{name}` is hard, and only soft ones can be overridden",
            notes=(note,),
            help=f"leave `--override {name}` out",
        )
    return Diagnostic(
        "cannot-override",
        f"there is no policy `{name}` to override",
        notes=(note,),
        help=did_you_mean(name, soft) or f"leave `--override {name}` out",
    )


@dataclass(frozen=True, slots=True)
class _PolicyFinding:
    """Finding of a policy. It is `preexisting` if the plan does not change its entry."""

    finding: Diagnostic
    preexisting: bool = False


def _evaluate_policy(
    policy: Policy, entries: Iterable[EntryView], plan_view: PlanView | None, *, overridden: bool
) -> PolicyResult:
    stage = EvaluationStage.SPECS if plan_view is None else EvaluationStage.PLAN
    level = policy.level
    try:
        with redirect_stdout(sys.stderr):  # standard output belongs to results, not to prints of a rule
            # All findings are collected first: a rule that fails half-way has no valid findings.
            findings = [*_check_entries(policy, entries, plan_view), *_check_plan(policy, plan_view)]
        status = PolicyStatus.VIOLATED if findings else PolicyStatus.PASSED
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit, which must not end a run as if all were well
        # A rule that fails refuses the plan. The text of its error may hold secrets and is not shown.
        findings, status = [_PolicyFinding(_diagnose_failure(policy, error))], PolicyStatus.FAILED
        level = EnforcementLevel.SOFT if level is EnforcementLevel.ADVISORY else level
    if overridden and level is EnforcementLevel.SOFT and any(not finding.preexisting for finding in findings):
        status = PolicyStatus.OVERRIDDEN
    diagnostics = [
        (finding.preexisting, _set_severity(finding, policy, level, stage, status)) for finding in findings
    ]
    return PolicyResult(
        policy.name,
        policy.kind,
        policy.level,
        status,
        tuple(
            finding
            for preexisting, finding in diagnostics
            if not (preexisting and finding.severity is Severity.WARNING)
        ),
        policy.because,
        tuple(
            finding
            for preexisting, finding in diagnostics
            if preexisting and finding.severity is Severity.WARNING
        ),
    )


def _set_severity(
    policy_finding: _PolicyFinding,
    policy: Policy,
    level: EnforcementLevel,
    stage: EvaluationStage,
    status: PolicyStatus,
) -> Diagnostic:
    is_error = status is not PolicyStatus.OVERRIDDEN and (
        level is EnforcementLevel.HARD
        or (
            level is EnforcementLevel.SOFT
            and stage is EvaluationStage.PLAN
            and not policy_finding.preexisting
        )
    )
    finding = _add_advice(policy_finding, policy, level, stage, status)
    return replace(finding, severity=Severity.ERROR if is_error else Severity.WARNING)


def _check_entries(
    policy: Policy, entries: Iterable[EntryView], plan_view: PlanView | None
) -> Iterator[_PolicyFinding]:
    touched = {change.address.key for change in plan_view.plan.effective} if plan_view is not None else set()
    for entry in entries:
        is_match = meets(policy.where, entry)
        # Unknown values match the policy's `where` in a plan; over the specs alone the plan is left to decide.
        if is_match or (is_match is None and plan_view is not None):
            for violation in policy.rule.check_entry(entry):
                preexisting = plan_view is not None and entry.key not in touched
                yield _PolicyFinding(
                    _mask_hidden_values(_diagnose_violation(policy, violation, entry), [entry]), preexisting
                )


def _check_plan(policy: Policy, plan_view: PlanView | None) -> Iterator[_PolicyFinding]:
    if plan_view is None:
        return
    for violation in policy.rule.check_plan(_narrow_to_policy(plan_view, policy)):
        address = _check_violation(violation).address
        entry = plan_view.entries.get(address.key) if address is not None else None
        visible_entries = plan_view.entries.values() if entry is None else [entry]
        yield _PolicyFinding(
            _mask_hidden_values(_diagnose_violation(policy, violation, entry), visible_entries)
        )


def _narrow_to_policy(plan_view: PlanView, policy: Policy) -> PlanView:
    """Narrow a plan to the entries that the policy's `where` selects."""
    if not policy.where:
        return plan_view

    def applies_to(key: str) -> bool:
        entry = plan_view.entries.get(key) or plan_view.existing.get(key) or removed_entry(key)
        # Unknown values match the policy's `where`. So does an entry that matches before the apply only:
        # otherwise a change could move an entry out of the policy's reach.
        return meets(policy.where, entry) is not False or (
            entry.exists and meets(policy.where, before(entry)) is not False
        )

    changes = tuple(change for change in plan_view.plan.changes if applies_to(change.address.key))
    return PlanView(
        replace(plan_view.plan, changes=changes),
        {key: entry for key, entry in plan_view.entries.items() if applies_to(key)},
        {key: entry for key, entry in plan_view.existing.items() if applies_to(key)},
    )


def _diagnose_violation(policy: Policy, violation: Violation, entry: EntryView | None) -> Diagnostic:
    field = _check_violation(violation).field
    return Diagnostic(
        "policy-violated",
        f"{_render_subject(violation)}{violation.message}",
        _find_span(violation, entry) or policy.span,
        address=violation.address,
        help=violation.help,
        secret=entry is not None and field is not None and entry.is_hidden(field),
    )


def _mask_hidden_values(finding: Diagnostic, entries: Iterable[EntryView]) -> Diagnostic:
    """Mask hidden values of entries in a finding: rules of packages may quote any value that they see."""
    hidden_texts = {
        text
        for entry in entries
        for fields in (entry.declared, entry.live, entry.before)
        for path, value in fields.items()
        if entry.is_hidden(path)
        for part in walk(value)
        if len(text := format_value(part)) >= _MIN_MASKED_LENGTH
    }
    message, advice = finding.message, finding.help
    for hidden_text in sorted(hidden_texts, key=len, reverse=True):
        message, advice = (text.replace(hidden_text, MASKED_IN_OUTPUT) for text in (message, advice))
    return replace(finding, message=message, help=advice)


_MIN_MASKED_LENGTH = 5  # shorter texts occur in ordinary words


def _check_violation(violation: object) -> Violation:
    """Check that a rule yielded a violation. Raises TypeError."""
    match violation:
        case Violation(message=str(), address=Address() | None, field=str() | None, help=str()):
            if violation.message.strip():
                return violation
    raise TypeError("a rule yields violations")


def _render_subject(violation: Violation) -> str:
    return f"{violation.address}: " if violation.address is not None else ""


def _find_span(violation: Violation, entry: EntryView | None) -> Span | None:
    """Find the source position of a violation: the value, else the object of an undeclared field."""
    if entry is None:
        return None
    kind = violation.address.kind if violation.address is not None else ""
    return entry.spans.get(violation.field or "") or entry.spans.get(kind) or entry.span


def _diagnose_failure(policy: Policy, error: BaseException) -> Diagnostic:
    return Diagnostic(
        "policy-failed",
        f"the policy `{policy.name}` could not be evaluated: its rule ended with {type(error).__name__}",
        policy.span,
        notes=("a policy that cannot be evaluated refuses the plan",),
        help="correct the package that brings the rule",
    )


def _add_advice(
    policy_finding: _PolicyFinding,
    policy: Policy,
    level: EnforcementLevel,
    stage: EvaluationStage,
    status: PolicyStatus,
) -> Diagnostic:
    """Add the policy, its reason and possible remedies to a finding."""
    finding = policy_finding.finding
    because = f": {policy.because}" if policy.because else ""
    location = f" at {policy.span}" if policy.span is not None and policy.span != finding.span else ""
    notes = [f"{policy.level} policy `{policy.name}`{location}{because}"]
    override = f'`reconciler apply --override {policy.name} --reason "…"`'
    advice = finding.help
    if policy_finding.preexisting:
        notes.append("the violation exists already, and this plan does not change its entry")
    elif status is PolicyStatus.OVERRIDDEN:
        notes.append("overridden for this run")
    elif level is EnforcementLevel.SOFT and stage is EvaluationStage.SPECS:
        notes.append("an apply refuses this, unless the operator overrides the policy")
    elif level is EnforcementLevel.SOFT:
        advice = f"{advice}; or, if it is meant, {override}" if advice else f"if it is meant, {override}"
    return replace(finding, notes=(*finding.notes, *notes), help=advice)
