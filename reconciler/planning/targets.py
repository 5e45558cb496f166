"""Select the addresses and secrets that the options of a run name.

`--target`, `--exclude` and `--changed-since` give the scope of a run; `--resend-secret` and `--resend-create` pick from
the scope. A selector that matches nothing is an error: a mistyped filter must not look like "no changes".
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from reconciler.kinds.destination import SERVICE
from reconciler.kinds.visibility import Masking
from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.plan import ScopeSummary
from reconciler.model.record import Record
from reconciler.model.resource import Desired
from reconciler.model.suggestions import did_you_mean
from reconciler.model.value import FieldPath, format_path, is_external_secret, is_secret
from reconciler.planning.facts import has_outstanding_tests
from reconciler.planning.fields import is_resolved_locally
from reconciler.planning.planner import PlannedOperation
from reconciler.planning.trust import waits_for_pin
from reconciler.workspace.baseline import Baseline, refuse_merge_conflicts, warn_if_behind
from reconciler.workspace.settings import Settings
from reconciler.workspace.specs import Specs


@dataclass(frozen=True, slots=True)
class Scope:
    """The addresses of a run. `summary` is None for a run about everything.

    `orphan_candidates` are the addresses whose disappearance from the specs this run has to report; None for all. An
    address that the branch did not lose itself belongs to another branch: it may be younger than this checkout.
    `left_alone` are keys that only the revision changed; `warnings` name these keys.
    """

    addresses: frozenset[Address]
    summary: ScopeSummary | None = None
    orphan_candidates: frozenset[Address] | None = None
    left_alone: frozenset[str] = frozenset()
    warnings: tuple[Diagnostic, ...] = ()


def resolve_scope(
    settings: Settings, specs: Specs, baseline: Baseline | None, records: Mapping[Address, Record]
) -> Scope:
    """Resolve the options to a scope. `records` are the records of the state, by present address.

    Raises `ReconcilerError` for a selector that names nothing, for selectors that leave nothing, and for entries that
    both sides of the comparison changed.
    """
    known = _list_addresses(specs)
    if baseline is None:
        return _select_scope(known, settings)
    comparable = known.union(*(_list_addresses(side) for side in (baseline.tip, *baseline.bases)))
    selection = select_addresses(comparable, settings.targets, settings.excludes)
    keys = {address.key for address in selection}
    refuse_merge_conflicts(specs, baseline, keys)
    unfinished_addresses = add_groups(_find_unfinished_entries(specs.destinations, records), comparable)
    ours, left_alone = baseline.divergence.ours, baseline.left_alone
    changed = {address for address in known if address.key in ours}
    unfinished = {address for address in known & unfinished_addresses if address.key not in left_alone}
    addresses = selection & (changed | unfinished)
    before = {entry.address for base in baseline.bases for entry in (*base.groups, *base.destinations)}
    return Scope(
        addresses,
        ScopeSummary(
            entries=_count_entries(addresses),
            of=_count_entries(known),
            since=baseline.revision,
            changed=_count_entries(changed),
            unfinished=_count_entries(changed | unfinished) - _count_entries(changed),
            merge_bases=baseline.merge_bases,
            is_behind=baseline.is_behind,
            left_alone=len(baseline.divergence.theirs),
        ),
        orphan_candidates=addresses | {address for address in before if address.key in ours},
        left_alone=left_alone,
        warnings=tuple(warn_if_behind(baseline, keys, {address.key for address in unfinished_addresses})),
    )


def _select_scope(known: Collection[Address], settings: Settings) -> Scope:
    """Select the scope by the selectors alone."""
    selection = select_addresses(known, settings.targets, settings.excludes)
    if not settings.targets and not settings.excludes:
        return Scope(selection)
    return Scope(selection, ScopeSummary(_count_entries(selection), _count_entries(known)))


def _list_addresses(specs: Specs) -> frozenset[Address]:
    """List the addresses of all declared and all removed entries."""
    removed = {Address(kind, entry.key) for entry in specs.removed for kind in (GROUP, DESTINATION)}
    return frozenset({entry.address for entry in (*specs.groups, *specs.destinations)} | removed)


def _count_entries(addresses: Collection[Address]) -> int:
    """Count the entries of the specs: a group and its destination are one entry."""
    return len({address.key for address in addresses})


def _find_unfinished_entries(
    declared: Collection[Desired], records: Mapping[Address, Record]
) -> frozenset[Address]:
    """Find addresses with an intent of unknown outcome, or with required setup tests that have not passed.

    A destination that waits for a pin is left out: a test changes nothing until the specs have the pin, and reviewed
    plans of other entries must stay valid for as long as that takes.
    """
    interrupted = {address for address, record in records.items() if record.intent is not None}
    untested = {
        desired.address
        for desired in declared
        if has_outstanding_tests(desired, records.get(desired.address))
        and not waits_for_pin(desired.trust, records.get(desired.address))
    }
    return frozenset(interrupted | untested)


def select_addresses(
    addresses: Collection[Address], targets: Collection[str], excludes: Collection[str]
) -> frozenset[Address]:
    """Select the addresses that the targets name, or all without a target, minus the addresses that the excludes name.

    A selector is an address or a key, with `*` for any text. A destination includes its group, and an
    excluded group excludes its destination. Raises `ReconcilerError` for a selector that names nothing, and for
    selectors that leave nothing.
    """
    problems = [
        _explain_unknown_target(selector, addresses)
        for selector in (*targets, *excludes)
        if not match_selector(selector, addresses)
    ]
    if problems:
        raise ReconcilerError(problems)
    included = set(_match_all(targets, addresses)) if targets else set(addresses)
    included = add_groups(included, addresses)
    excluded = set(_match_all(excludes, addresses))
    excluded |= {Address(DESTINATION, address.key) for address in excluded if address.kind == GROUP}
    if excludes and included <= excluded:
        raise ReconcilerError([_explain_nothing_selected(targets, excludes)])
    return frozenset(included - excluded)


def select_test_targets(selectors: Iterable[str], specs: Specs) -> tuple[str, ...]:
    """Select the addresses of the declared destinations that selectors of `test` name; a group stands for its
    destination. Raises `ReconcilerError` for a selector that names no declared destination."""
    known, declared = _list_addresses(specs), {entry.address for entry in specs.destinations}
    problems: list[Diagnostic] = []
    selected: set[Address] = set()
    for selector in selectors:
        matched = match_selector(selector, known)
        destinations = {Address(DESTINATION, address.key) for address in matched} & declared
        selected |= destinations
        if not matched:
            problems.append(_explain_unknown_target(selector, known))
        elif not destinations:
            problems.append(_explain_untestable(selector, matched, specs))
    if problems:
        raise ReconcilerError(problems)
    return tuple(map(str, sorted(selected)))


def _explain_untestable(selector: str, matched: Collection[Address], specs: Specs) -> Diagnostic:
    keys = {address.key for address in matched}
    span = next((group.span for group in specs.groups if group.address.key in keys), None)
    return Diagnostic(
        "nothing-to-test",
        f"no destination is declared by the entry that `{selector}` names"
        if len(keys) == 1
        else f"no destination is declared by the {len(keys):,} entries that `{selector}` names",
        span=span,
        help="name an entry with a `destination:`; `reconciler test` without an address tests all of them",
    )


def add_groups(selected: Collection[Address], addresses: Collection[Address]) -> set[Address]:
    """Add its group to each selected destination, as far as `addresses` has that group."""
    groups = {Address(GROUP, address.key) for address in selected if address.kind == DESTINATION}
    return ({*selected} | groups) & {*addresses}


def _match_all(selectors: Iterable[str], addresses: Collection[Address]) -> Iterator[Address]:
    for selector in selectors:
        yield from match_selector(selector, addresses)


def match_selector(selector: str, addresses: Collection[Address]) -> list[Address]:
    """List the addresses that a selector names."""
    return [
        address
        for address in addresses
        if fnmatchcase(str(address), selector) or fnmatchcase(address.key, selector)
    ]


def _explain_unknown_target(selector: str, addresses: Collection[Address]) -> Diagnostic:
    known = {*map(str, addresses), *(address.key for address in addresses)}
    return Diagnostic(
        "unknown-target",
        f"no entry of the specs is named by `{selector}`",
        help=did_you_mean(selector, known) or "name an address such as `destination.finance_prod`, or a key",
    )


def _explain_nothing_selected(targets: Collection[str], excludes: Collection[str]) -> Diagnostic:
    given = _format_options("--exclude", excludes)
    verb = "excludes" if len(excludes) == 1 else "exclude"
    whole = (
        f"all that `{_format_options('--target', targets)}` selects"
        if targets
        else "every entry of the specs"
    )
    return Diagnostic(
        "nothing-selected",
        f"`{given}` {verb} {whole}, so no entry is left",
        help="exclude fewer entries, or leave `--exclude` out",
    )


def _format_options(name: str, selectors: Iterable[str]) -> str:
    """Format options as a user types them in a shell."""
    return shlex.join(word for selector in selectors for word in (name, selector))


def select_secrets(
    patterns: Iterable[str], entries: Iterable[Desired]
) -> frozenset[tuple[Address, FieldPath]]:
    """Select the declared secrets that globs of `--resend-secret` match, as `destination.orders:config.secret_key`.

    A glob that matches an address or a key selects all its secrets. Raises `ReconcilerError` for globs that match no
    secret.
    """
    secrets = {f"{address}:{format_path(path)}": (address, path) for address, path in _list_secrets(entries)}
    selected: set[tuple[Address, FieldPath]] = set()
    findings: list[Diagnostic] = []
    for pattern in patterns:
        matched = {location for name, location in secrets.items() if _is_match(pattern, name)}
        selected |= matched
        if not matched:
            findings.append(_explain_no_match(pattern, [*secrets]))
    if findings:
        raise ReconcilerError(findings)
    return frozenset(selected)


def _list_secrets(entries: Iterable[Desired]) -> Iterator[tuple[Address, FieldPath]]:
    """Yield the secrets that can be resent, hidden literals too: without a live value they cannot always be compared.

    A secret that Fivetran fetches from a secrets manager is never sent, so it cannot be resent.
    """
    for desired in entries:
        masking = Masking(desired.address.kind, desired.fields.get(SERVICE), desired.unchecked)
        for path, value in desired.fields.items():
            is_candidate = is_secret(value) or (value is not None and masking.get_reason(path) is not None)
            if is_candidate and not is_external_secret(value):
                yield desired.address, path


def list_uncomparable_secrets(operations: Iterable[PlannedOperation]) -> Iterator[str]:
    """List the secrets that cannot be compared and are not sent, by the names that `--resend-secret` takes."""
    for operation in operations:
        for path in operation.change.secrets.uncomparable:
            if path not in operation.values and is_resolved_locally(operation.desired, path):
                yield f"{operation.change.address}:{format_path(path)}"


def _is_match(pattern: str, name: str) -> bool:
    """Return whether a pattern matches a secret by its name, its address, or its entry: a key stands for the group with
    its destination."""
    address, _, field = name.partition(":")
    key = address.partition(".")[2]
    names = (name, address, key, f"{key}:{field}", f"{address}.{field}", f"{key}.{field}")
    return any(fnmatchcase(candidate, pattern) for candidate in names)


def _explain_no_match(pattern: str, names: list[str]) -> Diagnostic:
    addresses = [*dict.fromkeys(name.partition(":")[0] for name in names)]
    keys = [address.partition(".")[2] for address in addresses]
    suggestion = did_you_mean(pattern, [*names, *addresses, *keys])
    return Diagnostic(
        "nothing-to-resend",
        f"`--resend-secret {pattern}` matches no secret of the specs",
        notes=(f"the first secret is `{names[0]}`" if names else "the specs refer to no secret",),
        help=suggestion or "write a key, an address, or `ADDRESS:FIELD`; `*` stands for any text",
    )


def select_creates(selectors: Iterable[str], held: Collection[Address]) -> frozenset[Address]:
    """Select the held creates that `--resend-create` names by address, by key or by a glob of either.

    Raises `ReconcilerError` for selectors that match no `held` create: the operator has confirmed the loss of some
    other request.
    """
    selected: set[Address] = set()
    findings: list[Diagnostic] = []
    for selector in selectors:
        matched = match_selector(selector, held)
        selected |= {*matched}
        if not matched:
            findings.append(_explain_no_held_create(selector, held))
    if findings:
        raise ReconcilerError(findings)
    return frozenset(selected)


def _explain_no_held_create(selector: str, held: Collection[Address]) -> Diagnostic:
    waiting = ", ".join(f"`{address}`" for address in sorted(held))
    return Diagnostic(
        "nothing-unsettled",
        f"`--resend-create {selector}` names no create that waits for an earlier request",
        notes=(f"the waiting creates are {waiting}" if waiting else "no create waits",),
        help=did_you_mean(selector, [*map(str, held), *(address.key for address in held)])
        or "leave the option out: `reconciler plan` shows all waiting creates",
    )
