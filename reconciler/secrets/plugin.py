"""Open secret stores of other packages: entry points of the group `reconciler.secrets`.

The name of an entry point is the scheme of its references. The entry point names a factory, which gets a
`StoreContext` and returns a `Resolver`. A package is loaded only if a reference needs its store.
"""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.value import Reference
from reconciler.runtime.entry_points import index_entry_points
from reconciler.secrets.base import Resolver, SecretUnavailable, StoreContext

ENTRY_POINT_GROUP = "reconciler.secrets"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def entry_points_by_name() -> dict[str, tuple[EntryPoint, ...]]:
    """List the entry points by scheme. A scheme has several entry points if packages conflict. Loads no package."""
    return index_entry_points(ENTRY_POINT_GROUP, _SCHEME)


def open_store(candidates: tuple[EntryPoint, ...], context: StoreContext) -> Resolver:
    """Open the store of a package. Raises ReconcilerError if the store cannot be used.

    Texts of errors that a package raises are never shown, since they may hold a secret.
    """
    entry_point = candidates[0]
    if len(candidates) > 1:
        raise plugin_error(
            entry_point,
            "more than one package offers it: "
            + ", ".join(_format_package(candidate) for candidate in candidates),
        )
    try:
        store = entry_point.load()(context)
    except ModuleNotFoundError as error:
        raise plugin_error(entry_point, f"the module `{error.name}` is missing") from None
    except Exception as error:
        raise plugin_error(entry_point, f"opening it ends with {type(error).__name__}") from None
    if not callable(getattr(store, "resolve", None)):
        raise plugin_error(entry_point, "its store cannot `resolve` references")
    return _CheckedResolver(store)


class _CheckedResolver:
    """Resolver that checks the results of a store of another package."""

    def __init__(self, store: Resolver) -> None:
        self._store = store

    def resolve(self, reference: Reference) -> str:
        """Resolve a reference. Raises SecretUnavailable for any error or invalid value of the store."""
        try:
            value = self._store.resolve(reference)
        except SecretUnavailable as unavailable:
            raise SecretUnavailable(reference, unavailable.reason) from None
        except Exception as error:
            raise SecretUnavailable(reference, f"its store ended with {type(error).__name__}") from None
        if not isinstance(value, str):
            raise SecretUnavailable(reference, "its store returned something other than text")
        return value


def plugin_error(entry_point: EntryPoint, reason: str) -> ReconcilerError:
    """Build the error of a store that cannot be used."""
    return ReconcilerError(
        [
            Diagnostic(
                "broken-secret-store",
                f"the secret store `{entry_point.name}` cannot be used: {reason}",
                notes=(
                    f"it is offered by the package {_format_package(entry_point)} as `{entry_point.value}`",
                ),
                help="update or uninstall that package",
            )
        ]
    )


def _format_package(entry_point: EntryPoint) -> str:
    return f"`{entry_point.dist.name}`" if entry_point.dist else "of unknown name"
