"""Read entries of a Vault from KV engines of version 1 and 2."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from reconciler.model.value import Reference
from reconciler.runtime.http import AnswerTimeout, HttpResponse, NoAnswer
from reconciler.secrets.base import SecretUnavailable, StoreContext, StoreTimeout
from reconciler.secrets.vault_client import LookUpTime, VaultClient
from reconciler.secrets.vault_login import LoginFailed
from reconciler.secrets.vault_mounts import Mount, MountTable, UnexpectedStatus

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


class _NoEntry(Exception):  # noqa: N818 - a problem of the environment, not a bug
    """Vault gives no entry. With `may_be_elsewhere` another engine may have it under this name."""

    def __init__(self, reason: str, *, may_be_elsewhere: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_be_elsewhere = may_be_elsewhere


class EntryReader:
    """Reader of entries for any number of threads. It logs in once, and asks once for each mount."""

    def __init__(self, context: StoreContext) -> None:
        self._context = context
        self._client = VaultClient(context)
        self._mounts = MountTable()

    def read(self, reference: Reference) -> str:
        """Read the latest version of an entry as the text of a JSON object.

        The path may be written as in the API (`kv/data/app`) or as in Vault's own tools (`kv/app`): `data` behind a
        mount of version 2 is taken for the `data` of the API. Raises SecretUnavailable.
        """
        try:
            return json.dumps(self._read_entry(reference.locator, LookUpTime(self._context)))
        except AnswerTimeout as problem:
            raise StoreTimeout(reference, f"Vault cannot be asked: {problem.reason}") from None
        except NoAnswer as problem:
            raise SecretUnavailable(reference, f"Vault cannot be asked: {problem.reason}") from None
        except (LoginFailed, _NoEntry) as problem:
            raise SecretUnavailable(reference, problem.reason) from None
        except UnexpectedStatus as problem:
            raise SecretUnavailable(reference, _explain_status(problem.status)) from None

    def _read_entry(self, locator: str, time: LookUpTime) -> Mapping[str, Any]:
        mount = self._mounts.find(
            locator, lambda path: self._client.get(f"/sys/internal/ui/mounts/{quote(path)}", time)
        )
        if mount is None:
            return self._read_below_unknown_mount(locator, time)
        if not mount.is_kv:
            raise _NoEntry(f"`{mount.name}` in Vault is an engine of type `{mount.engine}`, and no KV engine")
        return self._read_below(mount, locator, time)

    def _read_below_unknown_mount(self, locator: str, time: LookUpTime) -> Mapping[str, Any]:
        """Read an entry although Vault does not tell its mount: as version 2 below the likeliest mount, then as
        version 1, whose address does not depend on the mount."""
        mount = _guess_mount(locator)
        try:
            entry = self._read_below(mount, locator, time)
        except _NoEntry as problem:
            if not problem.may_be_elsewhere:
                raise
            mount = Mount(f"{locator.partition('/')[0]}/", version=1)
            try:
                entry = self._read_below(mount, locator, time)
            except _NoEntry:
                raise problem from None
        self._mounts.add(mount)
        return entry

    def _read_below(self, mount: Mount, locator: str, time: LookUpTime) -> Mapping[str, Any]:
        path = locator.removeprefix(mount.path)
        if mount.version == 1:
            return _parse_entry_1(self._client.get(f"/{quote(locator)}", time), mount, path)
        path = path.removeprefix("data/")
        if not path or path == mount.name:
            raise _NoEntry(f"`{mount.name}` is a mount of Vault, and there is no path behind it")
        return _parse_entry_2(self._client.get(f"/{quote(mount.path)}data/{quote(path)}", time), mount, path)


def _guess_mount(locator: str) -> Mount:
    """Guess a mount of version 2: all before the first `data` behind it, else the first part of the path."""
    first, *segments = locator.split("/")
    below = segments[: segments.index("data")] if "data" in segments else []
    return Mount("/".join([first, *below]) + "/")


def _parse_entry_1(response: HttpResponse, mount: Mount, path: str) -> Mapping[str, Any]:
    match response.status, _parse_body(response):
        case 200, {"data": dict(entry), **more} if not more.get(
            "lease_id"
        ):  # no credentials made for this read
            return entry
        case 200, _:
            raise _NoEntry("the answer of Vault is not an entry of a KV engine of version 1")
    raise _explain_refusal(response.status, mount, path)


def _parse_entry_2(response: HttpResponse, mount: Mount, path: str) -> Mapping[str, Any]:
    body = _parse_body(response)
    match response.status, body.get("data"):
        case 200, {"data": dict(entry), "metadata": dict()}:
            return entry
        case 200, _:
            raise _NoEntry(
                "the answer of Vault is not an entry of a KV engine of version 2", may_be_elsewhere=True
            )
        case 404, {"metadata": {"deletion_time": str(time)}} if time:
            raise _NoEntry("the latest version of this entry was deleted in Vault")
        case 404, {"metadata": {"destroyed": True}}:
            raise _NoEntry("the latest version of this entry was destroyed in Vault")
    raise _explain_refusal(response.status, mount, path)


def _parse_body(response: HttpResponse) -> Mapping[str, Any]:
    """Parse a JSON object; an empty one for every other body."""
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _explain_refusal(status: int, mount: Mount, path: str) -> _NoEntry:
    """Explain an answer without an entry. Messages of Vault are not repeated, since they may hold secrets."""
    if status == 404:
        return _NoEntry(
            f"Vault keeps nothing at `{path}` in a KV engine of version {mount.version} mounted at `{mount.name}`",
            may_be_elsewhere=True,
        )
    return _NoEntry(_explain_status(status), may_be_elsewhere=status in {403, 405})


def _explain_status(status: int) -> str:
    return "Vault " + _MESSAGES_BY_STATUS.get(status, f"answers with status {status}")
