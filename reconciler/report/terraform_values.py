"""Objects as Fivetran's Terraform provider has them: whole, before and after, with masks for what is not told.

Names of attributes are those of the provider (release 1), which are those of the API. `config` is a single nested
block there, and so one object, not a list of one. A mask is a tree of the same shape with `true` at its leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.plan import Action, Change, FieldChange, FieldValue, Origin, Reason, Shown
from reconciler.model.value import FieldPath

SENSITIVE = "(sensitive value)"
"""Stands for a secret that is set: a rule that asks whether there is one gets its answer, and nobody the value."""

_NOT_BEFORE = {Action.CREATE}
_NOT_AFTER = {Action.DELETE, Action.FORGET}


@dataclass(frozen=True, slots=True)
class Sight:
    """One object at one time. Where there is none, `values` is None; unknown leaves have no value."""

    values: dict[str, Any] | None = None
    sensitive: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, Any] = field(default_factory=dict)


NOTHING = Sight()


def terraform_type(address: Address) -> str:
    """`fivetran_group` or `fivetran_destination`."""
    return f"fivetran_{address.kind}"


def terraform_address(address: Address) -> str:
    """`fivetran_group.finance_prod`. Keys of specs are valid names there."""
    return f"{terraform_type(address)}.{address.key}"


def is_imported(change: Change) -> bool:
    """Whether it is there and is to be remembered from now on, as it is or changed."""
    return change.action is Action.ADOPT or (
        change.action is Action.UPDATE and Reason.NOT_REMEMBERED in change.reasons
    )


def before(change: Change) -> Sight:
    """What is there now, as far as it is declared or remembered."""
    if change.action in _NOT_BEFORE:
        return NOTHING
    if change.action in _NOT_AFTER:
        return _sight([*_identity(change, change.id), *change.applied, *_shown_now(change)])
    fields = (_then(each, change) for each in change.fields)
    return _sight([*_identity(change, change.id), *fields, *_settled(change)])


def after(change: Change, ids: Mapping[Address, str | None]) -> Sight:
    """What is there once the plan is applied. `ids` are those that are known, by address."""
    if change.action in _NOT_AFTER:
        return NOTHING
    # A destination has the id of its group, so it is known where the group is there already.
    id = change.id or next((ids.get(parent) for parent in change.depends_on), None)
    fields = [FieldValue(each.path, each.after, each.shown) for each in change.fields if each.path != ("id",)]
    return _sight([*_identity(change, id), *fields, *_settled(change)])


def last_applied(change: Change) -> Sight:
    """What a run left that somebody has changed since. A field whose last value is not known is left out."""
    known = {each.path: each for each in change.applied}
    if change.action in _NOT_BEFORE:  # it is gone, and is to be made again
        id = known.get(("id",))
        return _sight([*_identity(change, id.value if id is not None else None), *change.applied])
    moved = (
        _then(each, change)
        if each.origin is Origin.SPEC
        else FieldValue(each.path, each.after, each.shown)
        if each.origin is Origin.DRIFT
        else known.get(each.path)
        for each in change.fields
    )
    told = (each for each in moved if each is not None)
    return _sight([*_identity(change, change.id), *told, *_settled(change)])


def _identity(change: Change, id: str | None) -> Iterator[FieldValue]:
    shown = Shown.CLEAR if id is not None else Shown.KNOWN_AFTER_APPLY
    yield FieldValue(("id",), id, shown)
    if change.address.kind == DESTINATION:
        yield FieldValue(("group_id",), id, shown)


def _shown_now(change: Change) -> Iterator[FieldValue]:
    """What Fivetran shows of what goes, whatever was applied once."""
    live = change.live
    if live is None:
        return
    if change.address.kind == GROUP:
        yield FieldValue(("name",), live.name)
        return
    placed = {"service": live.service, "region": live.region}
    yield from (FieldValue((name,), value) for name, value in placed.items() if value)


def _settled(change: Change) -> tuple[FieldValue, ...]:
    """What stays. A field that is told as a change is told there, whatever else a saved plan may say."""
    changing = {each.path for each in change.fields}
    return tuple(each for each in change.other_values if each.path not in changing)


def _then(each: FieldChange, change: Change) -> FieldValue:
    """A field before its change. Of a secret that is another one now, nothing is known but that it is hidden."""
    is_same = each.path in change.secrets.unchanged
    return FieldValue(each.path, each.after if is_same else each.before, each.shown)


def _sight(fields: Iterable[FieldValue]) -> Sight:
    sight = Sight(values={})
    values: dict[str, Any] = sight.values or {}
    for each in fields:
        match each.shown:
            case Shown.KNOWN_AFTER_APPLY:
                _put(sight.unknown, each.path, True)
            case Shown.SECRET | Shown.HIDDEN:
                _put(values, each.path, SENSITIVE if each.value else None)
                _put(sight.sensitive, each.path, True)
            case Shown.CLEAR:
                _put(values, each.path, each.value)
    return Sight(values, sight.sensitive, sight.unknown)


def _put(tree: dict[str, Any], path: FieldPath, leaf: Any) -> None:
    """A saved plan that somebody has written may have any paths."""
    for step in path[:-1]:
        below = tree.get(step)
        if not isinstance(below, dict):
            below = tree[step] = {}
        tree = below
    for name in path[-1:]:
        tree[name] = leaf
