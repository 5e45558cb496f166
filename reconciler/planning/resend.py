"""Which secrets `--resend-secret` means, and which creates `--resend-create`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase

from reconciler.kinds.destination import SERVICE
from reconciler.kinds.visibility import Masking
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.resource import Desired
from reconciler.model.suggestions import did_you_mean
from reconciler.model.value import FieldPath, format_path, is_external_secret, is_secret
from reconciler.planning.targets import match_selector


def select_secrets(
    patterns: Iterable[str], entries: Iterable[Desired]
) -> frozenset[tuple[Address, FieldPath]]:
    """The declared secrets that globs mean: `destination.orders:config.secret_key`, or an address for all of its own.

    Raises `ReconcilerError` for globs that mean none, since an answer about nothing would look like a good one.
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
    """Also literals that are hidden: where no answer shows them, they cannot always be compared either. What Fivetran
    fetches by itself from a secrets manager is not sent by anybody."""
    for desired in entries:
        masking = Masking(desired.address.kind, desired.fields.get(SERVICE), desired.unchecked)
        for path, value in desired.fields.items():
            is_candidate = is_secret(value) or (value is not None and masking.get_reason(path) is not None)
            if is_candidate and not is_external_secret(value):
                yield desired.address, path


def _is_match(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name.partition(":")[0], pattern)


def _explain_no_match(pattern: str, names: list[str]) -> Diagnostic:
    suggestion = did_you_mean(pattern, [*names, *dict.fromkeys(name.partition(":")[0] for name in names)])
    return Diagnostic(
        "nothing-to-resend",
        f"`--resend-secret {pattern}` matches no secret of the specs",
        notes=(f"the first of them is `{names[0]}`" if names else "the specs refer to none",),
        help=suggestion or "write an address, or `ADDRESS:FIELD`; `*` stands for anything",
    )


def select_creates(selectors: Iterable[str], held: Collection[Address]) -> frozenset[Address]:
    """The creates that wait and are to be made all the same: addresses, keys, or globs of these.

    Raises `ReconcilerError` for selectors that mean none of the `held` ones: who sends a create again has looked, and
    looked at something else.
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
        notes=(f"waiting is {waiting}" if waiting else "none waits",),
        help=did_you_mean(selector, [*map(str, held), *(each.key for each in held)])
        or "leave it out: `reconciler plan` shows what waits and until when",
    )
