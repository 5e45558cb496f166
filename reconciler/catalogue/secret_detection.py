"""Detect values that must not be shown: by the catalogue, or by the field's name if the catalogue lacks the field."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from reconciler.catalogue.load import load_service, load_service_names
from reconciler.catalogue.model import Field
from reconciler.catalogue.normalize import is_mask
from reconciler.model.value import FieldPath, Reference, Structure, walk

_SECRET_NAME = re.compile(r"secret|password|passphrase|_key$|token|credential", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Return whether a field of this name probably holds a secret."""
    return _SECRET_NAME.search(name) is not None


def is_sensitive(name: str, field: Field | None) -> bool:
    """Return whether values of a field are secrets.

    If the catalogue lacks the field (`field` is None), its name decides, unless a field of this name in another service
    is known to be no secret.
    """
    if field is not None:
        return field.sensitive
    return is_secret_name(name) and name not in _list_exempt_names()


@cache
def _list_exempt_names() -> frozenset[str]:
    services = (load_service(name) for name in load_service_names())
    fields = [field for service in services if service is not None for field in service.fields.values()]
    return frozenset(field.name for field in fields if field.not_secret_because)


def find_literal_secrets(name: str, value: Any) -> Iterator[FieldPath]:
    """Find literals under names that sound secret, in a field that the catalogue lacks: the field itself or leaves
    inside. References and truth values do not count."""
    content = value.content if isinstance(value, Structure) else value
    if is_sensitive(name, None) and any(map(_is_literal, walk(content))):
        yield (name,)
        return
    members = (
        content.items()
        if isinstance(content, Mapping)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, member in members:
        yield from ((name, *path) for path in find_literal_secrets(str(key), member))


def _is_literal(value: Any) -> bool:
    """Return whether a value is written in the spec and is not empty."""
    if isinstance(value, Mapping | list | bool | Reference | Structure):
        return False
    return value not in {None, ""} and not is_mask(value)


def detect_secret(value: Any) -> str | None:
    """Detect the kind of secret whose form a value, or a text inside it, has; None for an ordinary value.

    Ids, host names, paths, ARNs and public keys are ordinary values. So is a hexadecimal number of 32 digits, since ids
    of tenants and workspaces have this form.
    """
    return next((kind for text in _iter_texts(value) if (kind := _classify_text(text))), None)


_TOKEN, _CONNECTION = "an access token", "a connection string with its password"
_PATTERNS = tuple(
    (kind, mark, re.compile(form))
    for kind, mark, form in (
        ("a private key", "PRIVATE KEY", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY"),
        ("a JSON web token", "eyJ", r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"),
        (
            "an AWS access key with its secret",
            "IA",
            r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b[^\w/+]+[A-Za-z0-9/+]{40}\b",
        ),
        (_TOKEN, "xox", r"\bxox[abceoprs]-[\w-]{10,}"),  # Slack
        (_TOKEN, "gh", r"\bgh[oprsu]_[A-Za-z0-9]{30,}"),  # GitHub
        (_TOKEN, "github_pat_", r"\bgithub_pat_\w{20,}"),
        (_TOKEN, "glpat-", r"\bglpat-[\w-]{20,}"),  # GitLab
        (_TOKEN, "dapi", r"\bdapi[0-9a-f]{32}"),  # Databricks
        (_TOKEN, "dose", r"\bdose[0-9a-f]{32}"),
        (_TOKEN, "hv", r"\bhv[bs]\.[\w-]{20,}"),  # Vault
        (_TOKEN, "k_", r"\b[rs]k_(?:live|test)_\w{16,}"),  # Stripe
        (_TOKEN, "AIza", r"\bAIza[\w-]{35}"),  # Google
        (_TOKEN, "ya29.", r"\bya29\.[\w-]{20,}"),
        (_TOKEN, "GOCSPX-", r"\bGOCSPX-[\w-]{20,}"),
        (_TOKEN, "Q~", r"\b[\w.~-]{3}\dQ~[\w.~-]{31,34}"),  # Microsoft Entra
        (_TOKEN, "SG.", r"\bSG\.[\w-]{16,}\.[\w-]{16,}"),  # SendGrid
        (_TOKEN, "npm_", r"\bnpm_[A-Za-z0-9]{36}"),
        (_TOKEN, "pypi-", r"\bpypi-[\w-]{32,}"),
        (_CONNECTION, "://", r"\b[a-z][a-z0-9+.-]{0,30}://[^\s:/?#@]*:[^\s/?#@]+@"),
        (_CONNECTION, "=", r"(?i:\b(?:password|pwd|accountkey|sharedaccesskey)\s*=\s*[^\s;&]+)"),
        (_CONNECTION, "sig=", r"[?&]sig=[\w%+/-]{20,}"),
    )
)
"""Kinds of secrets, each with a literal mark and a pattern. The search for the mark is fast and saves most matches."""

_MIN_LENGTH = 12
_HEXADECIMAL = re.compile(r"(?=.*[0-9])(?=.*[a-f])[0-9a-f]{40,}|(?=.*[0-9])(?=.*[A-F])[0-9A-F]{40,}")
_BASE64 = re.compile(r"(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9+/_-]{32,}={0,2}")
_MIN_RANDOM_LENGTH = 32
_MIN_ENTROPY = (
    4.2  # per character; 32 random characters of base64 have about 4.6, words and paths less than 4.1
)


def _classify_text(text: str) -> str | None:
    if len(text) < _MIN_LENGTH:
        return None
    for kind, mark, pattern in _PATTERNS:
        if mark in text and pattern.search(text):
            return kind
    return "a random key" if len(text) >= _MIN_RANDOM_LENGTH and _is_random(text.strip()) else None


def _is_random(text: str) -> bool:
    """Return whether a whole text looks like the output of a random generator, in hexadecimal or base64."""
    if _HEXADECIMAL.fullmatch(text):
        return True
    return (
        _BASE64.fullmatch(text) is not None
        and not text.startswith("/")
        and _compute_entropy(text) > _MIN_ENTROPY
        and _is_mixed(text)
    )


def _compute_entropy(text: str) -> float:
    """Compute the entropy per character in bits, by the frequency of each character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def _is_mixed(text: str) -> bool:
    """Return whether upper case, lower case, digits and signs follow each other as by chance (two times of three),
    and not in runs as in words.
    """
    char_classes = [(character.isupper(), character.islower(), character.isdigit()) for character in text]
    changes = sum(earlier != later for earlier, later in pairwise(char_classes))
    return changes / len(text) > 0.4


def _iter_texts(value: Any) -> Iterator[str]:
    content = value.content if isinstance(value, Structure) else value
    return (text for text in walk(content) if isinstance(text, str))
