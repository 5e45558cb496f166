"""Which secrets `--resend-secret` means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from reconciler.engine.confidential import confidential, external
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
