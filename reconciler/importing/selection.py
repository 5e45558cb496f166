"""Select the live groups of an import."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from reconciler.importing.existing import Claims
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.resource import Observed
from reconciler.model.sanitize import escape
from reconciler.model.suggestions import did_you_mean


@dataclass(frozen=True, slots=True)
class Selection:
    """Selected groups by id. `declared` are groups that have an entry already; `problems` are about selectors."""

    ids: tuple[str, ...]
    declared: tuple[str, ...] = ()
    problems: tuple[Diagnostic, ...] = ()


def select_groups(
    groups: Mapping[str, Observed],
    selectors: Collection[str],
    claims: Claims,
    account: Mapping[str, Observed] | None = None,
) -> Selection:
    """Select groups by name, id or glob; without a selector every group without an entry and without a removal that
    no other project has.

    `account` are all groups of the account if `groups` are only those of a Terraform state.
    """
    matches = {selector: _match(selector, groups) for selector in selectors}
    problems = tuple(
        _explain_no_match(selector, groups, account or groups)
        for selector, found in matches.items()
        if not found
    )
    unclaimed = groups.keys() - claims.removed.keys() - claims.owned.keys()
    named = {id for found in matches.values() for id in found} if selectors else unclaimed
    ordered = sorted(named, key=lambda id: (groups[id].name.casefold(), id))
    return Selection(
        tuple(id for id in ordered if id not in claims.declared),
        tuple(id for id in ordered if id in claims.declared),
        problems,
    )


def _match(selector: str, groups: Mapping[str, Observed]) -> list[str]:
    """List the ids of the groups that a selector names. An exact name or id counts before a glob."""
    exact = [group.id for group in groups.values() if selector in {group.id, group.name}]
    return exact or [
        group.id
        for group in groups.values()
        if fnmatchcase(group.name, selector) or fnmatchcase(group.id, selector)
    ]


def _explain_no_match(
    selector: str, groups: Mapping[str, Observed], account: Mapping[str, Observed]
) -> Diagnostic:
    found = _match(selector, account)
    return _explain_not_in_state(selector, len(found)) if found else _explain_unknown_group(selector, groups)


def _explain_not_in_state(selector: str, count: int) -> Diagnostic:
    groups = "the group is" if count == 1 else f"{count} groups are"
    return Diagnostic(
        "unknown-group",
        f"no group of the Terraform state is named by `{escape(selector)}`; {groups} in the account only",
        help="import it without `--from-terraform`",
    )


def _explain_unknown_group(selector: str, groups: Mapping[str, Observed]) -> Diagnostic:
    known = [*(group.name for group in groups.values()), *groups]
    return Diagnostic(
        "unknown-group",
        f"no group of this account is named by `{escape(selector)}`",
        help=did_you_mean(selector, known)
        or "name a group by its name, its id or a glob; `reconciler drift` lists groups without an entry",
    )
