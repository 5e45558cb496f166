"""Which addresses a plan is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.suggestions import did_you_mean


def select_addresses(
    addresses: Collection[Address], targets: Collection[str], excludes: Collection[str]
) -> frozenset[Address]:
    """The addresses that targets name, without those that excludes name; all where there is no target.

    A selector is an address or a key, with `*` for any text. A destination brings its group along, and an
    excluded group takes its destination with it. Raises `ReconcilerError` for a selector that names nothing, and for
    selectors that leave nothing: a filter with a slip in it must not look like "no changes".
    """
    problems = [
        _explain_unknown_target(each, addresses)
        for each in (*targets, *excludes)
        if not match_selector(each, addresses)
    ]
    if problems:
        raise ReconcilerError(problems)
    included = set(_match_all(targets, addresses)) if targets else set(addresses)
    included = add_groups(included, addresses)
    excluded = set(_match_all(excludes, addresses))
    excluded |= {Address(DESTINATION, each.key) for each in excluded if each.kind == GROUP}
    if excludes and included <= excluded:
        raise ReconcilerError([_explain_nothing_selected(bool(targets))])
    return frozenset(included - excluded)


def add_groups(selected: Collection[Address], addresses: Collection[Address]) -> set[Address]:
    """Those of `addresses` that are wanted, each destination with its group."""
    groups = {Address(GROUP, address.key) for address in selected if address.kind == DESTINATION}
    return ({*selected} | groups) & {*addresses}


def _match_all(selectors: Iterable[str], addresses: Collection[Address]) -> Iterator[Address]:
    for selector in selectors:
        yield from match_selector(selector, addresses)


def match_selector(selector: str, addresses: Collection[Address]) -> list[Address]:
    """The addresses that a selector names."""
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


def _explain_nothing_selected(is_targeted: bool) -> Diagnostic:
    whole = "all that `--target` names" if is_targeted else "every entry of the specs"
    return Diagnostic(
        "nothing-selected",
        f"`--exclude` takes away {whole}, so nothing is left to look at",
        help="leave an entry to look at, or leave `--exclude` out",
    )
