"""Secrets that a run knows from its environment, and the texts of its specs that are public."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from reconciler.model.redaction import Redactor

_CREDENTIAL_NAME = re.compile(
    r"(?:.*_)?(?:\w*TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|API_?KEY|API_?SECRET|ACCESS_KEY|PRIVATE_KEY|SECRET_KEY"
    r"|CREDENTIALS?|AWS_ACCESS_KEY_ID)",
    re.IGNORECASE,
)
_PROXY_NAME = re.compile(r"\w+_PROXY", re.IGNORECASE)
_PROXY_CREDENTIALS = re.compile(r"//([^/@\s]+)@")
_PLACE = re.compile(r"[./~][^\s]*/[^\s]*|[a-z][a-z0-9+.-]*://[^@\s]*", re.IGNORECASE)


def add_environment_secrets(redactor: Redactor, environ: Mapping[str, str]) -> None:
    """Add the credentials of an environment to a redactor: of Fivetran, Vault, AWS, GitHub, GitLab and proxies.

    A variable counts by its name. Paths and addresses without a password are no credentials.
    """
    for name, value in environ.items():
        if _CREDENTIAL_NAME.fullmatch(name) and not _PLACE.fullmatch(value.strip()):
            redactor.add(value.strip(), is_credential=name.startswith("FIVETRAN_"))
        elif _PROXY_NAME.fullmatch(name):
            for text in _list_proxy_secrets(value):
                redactor.add(text)


def _list_proxy_secrets(address: str) -> Iterator[str]:
    """List the password in the address of a proxy, as it is written there and as it is meant."""
    for credentials in _PROXY_CREDENTIALS.findall(address):
        password = credentials.partition(":")[2]
        yield from (password, unquote(password), unquote(credentials))


def read_public_texts(files: Iterable[str], directory: Path) -> Iterator[str]:
    """Read the spec files of a project. What they hold in clear is public; a file that is gone holds nothing."""
    for name in files:
        try:
            yield (directory / name).read_text("utf-8-sig", errors="replace")
        except (OSError, ValueError):
            continue
