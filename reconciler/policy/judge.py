"""What the policies of a project say of its specs, and of a plan."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from enum import Enum, auto

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity
from reconciler.model.nearest import did_you_mean
from reconciler.model.policy import Judgement, Level, Standing
from reconciler.model.source import Span
from reconciler.model.value import MASKED_IN_OUTPUT, within
from reconciler.policy.base import Entry, Proposal, Violation
from reconciler.policy.entry import as_it_is, gone
from reconciler.policy.load import Policy
from reconciler.policy.matching import meets, shown


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


@dataclass(frozen=True, slots=True)
class _Found:
    """One finding. What `stands` already is about an entry of which a plan changes nothing."""

    finding: Diagnostic
    stands: bool = False


def _judgement(
    policy: Policy, entries: Iterable[Entry], proposal: Proposal | None, *, overridden: bool
) -> Judgement:
    stage = Stage.SPECS if proposal is None else Stage.PLAN
    level = policy.level
    try:
        with redirect_stdout(sys.stderr):  # standard output belongs to results, whatever a rule prints
            # In one go and completely: a rule that fails half-way has not judged.
            found = [*_of_entries(policy, entries, proposal), *_of_plan(policy, proposal)]
        standing = Standing.VIOLATED if found else Standing.PASSED
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit, which must not end a run as if all were well
        # S-54: what cannot judge refuses. Not its text, which may repeat anything.
        found, standing = [_Found(_failed(policy, error))], Standing.FAILED
        level = Level.SOFT if level is Level.ADVISORY else level
    if overridden and level is Level.SOFT and any(not each.stands for each in found):
        standing = Standing.OVERRIDDEN
    told = [(each.stands, _told(each, policy, level, stage, standing)) for each in found]
    return Judgement(
        policy.name,
        policy.kind,
        policy.level,
        standing,
        tuple(each for stands, each in told if not (stands and each.severity is Severity.WARNING)),
        policy.because,
        tuple(each for stands, each in told if stands and each.severity is Severity.WARNING),
    )


def _told(found: _Found, policy: Policy, level: Level, stage: Stage, standing: Standing) -> Diagnostic:
    stops = standing is not Standing.OVERRIDDEN and (
        level is Level.HARD or (level is Level.SOFT and stage is Stage.PLAN and not found.stands)
    )
    finding = _advised(found, policy, level, stage, standing)
    return replace(finding, severity=Severity.ERROR if stops else Severity.WARNING)


def _of_entries(policy: Policy, entries: Iterable[Entry], proposal: Proposal | None) -> Iterator[_Found]:
    touched = {change.address.key for change in proposal.plan.effective} if proposal is not None else set()
    for entry in entries:
        concerns = meets(policy.where, entry)
        # What only a plan knows is left to it; what a plan does not know either counts as meant.
        if concerns or (concerns is None and proposal is not None):
            for violation in policy.rule.of_entry(entry):
                stands = proposal is not None and entry.key not in touched
                yield _Found(_without_hidden(_violated(policy, violation, entry), [entry]), stands)


def _of_plan(policy: Policy, proposal: Proposal | None) -> Iterator[_Found]:
    if proposal is None:
        return
    for violation in policy.rule.of_plan(_narrowed(proposal, policy)):
        address = _checked(violation).address
        entry = proposal.entries.get(address.key) if address is not None else None
        seen = proposal.entries.values() if entry is None else [entry]
        yield _Found(_without_hidden(_violated(policy, violation, entry), seen))


def _narrowed(proposal: Proposal, policy: Policy) -> Proposal:
    """The part of a plan that a policy is for."""
    if not policy.where:
        return proposal

    def concerns(key: str) -> bool:
        entry = proposal.entries.get(key) or proposal.existing.get(key) or gone(key)
        # What nobody knows counts as meant, and so does what would leave the entries that a policy is for.
        return meets(policy.where, entry) is not False or (
            entry.exists and meets(policy.where, as_it_is(entry)) is not False
        )

    changes = tuple(change for change in proposal.plan.changes if concerns(change.address.key))
    return Proposal(
        replace(proposal.plan, changes=changes),
        {key: entry for key, entry in proposal.entries.items() if concerns(key)},
        {key: entry for key, entry in proposal.existing.items() if concerns(key)},
    )


def _violated(policy: Policy, violation: Violation, entry: Entry | None) -> Diagnostic:
    field = _checked(violation).field
    return Diagnostic(
        "policy-violated",
        f"{_subject(violation)}{violation.message}",
        _place(violation, entry) or policy.span,
        address=violation.address,
        help=violation.help,
        secret=entry is not None and field is not None and entry.is_hidden(field),
    )


def _without_hidden(finding: Diagnostic, entries: Iterable[Entry]) -> Diagnostic:
    """A finding without values of these entries that are hidden: rules of packages may repeat what they see."""
    hidden = {
        text
        for entry in entries
        for fields in (entry.declared, entry.live, entry.before)
        for path, value in fields.items()
        if entry.is_hidden(path)
        for part in within(value)
        if len(text := shown(part)) >= _SHORTEST_MASKED
    }
    message, advice = finding.message, finding.help
    for each in sorted(hidden, key=len, reverse=True):
        message, advice = (text.replace(each, MASKED_IN_OUTPUT) for text in (message, advice))
    return replace(finding, message=message, help=advice)


_SHORTEST_MASKED = 5  # shorter ones occur in ordinary words


def _checked(violation: object) -> Violation:
    """What a rule found, if it is that. Raises TypeError."""
    match violation:
        case Violation(message=str(), address=Address() | None, field=str() | None, help=str()):
            if violation.message.strip():
                return violation
    raise TypeError("a rule yields violations")


def _subject(violation: Violation) -> str:
    return f"{violation.address}: " if violation.address is not None else ""


def _place(violation: Violation, entry: Entry | None) -> Span | None:
    """The value; where a field is not declared, what it is a field of."""
    if entry is None:
        return None
    kind = violation.address.kind if violation.address is not None else ""
    return entry.spans.get(violation.field or "") or entry.spans.get(kind) or entry.span


def _failed(policy: Policy, error: BaseException) -> Diagnostic:
    return Diagnostic(
        "policy-failed",
        f"the policy `{policy.name}` could not judge: its rule ended with {type(error).__name__}",
        policy.span,
        notes=("what cannot judge refuses",),
        help="correct the package that brings the rule",
    )


def _advised(found: _Found, policy: Policy, level: Level, stage: Stage, standing: Standing) -> Diagnostic:
    """A finding with whose it is, why there is such a policy, and what can be done about it."""
    finding = found.finding
    because = f": {policy.because}" if policy.because else ""
    place = f" at {policy.span}" if policy.span is not None and policy.span != finding.span else ""
    notes = [f"{policy.level} policy `{policy.name}`{place}{because}"]
    override = f'`reconciler apply --override {policy.name} --reason "…"`'
    advice = finding.help
    if found.stands:
        notes.append("it stands already, and this plan changes nothing of it")
    elif standing is Standing.OVERRIDDEN:
        notes.append("overridden for this run")
    elif level is Level.SOFT and stage is Stage.SPECS:
        notes.append("an apply refuses this, unless whoever applies overrides the policy")
    elif level is Level.SOFT:
        advice = f"{advice}; or, if it is meant, {override}" if advice else f"if it is meant, {override}"
    return replace(finding, notes=(*finding.notes, *notes), help=advice)
