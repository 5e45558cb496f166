"""What the policies of a project say of its specs, and of a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from enum import Enum, auto

from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.nearest import did_you_mean
from reconciler.model.policy import Judgement, Level, Standing
from reconciler.model.source import Span
from reconciler.policy.base import Entry, Proposal, Violation
from reconciler.policy.entry import gone
from reconciler.policy.load import Policy
from reconciler.policy.matching import meets


class Stage(Enum):
    """What a run is about: specs alone, or what an apply would do."""

    SPECS = auto()
    PLAN = auto()


def judged_specs(policies: Iterable[Policy], entries: Collection[Entry]) -> tuple[Judgement, ...]:
    """What can be said from the specs alone. Only what nobody can override is an error here."""
    return tuple(_judgement(policy, entries, None, overridden=False) for policy in policies)


def judged_plan(
    policies: Collection[Policy], proposal: Proposal, overridden: Collection[str]
) -> tuple[Judgement, ...]:
    """What they say of a plan. `overridden` are names of soft policies that whoever applies overrides.

    Raises ReconcilerError for names of hard policies, and of none.
    """
    refuse_overrides(policies, overridden)
    entries = proposal.entries.values()
    return tuple(_judgement(each, entries, proposal, overridden=each.name in overridden) for each in policies)


def refuse_overrides(policies: Collection[Policy], overridden: Iterable[str]) -> None:
    """Raise ReconcilerError for names of hard policies, and of none."""
    levels = {policy.name: policy.level for policy in policies}
    wrong = [_no_override(name, levels) for name in overridden if levels.get(name, Level.HARD) is Level.HARD]
    if wrong:
        raise ReconcilerError(wrong)


def _no_override(name: str, levels: Mapping[str, Level]) -> Diagnostic:
    soft = [each for each, level in levels.items() if level is Level.SOFT]
    told = (
        f"soft ones are {', '.join(f'`{each}`' for each in soft)}"
        if soft
        else "no policy of this project is soft"
    )
    if name in levels:
        return Diagnostic(
            "cannot-override",
            f"the policy `{name}` is hard, and only soft ones can be overridden",
            notes=(told,),
            help=f"leave `--override {name}` out",
        )
    return Diagnostic(
        "cannot-override",
        f"there is no policy `{name}` to override",
        notes=(told,),
        help=did_you_mean(name, soft) or f"leave `--override {name}` out",
    )


def _judgement(
    policy: Policy, entries: Iterable[Entry], proposal: Proposal | None, *, overridden: bool
) -> Judgement:
    stage = Stage.SPECS if proposal is None else Stage.PLAN
    try:
        # In one go and completely: a rule that fails half-way has not judged.
        findings = [*_of_entries(policy, entries, stage), *_of_plan(policy, proposal)]
        standing = Standing.VIOLATED if findings else Standing.PASSED
        level = policy.level
    except Exception as error:
        # S-54: what cannot judge refuses. Not its text, which may repeat anything.
        findings, standing = [_failed(policy, error)], Standing.FAILED
        level = Level.SOFT if policy.level is Level.ADVISORY else policy.level
    if overridden and findings:
        standing = Standing.OVERRIDDEN
    stops = _stops(level, stage) and standing is not Standing.OVERRIDDEN
    severity = Severity.ERROR if stops else Severity.WARNING
    return Judgement(
        policy.name,
        policy.kind,
        policy.level,
        standing,
        tuple(
            replace(_advised(each, policy, level, stage, standing), severity=severity) for each in findings
        ),
        policy.because,
    )


def _stops(level: Level, stage: Stage) -> bool:
    return level is Level.HARD or (level is Level.SOFT and stage is Stage.PLAN)


def _of_entries(policy: Policy, entries: Iterable[Entry], stage: Stage) -> Iterator[Diagnostic]:
    for entry in entries:
        concerns = meets(policy.where, entry)
        # What only a plan knows is left to it; what a plan does not know either counts as meant.
        if concerns or (concerns is None and stage is Stage.PLAN):
            for violation in policy.rule.of_entry(entry):
                yield _violated(policy, violation, entry)


def _of_plan(policy: Policy, proposal: Proposal | None) -> Iterator[Diagnostic]:
    if proposal is None:
        return
    for violation in policy.rule.of_plan(_narrowed(proposal, policy)):
        entry = proposal.entries.get(violation.address.key) if violation.address is not None else None
        yield _violated(policy, violation, entry)


def _narrowed(proposal: Proposal, policy: Policy) -> Proposal:
    """The part of a plan that a policy is for."""
    if not policy.where:
        return proposal

    def concerns(key: str) -> bool:
        entry = proposal.entries.get(key) or proposal.existing.get(key) or gone(key)
        # What nobody knows counts as meant.
        return meets(policy.where, entry) is not False

    changes = tuple(change for change in proposal.plan.changes if concerns(change.address.key))
    return Proposal(
        replace(proposal.plan, changes=changes),
        {key: entry for key, entry in proposal.entries.items() if concerns(key)},
        {key: entry for key, entry in proposal.existing.items() if concerns(key)},
    )


def _violated(policy: Policy, violation: Violation, entry: Entry | None) -> Diagnostic:
    return Diagnostic(
        "policy-violated",
        f"{_subject(violation)}{violation.message}",
        _place(violation, entry) or policy.span,
        address=violation.address,
        help=violation.help,
    )


def _subject(violation: Violation) -> str:
    return f"{violation.address}: " if violation.address is not None else ""


def _place(violation: Violation, entry: Entry | None) -> Span | None:
    """The value; where a field is not declared, what it is a field of."""
    if entry is None:
        return None
    kind = violation.address.kind if violation.address is not None else ""
    return entry.spans.get(violation.field or "") or entry.spans.get(kind) or entry.span


def _failed(policy: Policy, error: Exception) -> Diagnostic:
    return Diagnostic(
        "policy-failed",
        f"the policy `{policy.name}` could not judge: its rule ended with {type(error).__name__}",
        policy.span,
        notes=("what cannot judge refuses",),
        help="correct the package that brings the rule",
    )


def _advised(
    finding: Diagnostic, policy: Policy, level: Level, stage: Stage, standing: Standing
) -> Diagnostic:
    """A finding with whose it is, why there is such a policy, and what can be done about it."""
    because = f": {policy.because}" if policy.because else ""
    place = f" at {policy.span}" if policy.span is not None and policy.span != finding.span else ""
    notes = [f"{policy.level} policy `{policy.name}`{place}{because}"]
    override = f'`reconciler apply --override {policy.name} --reason "…"`'
    advice = finding.help
    if standing is Standing.OVERRIDDEN:
        notes.append("overridden for this run")
    elif level is Level.SOFT and stage is Stage.SPECS:
        notes.append("an apply refuses this, unless whoever applies overrides the policy")
    elif level is Level.SOFT:
        advice = f"{advice}; or, if it is meant, {override}" if advice else f"if it is meant, {override}"
    return replace(finding, notes=(*finding.notes, *notes), help=advice)
