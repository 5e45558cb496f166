"""What all plans for people say in the same words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from reconciler.model.address import DESTINATION, GROUP
from reconciler.model.instant import utc
from reconciler.model.plan import Action, Change, Narrowing, Plan, Risk, Unsettled
from reconciler.model.policy import Judgement, Level, Standing
from reconciler.report.neutral import neutral
from reconciler.report.style import counted, seconds

DIGEST_SHOWN = 8
NO_CHANGES = "No changes."
UNTESTED = "setup tests have not passed; apply runs them"
RISKS = {
    Risk.IN_PLACE: "",
    Risk.INTERRUPTS_SYNCS: "interrupts syncs while setup tests run",
    Risk.REPLACES: "deletes the destination and makes it again in the same group",
    Risk.DESTROYS: "deletes it at Fivetran for good",
}


def unsettled_text(unsettled: Unsettled) -> str:
    """What a create waits for, and until when."""
    open_request = f"a request of {utc(unsettled.sent_at)} may still take effect"
    if unsettled.resent:
        return f"{open_request}; created all the same, as --resend-create says"
    return f"{open_request}; not created before {utc(unsettled.until, beside=unsettled.sent_at)}"


def counts_text(plan: Plan) -> str:
    """The counts in Terraform's wording, which other tools read: `Plan: 1 to add, …` or `No changes.`.

    Nobody knows that of a plan without what it could not see."""
    if not plan.effective and not plan.unseen:
        return NO_CHANGES
    add, change, destroy = added_changed_destroyed(plan)
    return f"Plan: {add} to add, {change} to change, {destroy} to destroy."


def added_changed_destroyed(plan: Plan) -> tuple[int, int, int]:
    """The three numbers as Terraform counts: a replacement is one to add and one to destroy. A run of setup tests
    changes nothing and is in none of them."""
    replaced = plan.count(Action.REPLACE)
    return (
        plan.count(Action.CREATE) + replaced,
        plan.count(Action.UPDATE),
        plan.count(Action.DELETE) + replaced,
    )


def account_text(plan: Plan) -> str:
    """`NAME (id)`, or the id alone where the account has no name."""
    if not plan.account_name:
        return neutral(plan.account_id)
    return f"{neutral(plan.account_name)} ({neutral(plan.account_id)})"


def extent_text(plan: Plan) -> str:
    """How much is declared, or what the plan was narrowed to, and how much was read."""
    groups = [change for change in plan.changes if change.address.kind == GROUP]
    destinations = [change for change in plan.changes if change.address.kind == DESTINATION]
    declared = f"{_objects(_declared(groups), _declared(destinations))} in {counted(plan.files, 'file')}"
    if plan.narrowing is not None:
        declared = narrowing_text(plan.narrowing)
    found = _objects(_existing(groups) + len(plan.unmanaged), _existing(destinations))
    return f"{declared} · read {found} in {seconds(plan.seconds)}"


def narrowing_text(narrowing: Narrowing) -> str:
    """`3 of 2,000 groups changed since main, 1 more unfinished`, and what other options leave of these.

    Of a branch that is behind it says where it left: `3 of 2,000 groups changed since main at 1a2b3c4d5e6f`.
    """
    of = f"of {counted(narrowing.of, 'group')}"
    if not narrowing.since:
        return f"{narrowing.entries:,} {of} in scope"
    told = f"{narrowing.changed:,} {of} changed since {neutral(narrowing.since)}"
    told += f" at {' and '.join(narrowing.merge_bases)}" if narrowing.is_behind else ""
    told += f", {narrowing.left_alone:,} left alone" if narrowing.left_alone else ""
    told += f", {narrowing.unfinished:,} more unfinished" if narrowing.unfinished else ""
    left_out = narrowing.changed + narrowing.unfinished - narrowing.entries
    return f"{told}, {narrowing.entries:,} in scope" if left_out else told


def asides(plan: Plan) -> list[str]:
    """What else there is to know: tests to run, what stays, what is known about secrets, what policies say."""
    verify, kept = plan.count(Action.VERIFY), plan.count(Action.NO_OP)
    told = [_nothing_compared(plan.narrowing)] if plan.narrowing and not plan.narrowing.entries else []
    told += [f"{counted(verify, 'destination')} to test"] if verify else []
    told += [f"{len(plan.held):,} to be created later"] if plan.held else []
    told += [f"{kept:,} unchanged"] if kept else []
    return [*told, *_secrets(plan.changes), *_policies(plan.judgements)]


def _nothing_compared(narrowing: Narrowing) -> str:
    """An empty plan of nothing must not look as if all were as declared."""
    if narrowing.changed or narrowing.unfinished:
        return "nothing that changed is in scope, so nothing was compared with the account"
    return f"{narrowing_text(narrowing)}, so none was compared with the account"


def _policies(judgements: Iterable[Judgement]) -> Iterator[str]:
    """`policies: 4 passed, 1 warning`, if there are any."""
    answers = Counter(_word(each) for each in judgements)
    told = [f"{answers[standing]:,} {standing}" for standing in Standing if answers[standing]]
    told += [counted(answers["warning"], "warning")] if answers["warning"] else []
    told += [f"{answers[_BEFORE]:,} {_BEFORE}"] if answers[_BEFORE] else []
    if told:
        yield f"policies: {', '.join(told)}"


_BEFORE = "violated by what stood before (see `validate`)"


def _word(judgement: Judgement) -> str:
    if judgement.standing is Standing.VIOLATED and not judgement.findings:
        return _BEFORE
    is_warning = judgement.standing is Standing.VIOLATED and judgement.level is Level.ADVISORY
    return "warning" if is_warning else str(judgement.standing)


def _objects(groups: int, destinations: int) -> str:
    return f"{counted(groups, 'group')}, {counted(destinations, 'destination')}"


def _declared(changes: Iterable[Change]) -> int:
    return sum(change.action not in {Action.DELETE, Action.FORGET} for change in changes)


def _existing(changes: Iterable[Change]) -> int:
    return sum(change.action is not Action.CREATE for change in changes)


def _secrets(changes: Iterable[Change]) -> Iterator[str]:
    """The three answers about secrets, and about what Fivetran does not show truly, where there are any."""
    answers = Counter[str]()
    rewritten = 0
    for change in changes:
        secrets = change.secrets
        answers.update(changed=len(secrets.changed), unchanged=len(secrets.unchanged))
        answers["cannot be compared"] += len(secrets.uncomparable)
        rewritten += len({*change.uncomparable} - {*secrets.uncomparable})
    told = [f"{number:,} {answer}" for answer, number in answers.items() if number]
    if told:
        yield f"secrets: {', '.join(told)}"
    if rewritten:
        yield f"{counted(rewritten, 'value')} that Fivetran rewrites cannot be compared"
