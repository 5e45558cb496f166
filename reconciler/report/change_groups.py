"""Put changes in the order of their actions, and group equal changes, so that one cause is reviewed once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import groupby
from typing import TypeAlias

from reconciler.model.plan import Action, Change, FieldChange
from reconciler.report.style import format_count
from reconciler.report.trust import list_trust_lines

MIN_GROUP = 3
"""Number of equal changes from which they are shown as one."""
MAX_NAMES = 30
"""Number of entries of a group that are named, unless the user wants all."""

ChangeGroup: TypeAlias = tuple[Change, ...]
"""Equal changes in the order of the plan, or one change."""

ACTION_ORDER = (
    *(Action.DELETE, Action.REPLACE, Action.CREATE, Action.UPDATE),
    *(Action.APPROVE, Action.REVOKE, Action.VERIFY),
)
"""Actions that send something, in the order in which plans show them: the worst first."""
_RANKS = {
    # Approvals and revocations stay in the order of the plan.
    action: ACTION_ORDER.index(Action.APPROVE if action is Action.REVOKE else action)
    for action in ACTION_ORDER
}
_GROUPED_ACTIONS = frozenset({Action.UPDATE, Action.VERIFY})


def sort_changes(changes: Iterable[Change]) -> list[Change]:
    """Sort changes by their actions, the worst first. Within an action the order of the plan stays."""
    return sorted(changes, key=lambda change: _RANKS.get(change.action, len(_RANKS)))


def identify_change(change: Change) -> Hashable | None:
    """Return what a reviewer sees of a change beside its entry; None for a change that is reviewed by itself.

    Long values count as a whole, also if a text crops them. A secret counts by its reference and the result of its
    comparison.
    """
    if change.action not in _GROUPED_ACTIONS:
        return None
    fields = tuple(identify_field(change, field) for field in change.fields)
    approvals = (tuple(list_trust_lines(change)), change.runs_tests)
    return (change.action, change.address.kind, change.risk, fields, approvals)


def identify_field(change: Change, field: FieldChange) -> Hashable:
    """Return what a reviewer sees of a change of a field, with its whole values."""
    secrets = change.secrets
    comparison = (field.path in secrets.unchanged, field.path in secrets.uncomparable)
    values = tuple(
        json.dumps(value, ensure_ascii=False, default=repr) for value in (field.before, field.after)
    )
    marks = (field.origin, field.forces_replace, field.sent_by_replacement)
    return (field.path, field.shown, values, comparison, marks)


def group_changes(
    changes: Iterable[Change],
    identify: Callable[[Change], Hashable | None] = identify_change,
    *,
    groups_equal: bool = True,
) -> list[ChangeGroup]:
    """Group equal changes of changes that are sorted by their actions.

    The groups of an action stand above its single changes, which stay in their order. Fewer than `MIN_GROUP` equal
    changes stay single, and all do unless `groups_equal`.
    """
    return [
        group
        for _, same_action in groupby(changes, key=lambda change: change.action)
        for group in _group_action(list(same_action), identify if groups_equal else _identify_nothing)
    ]


def _group_action(
    changes: Sequence[Change], identify: Callable[[Change], Hashable | None]
) -> list[ChangeGroup]:
    identities = [identify(change) for change in changes]
    counts = Counter(identity for identity in identities if identity is not None)
    groups = {identity: list[Change]() for identity, number in counts.items() if number >= MIN_GROUP}
    single: list[ChangeGroup] = []
    for change, identity in zip(changes, identities, strict=True):
        if identity in groups:
            groups[identity].append(change)
        else:
            single.append((change,))
    return [*map(tuple, groups.values()), *single]


def _identify_nothing(change: Change) -> None:
    return None


def is_one_field(change: Change) -> bool:
    """Whether a change is an update of one field and nothing else, which fits on a line."""
    is_update = change.action is Action.UPDATE and len(change.fields) == 1
    return is_update and not (change.lost or change.trust or change.unsettled or change.is_missing)


def format_subject(group: ChangeGroup) -> str:
    """Format the subject of a group: `16 destinations`."""
    return format_count(len(group), group[0].address.kind)
