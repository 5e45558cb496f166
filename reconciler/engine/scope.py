"""Which addresses a plan is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase

from reconciler.model.address import DESTINATION, GROUP, Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.nearest import did_you_mean


def selected(
    addresses: Collection[Address], targets: Collection[str], excludes: Collection[str]
) -> frozenset[Address]:
    """The addresses that targets name, without those that excludes name; all where there is no target.

    A selector is an address or a key, with `*` for any text. A destination brings its group along, and an
    excluded group takes its destination with it. Raises `ReconcilerError` for a selector that names nothing, and for
    selectors that leave nothing: a filter with a slip in it must not look like "no changes".
    """
    problems = [
        _names_nothing(each, addresses)
        for each in (*targets, *excludes)
        if not match_selector(each, addresses)
    ]
    if problems:
        raise ReconcilerError(problems)
    wanted = set(_all_named(targets, addresses)) if targets else set(addresses)
    wanted = with_groups(wanted, addresses)
    unwanted = set(_all_named(excludes, addresses))
    unwanted |= {Address(DESTINATION, each.key) for each in unwanted if each.kind == GROUP}
    if excludes and wanted <= unwanted:
        raise ReconcilerError([_nothing_left(bool(targets))])
    return frozenset(wanted - unwanted)


def with_groups(wanted: Collection[Address], addresses: Collection[Address]) -> set[Address]:
    """Those of `addresses` that are wanted, each destination with its group."""
    brought = {Address(GROUP, each.key) for each in wanted if each.kind == DESTINATION}
    return ({*wanted} | brought) & {*addresses}


def _all_named(selectors: Iterable[str], addresses: Collection[Address]) -> Iterator[Address]:
    for selector in selectors:
        yield from match_selector(selector, addresses)


def match_selector(selector: str, addresses: Collection[Address]) -> list[Address]:
    """The addresses that a selector names."""
    return [each for each in addresses if fnmatchcase(str(each), selector) or fnmatchcase(each.key, selector)]


def _names_nothing(selector: str, addresses: Collection[Address]) -> Diagnostic:
    known = {*map(str, addresses), *(each.key for each in addresses)}
    return Diagnostic(
        "unknown-target",
        f"no entry of the specs is named by `{selector}`",
        help=did_you_mean(selector, known) or "name an address such as `destination.finance_prod`, or a key",
    )


def _nothing_left(is_targeted: bool) -> Diagnostic:
    whole = "all that `--target` names" if is_targeted else "every entry of the specs"
    return Diagnostic(
        "nothing-selected",
        f"`--exclude` takes away {whole}, so nothing is left to look at",
        help="leave an entry to look at, or leave `--exclude` out",
    )
