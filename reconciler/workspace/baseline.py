"""Load the specs at the revision of `--changed-since`, and at its merge base with the branch.

A branch that is behind the revision is planned like the merge of both: entries that only the revision changed
are taken from the revision. So the plan covers the changes of the branch, and neither misses, repeats nor
undoes changes of the revision.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from reconciler.model.address import GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError, Severity, sort_diagnostics
from reconciler.model.resource import Desired
from reconciler.model.source import Span
from reconciler.spec.at_revision import build_invalid_specs_error, load_at_revision, read_merge_base
from reconciler.spec.project import with_protected
from reconciler.workspace.changed_entries import (
    Divergence,
    MergeConflict,
    RevisionEntries,
    collect_versions,
    find_divergence,
)
from reconciler.workspace.settings import Settings
from reconciler.workspace.specs import CompiledEntries, Specs, compile_specs

_HASH_LENGTH = 12
_MAX_LISTED = 5
_CONFLICT_REASONS = {"key": "both have the key", "id": "both have the id", "name": "both have the name"}
_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True)
class Baseline:
    """Specs at an earlier revision, for the comparison with the specs of a run.

    `revision` is the revision in the user's words, `tip` its specs. `bases` are the specs of the merge bases,
    whose short hashes are `merge_bases`.
    """

    revision: str
    tip: Specs
    merge_bases: tuple[str, ...]
    bases: tuple[Specs, ...]
    is_behind: bool
    divergence: Divergence

    @property
    def left_alone(self) -> frozenset[str]:
        """Keys of entries that are taken from the revision."""
        return self.divergence.theirs | self.divergence.dropped_removals


def load_baseline(settings: Settings, specs: Specs) -> Baseline | None:
    """Load the revision of `--changed-since` and compare it with the specs of the work tree.

    None without the option. Raises ReconcilerError if git finds no revision or no merge base, or if their
    specs are invalid.
    """
    revision = settings.changed_since
    if revision is None:
        return None
    found = read_merge_base(settings.project, settings.directory, revision, settings.environ)
    names = tuple(commit[:_HASH_LENGTH] for commit in found.commits)
    tip = _load_specs_at(settings, revision, specs.compiled)
    bases = (
        # A branch that is not behind has the revision itself as its merge base.
        tuple(_load_specs_at_merge_base(settings, name, revision, specs.compiled) for name in names)
        if found.is_behind
        else (tip,)
    )
    shared = _find_shared_keys((specs, tip, *bases))
    divergence = find_divergence(
        [_read_versions(base, shared) for base in bases],
        _read_versions(tip, shared),
        _read_versions(specs, shared),
    )
    return Baseline(revision, tip, names, bases, found.is_behind, divergence)


def merge_specs(specs: Specs, baseline: Baseline | None) -> Specs:
    """Merge the entries that only the revision changed into the specs of the work tree.

    Protection that the revision added since the merge base applies too.
    """
    if baseline is None:
        return specs
    tip, keys = baseline.tip, baseline.left_alone
    known = {glob for base in baseline.bases for glob in base.project.content.protected}
    protected = (glob for glob in tip.project.content.protected if glob not in known)
    return replace(
        specs,
        project=with_protected(specs.project, protected),
        groups=_merge_entries(specs.groups, tip.groups, keys, _get_key),
        destinations=_merge_entries(specs.destinations, tip.destinations, keys, _get_key),
        removed=_merge_entries(specs.removed, tip.removed, keys, lambda entry: entry.key),
    )


def refuse_merge_conflicts(specs: Specs, baseline: Baseline, keys: Collection[str]) -> None:
    """Refuse entries among `keys` that both sides changed, by ReconcilerError.

    `specs` are the specs of the work tree or the merged specs.
    """
    conflicts = [conflict for conflict in baseline.divergence.conflicts if conflict.key in keys]
    if conflicts:
        raise ReconcilerError(
            sort_diagnostics(_explain_conflict(specs, baseline, conflict) for conflict in conflicts)
        )


def warn_if_behind(
    baseline: Baseline, keys: Collection[str], unfinished: Collection[str]
) -> Iterator[Diagnostic]:
    """Warn about the entries among `keys` that only the revision changed.

    `unfinished` are entries that an earlier run left incomplete.
    """
    waiting = sorted(baseline.left_alone & {*keys} & {*unfinished})
    left = sorted(baseline.divergence.theirs & {*keys} | {*waiting})
    if not left:
        return
    number = (
        "1 entry changed there and is" if len(left) == 1 else f"{len(left):,} entries changed there and are"
    )
    notes = [f"the merge base with `{baseline.revision}` is {' and '.join(baseline.merge_bases)}"]
    notes += [f"unfinished there: {_format_keys(waiting)}"] if waiting else []
    yield Diagnostic(
        "branch-behind",
        f"this branch is behind `{baseline.revision}`: {number} left alone: {_format_keys(left)}",
        severity=Severity.WARNING,
        notes=tuple(notes),
        help=f"merge `{baseline.revision}` into this branch, or rebase it, to plan with its changes",
    )


def _load_specs_at(settings: Settings, revision: str, known: CompiledEntries | None) -> Specs:
    loaded = load_at_revision(
        settings.project,
        settings.directory,
        revision,
        settings.environ,
        settings.given,
        parts=known.parts if known is not None else None,
    )
    try:
        # A secret that is written in an old spec must not prevent the plan of the change that removes it.
        return compile_specs(loaded, strict=False, tolerate_secrets=True, known=known)
    except ReconcilerError as error:
        raise build_invalid_specs_error(revision, error.diagnostics) from None


def _load_specs_at_merge_base(
    settings: Settings, commit: str, revision: str, known: CompiledEntries | None
) -> Specs:
    try:
        return _load_specs_at(settings, commit, known)
    except ReconcilerError as error:
        note = f"{commit} is the merge base of this branch and `{revision}`"
        advice = f"merge `{revision}` into this branch, or rebase it, so that a newer commit takes its place"
        raise ReconcilerError(
            replace(diagnostic, notes=(note, *diagnostic.notes), help=advice)
            for diagnostic in error.diagnostics
        ) from None


def _find_shared_keys(sides: Collection[Specs]) -> frozenset[str]:
    """Find the keys whose entries are the same objects on all sides, since they were compiled once for all sides."""
    resources = [_index_resources(side) for side in sides]
    first, *others = resources
    removed = {removal.key for side in sides for removal in side.removed}
    return frozenset(
        key
        for key, identities in first.items()
        if key not in removed and all(other.get(key) == identities for other in others)
    )


def _index_resources(specs: Specs) -> dict[str, set[int]]:
    """Index the identities of the resources of each entry by its key."""
    identities: dict[str, set[int]] = {}
    for entry in (*specs.groups, *specs.destinations):
        identities.setdefault(entry.address.key, set()).add(id(entry))
    return identities


def _read_versions(specs: Specs, shared: Collection[str]) -> RevisionEntries:
    """Read the versions of all entries but those that all sides share."""
    declared = (entry for entry in (*specs.groups, *specs.destinations) if entry.address.key not in shared)
    return collect_versions(declared, specs.removed)


def _merge_entries(
    ours: Iterable[_Entry], theirs: Iterable[_Entry], keys: Collection[str], key: Callable[[_Entry], str]
) -> tuple[_Entry, ...]:
    """Merge two sides: entries with these keys from theirs, all others from ours."""
    kept = [entry for entry in ours if key(entry) not in keys]
    return tuple(sorted([*kept, *(entry for entry in theirs if key(entry) in keys)], key=key))


def _get_key(desired: Desired) -> str:
    return desired.address.key


def _explain_conflict(specs: Specs, baseline: Baseline, conflict: MergeConflict) -> Diagnostic:
    revision, (kind, name) = baseline.revision, conflict.claim
    if conflict.key == conflict.other_key:
        message = f"`{conflict.key}` was changed here and on `{revision}`, in different ways"
    else:
        message = (
            f"`{conflict.key}` was changed here and `{conflict.other_key}` on `{revision}`,"
            f" and {_CONFLICT_REASONS[kind]} `{name}`"
        )
    return Diagnostic(
        "both-changed",
        message,
        span=_find_span(specs, conflict.key),
        address=Address(GROUP, conflict.key),
        notes=(_describe_theirs(baseline, conflict.other_key),),
        help=f"merge `{revision}` into this branch, or rebase it, and plan again",
    )


def _describe_theirs(baseline: Baseline, key: str) -> str:
    """Describe the state of an entry at the revision."""
    revision, tip = baseline.revision, baseline.tip
    moved = next((entry for entry in tip.groups if entry.moved_from == Address(GROUP, key)), None)
    if moved is not None:
        return f"`{revision}` has it as `{moved.address.key}`{_format_span(moved.span, revision)}"
    removal = next((entry for entry in tip.removed if entry.key == key), None)
    if removal is not None:
        return f"`{revision}` removes it{_format_span(removal.span, revision)}"
    group = next((entry for entry in tip.groups if entry.address.key == key), None)
    return (
        f"`{revision}` has it{_format_span(group.span, revision)}"
        if group is not None
        else f"`{revision}` does not have it any more"
    )


def _format_span(span: Span, revision: str) -> str:
    return f" at {span.path}@{revision}:{span.line}:{span.column}"


def _find_span(specs: Specs, key: str) -> Span | None:
    places = [entry.span for entry in specs.groups if entry.address.key == key]
    return next(iter([*places, *(entry.key_span for entry in specs.removed if entry.key == key)]), None)


def _format_keys(keys: Collection[str]) -> str:
    """Format the first few keys."""
    shown = ", ".join(f"`{key}`" for key in sorted(keys)[:_MAX_LISTED])
    return shown + (f" and {len(keys) - _MAX_LISTED:,} more" if len(keys) > _MAX_LISTED else "")
