"""Which secrets `--resend-secret` means, and which creates `--resend-create`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase

from reconciler.engine.confidential import confidential, external
from reconciler.engine.scope import match_selector
from reconciler.kinds.destination import SERVICE
from reconciler.kinds.visibility import Masking
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.nearest import did_you_mean
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath, dotted


def chosen_secrets(
    patterns: Iterable[str], entries: Iterable[Desired]
) -> frozenset[tuple[Address, FieldPath]]:
    """The declared secrets that globs mean: `destination.orders:config.secret_key`, or an address for all of its own.

    Raises `ReconcilerError` for globs that mean none, since an answer about nothing would look like a good one.
    """
    secrets = {f"{address}:{dotted(path)}": (address, path) for address, path in _secrets(entries)}
    chosen: set[tuple[Address, FieldPath]] = set()
    findings: list[Diagnostic] = []
    for pattern in patterns:
        meant = {each for name, each in secrets.items() if _means(pattern, name)}
        chosen |= meant
        if not meant:
            findings.append(_nothing(pattern, [*secrets]))
    if findings:
        raise ReconcilerError(findings)
    return frozenset(chosen)


def _secrets(entries: Iterable[Desired]) -> Iterator[tuple[Address, FieldPath]]:
    """Also literals that are hidden: where no answer shows them, they cannot always be compared either. What Fivetran
    fetches by itself from a secrets manager is not sent by anybody."""
    for desired in entries:
        masking = Masking(desired.address.kind, desired.fields.get(SERVICE), desired.unchecked)
        for path, value in desired.fields.items():
            is_secret = confidential(value) or (value is not None and masking.reason(path) is not None)
            if is_secret and not external(value):
                yield desired.address, path


def _means(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name.partition(":")[0], pattern)


def _nothing(pattern: str, names: list[str]) -> Diagnostic:
    near = did_you_mean(pattern, [*names, *dict.fromkeys(name.partition(":")[0] for name in names)])
    return Diagnostic(
        "nothing-to-resend",
        f"`--resend-secret {pattern}` matches no secret of the specs",
        notes=(f"the first of them is `{names[0]}`" if names else "the specs refer to none",),
        help=near or "write an address, or `ADDRESS:FIELD`; `*` stands for anything",
    )


def chosen_creates(selectors: Iterable[str], held: Collection[Address]) -> frozenset[Address]:
    """The creates that wait and are to be made all the same: addresses, keys, or globs of these.

    Raises `ReconcilerError` for selectors that mean none of the `held` ones: who sends a create again has looked, and
    looked at something else.
    """
    chosen: set[Address] = set()
    findings: list[Diagnostic] = []
    for selector in selectors:
        meant = match_selector(selector, held)
        chosen |= {*meant}
        if not meant:
            findings.append(_nothing_held(selector, held))
    if findings:
        raise ReconcilerError(findings)
    return frozenset(chosen)


def _nothing_held(selector: str, held: Collection[Address]) -> Diagnostic:
    waiting = ", ".join(f"`{address}`" for address in sorted(held))
    return Diagnostic(
        "nothing-unsettled",
        f"`--resend-create {selector}` names no create that waits for an earlier request",
        notes=(f"waiting is {waiting}" if waiting else "none waits",),
        help=did_you_mean(selector, [*map(str, held), *(each.key for each in held)])
        or "leave it out: `reconciler plan` shows what waits and until when",
    )
