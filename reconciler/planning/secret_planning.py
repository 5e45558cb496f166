"""Choose the secrets that an update sends, compare secrets by fingerprints, and fingerprint them for the record.

Answers of the API show no secret, so the record of the last apply is the only side to compare a secret with.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.kinds.base import Kind
from reconciler.model.address import Address
from reconciler.model.plan import SecretComparison
from reconciler.model.record import HIDDEN_LITERAL, NO_FINGERPRINT, Record, strip_assertion
from reconciler.model.record_transitions import tracks_secrets, update_secret_fingerprints
from reconciler.model.resource import Desired
from reconciler.model.value import FieldPath, Fields, Secret, UnresolvedSecret, is_secret
from reconciler.planning.diff import Comparison
from reconciler.planning.fields import find_dependent_secrets, is_resolved_locally
from reconciler.planning.resolving import FieldResolver
from reconciler.secrets.fingerprint import Fingerprinter


@dataclass(frozen=True, slots=True)
class SentSecrets:
    """Secrets that an update sends: their `values`, the `rotated` secrets, and the secrets `resent` by an option."""

    values: Fields
    rotated: frozenset[FieldPath]
    resent: frozenset[FieldPath]


@dataclass(frozen=True, slots=True)
class SecretPlanner:
    """Planner of the secrets of one resource after the other.

    `fingerprinter` is None without a key. `resend` are secrets that are sent even if their fingerprints match.
    """

    resolver: FieldResolver
    fingerprinter: Fingerprinter | None
    compares_secrets: bool
    resend: Collection[tuple[Address, FieldPath]]

    def resolve_sent(
        self,
        kind: Kind,
        desired: Desired,
        service: str | None,
        comparison: Comparison,
        record: Record | None,
    ) -> SentSecrets:
        """Resolve the secrets that an update sends.

        Four reasons send a secret: a field that it depends on changes, its value rotated, no apply has sent it for
        certain, or the user asks for it. Each reason resolves only its own secrets.
        """
        dependents = find_dependent_secrets(kind, service, desired.fields, comparison)
        rotated = self._find_rotated(kind, desired, service, record.fingerprints if record else {})
        rotated |= self.resolver.resolve_fields(
            kind, desired, self._find_newly_declared(desired, record), service
        )
        resent = [
            path
            for path in desired.fields
            if (desired.address, path) in self.resend and path not in comparison.changed
        ]
        others = self.resolver.resolve_fields(kind, desired, dict.fromkeys([*dependents, *resent]), service)
        return SentSecrets(others | rotated, frozenset(rotated), frozenset(resent))

    def list_certain(self, desired: Desired, record: Record | None) -> list[FieldPath]:
        """List the secrets that `resolve_sent` resolves whatever the comparison finds."""
        return [
            *self._list_comparable(desired, record.fingerprints if record else {}),
            *self._find_newly_declared(desired, record),
            *(path for path in desired.fields if (desired.address, path) in self.resend),
        ]

    def fingerprint_secrets(
        self, desired: Desired, values: Fields, record: Record | None
    ) -> dict[FieldPath, str]:
        """Compute the fingerprints of all declared secrets: stored ones that stay, and new ones of sent secrets."""
        return update_secret_fingerprints(
            record,
            secrets=[path for path, value in desired.fields.items() if is_secret(value)],
            resolved_here=[path for path in desired.fields if is_resolved_locally(desired, path)],
            sent={
                path: self._fingerprint(desired, path, value)
                for path, value in values.items()
                if isinstance(value, Secret)
            },
        )

    def fingerprint_literal(
        self, desired: Desired, path: FieldPath, literal: Secret, stored: str | None, *, is_sent: bool
    ) -> str | None:
        """Compute the fingerprint of a hidden literal; None without a key.

        A matching stored fingerprint stays: after a move it still belongs to the former address. The mark of an
        asserted literal stays too, unless the literal is sent now.
        """
        if self.fingerprinter is None:
            return None
        if (
            stored is not None
            and self.fingerprinter.is_own(stored)
            and self.fingerprinter.matches(stored, literal)
        ):
            return strip_assertion(stored) if is_sent else stored
        return self._fingerprint(desired, path, literal)

    def _find_rotated(
        self, kind: Kind, desired: Desired, service: str | None, stored: Mapping[FieldPath, str]
    ) -> dict[FieldPath, Any]:
        """Find the secrets whose value is not the last sent value. A secret that cannot be compared is not resolved."""
        fingerprinter = self.fingerprinter
        if fingerprinter is None:
            return {}
        paths = self._list_comparable(desired, stored)
        secrets = self.resolver.resolve_fields(kind, desired, paths, service)
        return {
            path: secret
            for path, secret in secrets.items()
            if secret is not None and not fingerprinter.matches(stored[path], secret)
        }

    def _list_comparable(self, desired: Desired, stored: Mapping[FieldPath, str]) -> list[FieldPath]:
        return [
            path
            for path in stored
            if self.can_compare(path, stored)
            and is_secret(desired.fields.get(path))
            and path not in desired.ignore_changes
        ]

    def _find_newly_declared(self, desired: Desired, record: Record | None) -> list[FieldPath]:
        """Find the declared secrets that no apply has sent for certain.

        These are secrets that the record does not have, or has as a literal, and secrets of an interrupted call.
        """
        if record is None or not tracks_secrets(record) or not self.compares_secrets:
            return []
        return [
            path
            for path in desired.fields
            if is_resolved_locally(desired, path)
            and record.fingerprints.get(path, HIDDEN_LITERAL) == HIDDEN_LITERAL
            and path not in desired.ignore_changes
        ]

    def classify(
        self,
        desired: Desired,
        comparison: Comparison,
        secrets: SentSecrets,
        stored: Mapping[FieldPath, str],
    ) -> SecretComparison:
        """Classify each declared secret, sent or not, and each resent literal. Ignored fields are left out."""
        checked = [
            path
            for path, value in desired.fields.items()
            if (is_secret(value) or path in secrets.resent) and path not in desired.ignore_changes
        ]
        changed = [path for path in checked if path in secrets.rotated or path in comparison.changed]
        # The record has the name of a key in a secrets manager in clear, so it is compared like any other field.
        compared = [
            path for path in checked if self.can_compare(path, stored) or path not in comparison.uncomparable
        ]
        return SecretComparison(
            changed=tuple(changed),
            unchanged=tuple(path for path in compared if path not in changed),
            uncomparable=tuple(path for path in checked if path not in {*changed, *compared}),
        )

    def can_compare(self, path: FieldPath, stored: Mapping[FieldPath, str]) -> bool:
        """Return whether the last sent value of a secret can be compared with the present value."""
        if path not in stored or self.fingerprinter is None:
            return False
        return self.compares_secrets and self.fingerprinter.is_own(stored[path])

    def _fingerprint(self, desired: Desired, path: FieldPath, secret: Secret) -> str:
        """Compute the fingerprint of a sent secret; empty without a key, and for a secret that this run may not read.

        Such a secret does not keep its former fingerprint, which may belong to another value.
        """
        if self.fingerprinter is None or isinstance(secret, UnresolvedSecret):
            return NO_FINGERPRINT
        return self.fingerprinter.fingerprint_field(desired.address, path, secret)
