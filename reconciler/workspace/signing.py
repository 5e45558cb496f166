"""Load the signing key of plans from the environment or a file. The key is never shown."""

from __future__ import annotations

from reconciler.model.diagnostic import Diagnostic, ReconcilerError
from reconciler.model.signature import Sign
from reconciler.model.value import Reference, Secret
from reconciler.secrets import env
from reconciler.secrets.base import Registry, SecretUnavailable, strip_own_variables
from reconciler.secrets.env import Environment
from reconciler.secrets.file import Files
from reconciler.secrets.fingerprint import MIN_KEY_BYTES, ShortKeyError, make_signer
from reconciler.workspace.settings import Settings


def load_signer(settings: Settings, text: str) -> Sign:
    """Load a signer of plans with the key at `env:NAME` or `file:PATH`.

    Raises ReconcilerError if there is no key.
    """
    scheme, _, locator = text.partition(":")
    reference = Reference(scheme, locator)
    finding = env.validate_reference(reference) if scheme == "env" and locator else None
    if scheme not in {"env", "file"} or not locator or finding is not None:
        raise _build_key_error(
            text if scheme in {"env", "file"} else "the value given", finding[0] if finding else ""
        )
    registry = Registry(
        {"env": Environment(strip_own_variables(settings.environ)), "file": Files(settings.directory)},
        redactor=settings.redactor,
    )
    try:
        key: Secret = registry.resolve(reference)
    except SecretUnavailable as problem:
        raise _build_key_error(text, problem.reason) from None
    try:
        return make_signer(key)
    except ShortKeyError:
        raise _build_key_error(text, f"it has less than {MIN_KEY_BYTES} characters") from None


def _build_key_error(text: str, reason: str) -> ReconcilerError:
    detail = f": {reason}" if reason else " is no reference"
    return ReconcilerError(
        [
            Diagnostic(
                "signature-key-unusable",
                f"the signing key cannot be read, `{text}`{detail}",
                help=f"write `env:NAME` or `file:PATH` of a key with {MIN_KEY_BYTES} characters or more",
            )
        ]
    )
