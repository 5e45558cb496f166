"""Find exposed secrets: references that one entry declares secret and another entry shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from reconciler.model.diagnostic import Diagnostic
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath, Reference, find_references


def find_exposed_secrets(destinations: Iterable[Desired], key: Reference | None) -> Iterator[Diagnostic]:
    """Find `{value: …}` references to secrets of other entries, and references to the fingerprint `key`."""
    references = list(_list_references(destinations))
    secret_parts: dict[tuple[str, str], set[str]] = {}
    for _, _, reference in references:
        if reference.confidential:
            secret_parts.setdefault((reference.scheme, reference.locator), set()).add(reference.part)
    for desired, path, reference in references:
        if key is not None and _is_key_reference(reference, key):
            yield _explain_key_reference(desired, path)
        elif not reference.confidential and _is_exposing(
            reference, secret_parts.get((reference.scheme, reference.locator), ())
        ):
            yield _explain_exposed(desired, path, reference)


def _list_references(destinations: Iterable[Desired]) -> Iterator[tuple[Desired, FieldPath, Reference]]:
    for desired in destinations:
        for path, value in desired.fields.items():
            for reference in find_references(value):
                if reference.scheme:
                    yield desired, path, reference


def _is_key_reference(reference: Reference, key: Reference) -> bool:
    """Return whether a reference names the key, a part of it, or a document that contains it."""
    same = (reference.scheme, reference.locator) == (key.scheme, key.locator)
    return same and (reference.part == key.part or not reference.part or not key.part)


def _is_exposing(reference: Reference, secret_parts: Collection[str]) -> bool:
    """Return whether a reference names one of the secrets of its place, or the document that contains them.

    A part of a secret document may be shown, such as the project in a service account's key.
    """
    return bool(secret_parts) and (not reference.part or reference.part in secret_parts)


def _explain_key_reference(desired: Desired, path: FieldPath) -> Diagnostic:
    return Diagnostic(
        "reference-not-allowed",
        "this is the key of the fingerprints, which no spec may refer to",
        desired.spans.get(path),
        address=desired.address,
        help="refer to another value; with that key, a reader of the state can check guesses of secrets",
    )


def _explain_exposed(desired: Desired, path: FieldPath, reference: Reference) -> Diagnostic:
    return Diagnostic(
        "secret-shown",
        f"`{reference}` is a secret elsewhere, and `value` would show it in every plan",
        desired.spans.get(path),
        address=desired.address,
        help="write `secret` instead of `value`, or refer to a value that is no secret",
    )
