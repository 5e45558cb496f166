"""Stores that other packages bring: entry points of the group `reconciler.secrets`.

The name of an entry point is the scheme of its references. It names a factory that is called with
`Surroundings` and returns a `Resolver`. None is loaded before a reference needs it.
"""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, entry_points

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.value import Reference
from reconciler.secrets.base import Resolver, SecretUnavailable, Surroundings

GROUP = "reconciler.secrets"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def installed() -> dict[str, tuple[EntryPoint, ...]]:
    """The entry points by scheme; more than one where packages are at odds. Loads nothing."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for each in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        if _SCHEME.fullmatch(each.name):
            found[each.name] = (*found.get(each.name, ()), each)
    return found


def open_store(offered: tuple[EntryPoint, ...], surroundings: Surroundings) -> Resolver:
    """The store that a package offers. Raises ReconcilerError where it cannot be used.

    The text of what a package raises is never told, since it may hold a secret.
    """
    point = offered[0]
    if len(offered) > 1:
        raise broken(
            point, "more than one package offers it: " + ", ".join(_package(each) for each in offered)
        )
    try:
        store = point.load()(surroundings)
    except ModuleNotFoundError as error:
        raise broken(point, f"the module `{error.name}` is missing") from None
    except Exception as error:
        raise broken(point, f"opening it ends with {type(error).__name__}") from None
    if not callable(getattr(store, "resolve", None)):
        raise broken(point, "what it makes cannot `resolve` references")
    return _Guarded(store)


class _Guarded:
    """A store of somebody else, held to the contract of a Resolver."""

    def __init__(self, store: Resolver) -> None:
        self._store = store

    def resolve(self, reference: Reference) -> str:
        """The clear value. Raises SecretUnavailable, whatever the store raises or returns."""
        try:
            value = self._store.resolve(reference)
        except SecretUnavailable as unavailable:
            raise SecretUnavailable(reference, unavailable.reason) from None
        except Exception as error:
            raise SecretUnavailable(reference, f"its store ended with {type(error).__name__}") from None
        if not isinstance(value, str):
            raise SecretUnavailable(reference, "its store gave something other than text")
        return value


def broken(point: EntryPoint, reason: str) -> ReconcilerError:
    """The error for a store that is offered, but cannot be used."""
    return ReconcilerError(
        [
            Diagnostic(
                "broken-secret-store",
                f"the secret store `{point.name}` cannot be used: {reason}",
                notes=(f"it is offered by the package {_package(point)} as `{point.value}`",),
                help="update or uninstall that package",
            )
        ]
    )


def _package(point: EntryPoint) -> str:
    return f"`{point.dist.name}`" if point.dist else "of unknown name"
