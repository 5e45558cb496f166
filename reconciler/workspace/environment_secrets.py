"""Find the credentials in the environment of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from reconciler.model.redaction import Redactor

_CREDENTIAL_NAME = re.compile(
    r"(?:.*_)?(?:\w*TOKEN|\w*PASSWORD|PASSWD|PASSPHRASE|SECRET|API_?KEY|API_?SECRET|ACCESS_KEY|PRIVATE_KEY|SECRET_KEY"
    r"|SECRET_ID|CREDENTIALS?|AWS_ACCESS_KEY_ID)|IDENTITY_HEADER|OP_SESSION_\w+",
    re.IGNORECASE,
)
_PUBLIC_NAMES = {"AZURE_TOKEN_CREDENTIALS"}  # names kinds of credentials
_PROXY_NAME = re.compile(r"\w+_PROXY", re.IGNORECASE)
_PROXY_CREDENTIALS = re.compile(r"//([^/@\s]+)@")
_PLACE_NAME = re.compile(r".*CREDENTIALS?", re.IGNORECASE)
_PLACE = re.compile(r"\S*/\S*")


def add_environment_secrets(redactor: Redactor, environ: Mapping[str, str]) -> None:
    """Add the credentials of an environment to a redactor: of Fivetran, the stores of secrets, GitHub, GitLab and
    proxies.

    A variable counts by its name. `GOOGLE_APPLICATION_CREDENTIALS` and the like hold the path of a file, which is no
    secret.
    """
    for name, value in environ.items():
        text = value.strip()
        is_place = _PLACE_NAME.fullmatch(name) and _PLACE.fullmatch(text)
        if _CREDENTIAL_NAME.fullmatch(name) and not is_place and name not in _PUBLIC_NAMES:
            redactor.add(text, is_credential=name.startswith("FIVETRAN_"))
        elif _PROXY_NAME.fullmatch(name):
            for part in _list_proxy_secrets(text):
                redactor.add(part)


def _list_proxy_secrets(address: str) -> Iterator[str]:
    """List the password in the address of a proxy, as it is written there and as it is meant."""
    for credentials in _PROXY_CREDENTIALS.findall(address):
        password = credentials.partition(":")[2]
        yield from (password, unquote(password), unquote(credentials))
