"""Read `vault:MOUNT/PATH#key` from entries of a HashiCorp Vault, KV version 2."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reconciler.model.value import Reference
from reconciler.secrets.base import SecretUnavailable, StoreContext

if TYPE_CHECKING:
    from reconciler.runtime.http import HttpResponse

_SEGMENT = re.compile(r"[^\s\x00-\x1f\x7f?#%]+")
_MESSAGES_BY_STATUS = {
    301: "answers with a redirect, which is not followed; `VAULT_ADDR` must be its final address",
    400: "refuses the request as invalid; `VAULT_NAMESPACE` may be wrong",
    403: "does not let this token read it; the token may have expired, or its policy may lack the path",
    412: "has not caught up with its primary yet; try again",
    429: "is asked too often; try again later",
    473: "is a standby that cannot answer",
    501: "is not initialised",
    503: "is sealed or under maintenance",
}
_MESSAGES_BY_STATUS |= dict.fromkeys((302, 303, 307, 308), _MESSAGES_BY_STATUS[301])


def validate_reference(reference: Reference) -> tuple[str, str] | None:
    """Validate the text of a reference. Returns problem and advice; None if valid."""
    example = "write for example `vault:kv/team/database#password`"
    segments = reference.locator.split("/")
    if len(segments) < 2 or not all(_is_plain(segment) for segment in segments):
        return "a place in Vault is a mount and a path with `/` between them", example
    if _split_locator(reference.locator)[1] == "":
        return "there is no path behind `data`", example
    if not reference.part:
        return "an entry of Vault has keys, and this reference names no key", f"{example}, the key behind `#`"
    return None


def _is_plain(segment: str) -> bool:
    return segment not in {".", ".."} and _SEGMENT.fullmatch(segment) is not None


class Vault:
    """Store of whole entries. Address and token come from the variables of Vault's own tools: `VAULT_ADDR`,
    `VAULT_TOKEN`, `VAULT_NAMESPACE`, `VAULT_CACERT`."""

    def __init__(self, context: StoreContext) -> None:
        self._environ = context.environ
        self._clock = context.clock
        self._timeout = context.timeout

    def read(self, reference: Reference) -> str:
        """Read the latest version of an entry as the text of a JSON object.

        The path may be written as in the API (`kv/data/app`) or as in Vault's own tools (`kv/app`): the first `data`
        behind the mount is taken for the `data` of the API. Raises SecretUnavailable.
        """
        from reconciler.runtime.http import NoAnswer  # imported here: it loads TLS, and few runs use Vault
        from reconciler.secrets.vault_server import get, parse_server

        if invalid := validate_reference(reference):
            raise SecretUnavailable(reference, invalid[0])
        missing = [name for name in ("VAULT_ADDR", "VAULT_TOKEN") if not self._environ.get(name, "").strip()]
        if missing:
            raise SecretUnavailable(
                reference, " and ".join(f"`{variable}`" for variable in missing) + " must be set"
            )
        mount, path = _split_locator(reference.locator)
        try:
            response = get(
                parse_server(
                    self._environ["VAULT_ADDR"],
                    self._environ,
                    ca_bundle=self._environ.get("VAULT_CACERT") or None,
                ),
                f"/v1/{quote(mount)}/data/{quote(path)}",
                self._build_headers(reference),
                clock=self._clock,
                timeout=self._timeout,
            )
        except NoAnswer as problem:
            raise SecretUnavailable(reference, f"Vault cannot be asked: {problem.reason}") from None
        return json.dumps(_parse_entry(response, reference, mount, path))

    def _build_headers(self, reference: Reference) -> Mapping[str, str]:
        headers = {"X-Vault-Request": "true", "X-Vault-Token": self._environ["VAULT_TOKEN"].strip()}
        if namespace := self._environ.get("VAULT_NAMESPACE", "").strip():
            headers["X-Vault-Namespace"] = namespace
        if not all(value.isascii() and value.isprintable() for value in headers.values()):
            raise SecretUnavailable(reference, "`VAULT_TOKEN` or `VAULT_NAMESPACE` is not plain text")
        return headers


def _split_locator(locator: str) -> tuple[str, str]:
    """Split a locator into mount and path."""
    segments = locator.split("/")
    data_index = segments.index("data", 1) if "data" in segments[1:] else None
    mount = segments[: data_index or 1]
    return "/".join(mount), "/".join(segments[(data_index or 0) + 1 :])


def _parse_entry(response: HttpResponse, reference: Reference, mount: str, path: str) -> Mapping[str, Any]:
    """Parse the keys and values of an entry. Messages of Vault are not repeated, since they may hold secrets."""
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        document = None
    outer = document.get("data") if isinstance(document, dict) else None
    match response.status, outer:
        case 200, {"data": dict(entry), "metadata": dict()}:
            return entry
        case 200, _:
            reason = "the answer of Vault is not an entry of a KV engine of version 2"
        case 404, {"metadata": {"deletion_time": str(time)}} if time:
            reason = "the latest version of this entry was deleted in Vault"
        case 404, {"metadata": {"destroyed": True}}:
            reason = "the latest version of this entry was destroyed in Vault"
        case 404, _:
            reason = f"Vault keeps nothing at `{path}` in a KV engine of version 2 mounted at `{mount}`"
        case status, _:
            reason = "Vault " + _MESSAGES_BY_STATUS.get(status, f"answers with status {status}")
    raise SecretUnavailable(reference, reason)
