"""Format the phrases that all renderers of plans share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.instant import format_utc
from reconciler.model.plan import Action, Change, Plan, ScopeSummary, UnsettledRequest
from reconciler.model.policy import EnforcementLevel, PolicyResult, PolicyStatus
from reconciler.model.sanitize import escape
from reconciler.report.plan_facts import has_many_uncomparable_secrets
from reconciler.report.style import format_count, format_duration
from reconciler.report.trust import list_trust_remarks

SHORT_DIGEST_LENGTH = 8
NO_CHANGES = "No changes."
_MAX_UNPLANNED = 10
UNTESTED = "setup tests have not passed; apply runs them"
TESTS_FOLLOW = "apply runs its setup tests"
TRUST_ACTIONS = frozenset({Action.APPROVE, Action.REVOKE})


def format_unsettled(unsettled: UnsettledRequest) -> str:
    """Format the request that a create waits for, and the end of the wait."""
    open_request = f"a request of {format_utc(unsettled.sent_at)} may still take effect"
    if unsettled.resent:
        return f"{open_request}; created all the same, as --resend-create says"
    return f"{open_request}; not created before {format_utc(unsettled.until, reference=unsettled.sent_at)}"


def format_counts(plan: Plan) -> str:
    """Format the counts in Terraform's wording, which other tools read: `Plan: 1 to add, …` or `No changes.`.

    A plan without some of its entries is not known to have no changes, so it never gets `No changes.`.
    """
    if not plan.effective and not plan.omissions:
        return NO_CHANGES
    add, change, destroy = count_changes(plan)
    return f"Plan: {add} to add, {change} to change, {destroy} to destroy."


def format_verdict(plan: Plan) -> str:
    """Format what the reader of a plan has to do: `Refused: CODES`, `Needs approval: 7 to do`, or `7 to do` for a plan
    that nobody can approve; empty for a plan with nothing to do."""
    to_do = f"{len(plan.effective):,} to do"
    if plan.blockers:
        return f"Refused: {format_blocking_codes(plan)}"
    if plan.needs_approval:
        ended = f"protection of {_count_entries(plan.unprotected)} ends"
        return f"Needs approval: {to_do if plan.effective else ended}"
    return to_do if plan.effective else ""


def _count_entries(addresses: Iterable[Address]) -> str:
    number = len({address.key for address in addresses})
    return "1 entry" if number == 1 else f"{number:,} entries"


def format_blocking_codes(plan: Plan) -> str:
    """Format the codes of all blockers: `limit-exceeded, protected`."""
    return ", ".join(sorted({blocker.code for blocker in plan.blockers}))


def count_changes(plan: Plan) -> tuple[int, int, int]:
    """Count changes as Terraform does (add, change, destroy): a replacement is one to add and one to destroy. A run of
    setup tests changes nothing and is in none of the numbers."""
    replaced = plan.count(Action.REPLACE)
    return (
        plan.count(Action.CREATE) + replaced,
        plan.count(Action.UPDATE),
        plan.count(Action.DELETE) + replaced,
    )


def format_unplanned(plan: Plan) -> str:
    """Format the addresses that a plan omits: `Not planned: destination.lake (replace-refused).`"""
    shown = [
        f"{escape(str(address))} ({', '.join(list_blocking_codes(address, plan.omissions))})"
        for address in plan.unplanned[:_MAX_UNPLANNED]
    ]
    more = len(plan.unplanned) - _MAX_UNPLANNED
    return f"Not planned: {', '.join(shown)}{f' and {more:,} more' if more > 0 else ''}."


def list_blocking_codes(address: Address, blockers: Iterable[Diagnostic]) -> list[str]:
    """List the codes of the blockers that refuse a change of an address. Limits refuse the plan as a whole and are not
    listed."""
    return sorted(
        {
            blocker.code
            for blocker in blockers
            if blocker.address is not None and blocker.address.key == address.key
        }
    )


def format_account(plan: Plan) -> str:
    """Format the account: `NAME (id)`, or the id alone if the account has no name; and the snapshot in its place."""
    suffix = f" in {escape(str(plan.snapshot))}" if plan.snapshot is not None else ""
    if not plan.account_name:
        return f"{escape(plan.account_id)}{suffix}"
    return f"{escape(plan.account_name)} ({escape(plan.account_id)}){suffix}"


def format_coverage(plan: Plan) -> str:
    """Format the number of declared entries, the scope of the plan, and the number of objects that were read."""
    groups = [change for change in plan.changes if change.address.kind == GROUP]
    destinations = [change for change in plan.changes if change.address.kind == DESTINATION]
    declared_destinations = _count_declared(destinations) + len(plan.unread)
    objects = _format_object_counts(_count_declared(groups), declared_destinations)
    declared = f"{objects} in {format_count(plan.files, 'file')}"
    if plan.narrowing is not None:
        declared = format_scope(plan.narrowing)
    found = _format_object_counts(
        _count_existing(groups) + len(plan.unmanaged) + len(plan.owned), _count_existing(destinations)
    )
    return f"{declared} · read {found} in {format_duration(plan.seconds)}"


def format_scope(scope: ScopeSummary) -> str:
    """Format a scope: `3 of 2,000 groups changed since main, 1 more unfinished`, and the effect of other options.

    For a branch that is behind, `at 1a2b3c4d5e6f` follows the revision: the commit at which the branch left.
    """
    total = f"of {format_count(scope.of, 'group')}"
    if not scope.since:
        return f"{scope.entries:,} {total} in scope"
    text = f"{scope.changed:,} {total} changed since {escape(scope.since)}"
    text += f" at {' and '.join(scope.merge_bases)}" if scope.is_behind else ""
    text += f", {scope.left_alone:,} left alone" if scope.left_alone else ""
    text += f", {scope.unfinished:,} more unfinished" if scope.unfinished else ""
    left_out = scope.changed + scope.unfinished - scope.entries
    return f"{text}, {scope.entries:,} in scope" if left_out else text


def list_remarks(plan: Plan) -> list[str]:
    """List further remarks: tests to run, unchanged entries, the comparison of secrets, results of policies."""
    verify, unchanged = plan.count(Action.VERIFY), plan.count(Action.NO_OP)
    remarks = [_explain_empty_scope(plan.narrowing)] if plan.narrowing and not plan.narrowing.entries else []
    remarks += [f"{format_count(verify, 'destination')} to test"] if verify else []
    remarks += list_trust_remarks(plan)
    remarks += [f"{len(plan.held):,} to be created later"] if plan.held else []
    remarks += [f"{unchanged:,} unchanged"] if unchanged else []
    remarks += ["against a snapshot: cannot be applied"] if plan.snapshot is not None else []
    return [*remarks, *_summarize_secrets(plan), *_summarize_policies(plan.judgements)]


def _explain_empty_scope(scope: ScopeSummary) -> str:
    """Explain an empty scope: its empty plan does not mean that all entries are as declared."""
    if scope.changed or scope.unfinished:
        return "no changed entry is in scope, so no entry was compared with the account"
    return f"{format_scope(scope)}, so none was compared with the account"


def _summarize_policies(policy_results: Iterable[PolicyResult]) -> Iterator[str]:
    """Summarize policies: `policies: 4 passed, 1 warning`; nothing without policies."""
    counts = Counter(_describe_policy_result(policy_result) for policy_result in policy_results)
    parts = [f"{counts[standing]:,} {standing}" for standing in PolicyStatus if counts[standing]]
    parts += [format_count(counts["warning"], "warning")] if counts["warning"] else []
    parts += [f"{counts[_PREEXISTING]:,} {_PREEXISTING}"] if counts[_PREEXISTING] else []
    if parts:
        yield f"policies: {', '.join(parts)}"


_PREEXISTING = "with older violations only (see `validate`)"


def _describe_policy_result(policy_result: PolicyResult) -> str:
    if policy_result.standing is PolicyStatus.VIOLATED and not policy_result.findings:
        return _PREEXISTING
    is_warning = (
        policy_result.standing is PolicyStatus.VIOLATED and policy_result.level is EnforcementLevel.ADVISORY
    )
    return "warning" if is_warning else str(policy_result.standing)


def _format_object_counts(groups: int, destinations: int) -> str:
    return f"{format_count(groups, 'group')}, {format_count(destinations, 'destination')}"


def _count_declared(changes: Iterable[Change]) -> int:
    return sum(change.action not in {Action.DELETE, Action.FORGET} for change in changes)


def _count_existing(changes: Iterable[Change]) -> int:
    return sum(change.action is not Action.CREATE for change in changes)


def _summarize_secrets(plan: Plan) -> Iterator[str]:
    """Summarize the comparison of secrets, and count fields whose values Fivetran may rewrite."""
    counts = Counter[str]()
    rewritten = 0
    for change in plan.changes:
        secrets = change.secrets
        counts.update(changed=len(secrets.changed), unchanged=len(secrets.unchanged))
        counts["cannot be compared"] += len(secrets.uncomparable)
        rewritten += len({*change.uncomparable} - {*secrets.uncomparable})
    parts = [f"{number:,} {label}" for label, number in counts.items() if number]
    if parts:
        hint = _UNCOMPARABLE_HINT if has_many_uncomparable_secrets(plan) else ""
        yield f"secrets: {', '.join(parts)}{hint}"
    if rewritten:
        yield f"{format_count(rewritten, 'value')} that Fivetran rewrites cannot be compared"


_UNCOMPARABLE_HINT = " (see `--secrets-as-they-are` and `--resend-secret`)"
