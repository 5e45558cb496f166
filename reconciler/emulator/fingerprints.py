"""Compute the hash by which the API names the key of an SSH host."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5, sha256
from hmac import digest

from reconciler.emulator.account import Account
from reconciler.emulator.key_material import HostKey, read_blob


def read_host_key(account: Account, line: str) -> HostKey:
    """Read the key of an SSH host, with its hash in the API of the account. Never fails."""
    return HostKey(b64encode(_hash_blob(account, read_blob(line))).decode(), line)


def _hash_blob(account: Account, blob: bytes) -> bytes:
    match account.behaviour.fingerprint_hash:
        case "sha256":
            return sha256(blob).digest()
        case "md5":
            return md5(blob, usedforsecurity=False).digest()
        case "opaque":
            # Clients know the key and not the account's part in the hash, so that they have to ask for the hash.
            return digest(f"host key/{account.identity.account_id}".encode(), blob, "sha256")
