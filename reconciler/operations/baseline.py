"""`--changed-since`: what the specs say at a revision, and at the merge base that the branch has with it.

A branch that is behind the revision is planned as the merge of the two would be: what only the revision changed since
is as it is there, so that none of it is missed, made twice or undone, and the plan is about what the branch changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from reconciler.engine.since import Clash, Divergence, Versions, collect_versions, find_divergence
from reconciler.model.address import GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity, in_reading_order
from reconciler.model.resource import Desired
from reconciler.model.source import Span
from reconciler.operations.settings import Settings
from reconciler.operations.specs import Specs, declared
from reconciler.spec.revision import loaded_at, not_in_order, read_merge_base

_SHORT = 12
_NAMED = 5
_SHARED = {"key": "both stand for the key", "id": "both have the id", "name": "both have the name"}
_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the specs of a run are compared with. `since` is the revision as the user calls it, and `tip` its specs;
    `bases` are those of the merge bases, whose short hashes are `merge_bases`."""

    since: str
    tip: Specs
    merge_bases: tuple[str, ...]
    bases: tuple[Specs, ...]
    is_behind: bool
    divergence: Divergence

    @property
    def left_alone(self) -> frozenset[str]:
        """Keys that are as the revision has them."""
        return self.divergence.theirs | self.divergence.cleared


def load_baseline(settings: Settings, specs: Specs) -> Baseline | None:
    """The revision that `--changed-since` names, if it does, compared with the specs of the work tree.

    Raises `ReconcilerError` where git does not find it or a merge base, or where their specs are not in order.
    """
    since = settings.changed_since
    if since is None:
        return None
    found = read_merge_base(settings.project, settings.directory, since, settings.environ)
    names = tuple(commit[:_SHORT] for commit in found.commits)
    tip = _specs_at(settings, since)
    bases = (
        tuple(_specs_at_merge_base(settings, name, since) for name in names) if found.is_behind else (tip,)
    )
    divergence = find_divergence(
        [_read_versions(each) for each in bases], _read_versions(tip), _read_versions(specs)
    )
    return Baseline(since, tip, names, bases, found.is_behind, divergence)


def merge_specs(specs: Specs, baseline: Baseline | None) -> Specs:
    """The specs of the work tree, with what only the revision changed as it is there. What the revision protects
    since the branch left it is protected."""
    if baseline is None:
        return specs
    tip, keys = baseline.tip, baseline.left_alone
    known = {glob for base in baseline.bases for glob in base.project.protected}
    protected = (glob for glob in tip.project.protected if glob not in known)
    return replace(
        specs,
        project=replace(specs.project, protected=(*specs.project.protected, *protected)),
        groups=_merge(specs.groups, tip.groups, keys, _key_of),
        destinations=_merge(specs.destinations, tip.destinations, keys, _key_of),
        removed=_merge(specs.removed, tip.removed, keys, lambda each: each.key),
    )


def refuse_clashes(specs: Specs, baseline: Baseline, keys: Collection[str]) -> None:
    """Raise `ReconcilerError` with each of these entries that was changed on both sides. `specs` are those of the work
    tree or the merged ones."""
    clashes = [each for each in baseline.divergence.clashes if each.key in keys]
    if clashes:
        raise ReconcilerError(in_reading_order(_explain_clash(specs, baseline, each) for each in clashes))


def warn_of_changes_elsewhere(
    baseline: Baseline, keys: Collection[str], unfinished: Collection[str]
) -> Iterator[Diagnostic]:
    """The warning about those of these entries that only the revision changed, if there are any. Of `unfinished` ones
    an earlier run left something to do."""
    waiting = sorted(baseline.left_alone & {*keys} & {*unfinished})
    left = sorted(baseline.divergence.theirs & {*keys} | {*waiting})
    if not left:
        return
    number = (
        "1 entry changed there and is" if len(left) == 1 else f"{len(left):,} entries changed there and are"
    )
    notes = [f"it left `{baseline.since}` at {' and '.join(baseline.merge_bases)}"]
    notes += [f"unfinished there: {_list_keys(waiting)}"] if waiting else []
    yield Diagnostic(
        "branch-behind",
        f"this branch is behind `{baseline.since}`: {number} left alone: {_list_keys(left)}",
        severity=Severity.WARNING,
        notes=tuple(notes),
        help=f"merge `{baseline.since}` into this branch, or rebase it, to plan with what is there",
    )


def _specs_at(settings: Settings, revision: str) -> Specs:
    loaded = loaded_at(settings.project, settings.directory, revision, settings.environ)
    try:
        # A secret that was written out must not keep the change that takes it out from being planned.
        return declared(loaded, strict=False, tolerated={"literal-secret"})
    except ReconcilerError as error:
        raise not_in_order(revision, error.diagnostics) from None


def _specs_at_merge_base(settings: Settings, commit: str, since: str) -> Specs:
    try:
        return _specs_at(settings, commit)
    except ReconcilerError as error:
        note = f"{commit} is where this branch left `{since}`"
        advice = f"merge `{since}` into this branch, or rebase it, so that a newer commit takes its place"
        raise ReconcilerError(
            replace(each, notes=(note, *each.notes), help=advice) for each in error.diagnostics
        ) from None


def _read_versions(specs: Specs) -> Versions:
    return collect_versions((*specs.groups, *specs.destinations), specs.removed)


def _merge(
    ours: Iterable[_Entry], theirs: Iterable[_Entry], keys: Collection[str], key: Callable[[_Entry], str]
) -> tuple[_Entry, ...]:
    """Ours, but of these keys theirs."""
    kept = [each for each in ours if key(each) not in keys]
    return tuple(sorted([*kept, *(each for each in theirs if key(each) in keys)], key=key))


def _key_of(desired: Desired) -> str:
    return desired.address.key


def _explain_clash(specs: Specs, baseline: Baseline, clash: Clash) -> Diagnostic:
    since, (kind, name) = baseline.since, clash.claim
    if clash.key == clash.other:
        message = f"`{clash.key}` was changed here and on `{since}`, each time to something else"
    else:
        message = (
            f"`{clash.key}` was changed here and `{clash.other}` on `{since}`, and {_SHARED[kind]} `{name}`"
        )
    return Diagnostic(
        "both-changed",
        message,
        span=_find_place(specs, clash.key),
        address=Address(GROUP, clash.key),
        notes=(_describe_theirs(baseline, clash.other),),
        help=f"merge `{since}` into this branch, or rebase it, and plan again",
    )


def _describe_theirs(baseline: Baseline, key: str) -> str:
    """What became of an entry on the other side."""
    since, tip = baseline.since, baseline.tip
    moved = next((each for each in tip.groups if each.formerly == Address(GROUP, key)), None)
    if moved is not None:
        return f"`{since}` has it as `{moved.address.key}`{_format_place(moved.span, since)}"
    removal = next((each for each in tip.removed if each.key == key), None)
    if removal is not None:
        return f"`{since}` removes it{_format_place(removal.span, since)}"
    group = next((each for each in tip.groups if each.address.key == key), None)
    return (
        f"`{since}` has it{_format_place(group.span, since)}"
        if group is not None
        else f"`{since}` has it no more"
    )


def _format_place(span: Span, revision: str) -> str:
    return f" at {span.path}@{revision}:{span.line}:{span.column}"


def _find_place(specs: Specs, key: str) -> Span | None:
    places = [each.span for each in specs.groups if each.address.key == key]
    return next(iter([*places, *(each.key_span for each in specs.removed if each.key == key)]), None)


def _list_keys(keys: Collection[str]) -> str:
    """The first few of them."""
    shown = ", ".join(f"`{key}`" for key in sorted(keys)[:_NAMED])
    return shown + (f" and {len(keys) - _NAMED:,} more" if len(keys) > _NAMED else "")
