"""The key that plans are signed with: from the environment or a file, and never shown."""

from __future__ import annotations

from reconciler.engine.planfile import Sign
from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.value import Reference, Secret
from reconciler.operations.settings import Settings
from reconciler.secrets import env
from reconciler.secrets.base import Registry, SecretUnavailable, without_own
from reconciler.secrets.env import Environment
from reconciler.secrets.file import Files
from reconciler.secrets.fingerprint import SHORTEST_KEY, ShortKeyError, signer


def plan_signer(settings: Settings, text: str) -> Sign:
    """What signs plans with the key at `env:NAME` or `file:PATH`. Raises `ReconcilerError` where there is none."""
    scheme, _, locator = text.partition(":")
    reference = Reference(scheme, locator)
    flaw = env.flaw(reference) if scheme == "env" and locator else None
    if scheme not in {"env", "file"} or not locator or flaw is not None:
        raise _unusable(text if scheme in {"env", "file"} else "the value given", flaw[0] if flaw else "")
    registry = Registry(
        {"env": Environment(without_own(settings.environ)), "file": Files(settings.directory)}
    )
    try:
        key: Secret = registry.resolve(reference)
    except SecretUnavailable as problem:
        raise _unusable(text, problem.reason) from None
    try:
        return signer(key)
    except ShortKeyError:
        raise _unusable(text, f"it has less than {SHORTEST_KEY} characters") from None


def _unusable(text: str, reason: str) -> ReconcilerError:
    why = f": {reason}" if reason else " is no reference"
    return ReconcilerError(
        [
            Diagnostic(
                "signature-key-unusable",
                f"the key for signatures cannot be had, `{text}`{why}",
                help=f"write `env:NAME` or `file:PATH`, where there is a key of {SHORTEST_KEY} characters or more",
            )
        ]
    )
