"""Pairing spec entries with live groups: by `id:`, else by exact name. Never by guessing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.nearest import nearest
from reconciler.model.resource import Desired, Observed


def bind_groups(desired: Iterable[Desired], live: Mapping[str, Observed]) -> dict[str, str]:
    """Key of each entry that exists → id of its live group.

    An entry without a live group is absent from the result: it is to be created. Raises
    `ReconcilerError` for an `id:` that names nothing, and for a name that two live groups have.
    """
    entries = list(desired)
    bound = {entry.address.key: entry.id for entry in entries if entry.id in live and entry.id is not None}
    problems = [
        _unknown_id(entry, live) for entry in entries if entry.id is not None and entry.id not in live
    ]
    claimed = set(bound.values())
    by_name: dict[str, list[Observed]] = defaultdict(list)
    for group in live.values():
        if group.id not in claimed:
            by_name[group.name].append(group)
    for entry in entries:
        if entry.id is not None:
            continue
        match by_name.get(entry.name, []):
            case []:
                pass
            case [only]:
                bound[entry.address.key] = only.id
            case several:
                problems.append(_ambiguous(entry, several))
    if problems:
        raise ReconcilerError(problems)
    return bound


def _unknown_id(entry: Desired, live: Mapping[str, Observed]) -> Diagnostic:
    near = nearest(entry.id or "", live)
    return Diagnostic(
        "unknown-id",
        f"no group of this account has the id `{entry.id}`",
        span=entry.id_span or entry.span,
        address=entry.address,
        notes=("a group that was deleted at Fivetran never comes back under its old id",),
        help=f"did you mean `{near}`?"
        if near
        else "correct the `id:`, or remove it to find the group by its name or create it",
    )


def _ambiguous(entry: Desired, several: list[Observed]) -> Diagnostic:
    ids = ", ".join(f"`{group.id}`" for group in sorted(several, key=lambda group: group.id))
    return Diagnostic(
        "ambiguous-name",
        f"{len(several)} groups of this account have the name `{entry.name}`",
        span=entry.span,
        address=entry.address,
        notes=(f"their ids are {ids}",),
        help="say which one is meant with `id:`",
    )
