"""Key material that looks real and opens nothing."""

from __future__ import annotations

from base64 import b64encode

from reconciler.emulator.ids import digest


def group_public_key(group_id: str) -> str:
    """The `ssh-rsa` line that a group's connections present to SSH tunnels: well formed, fixed by the id."""
    modulus = b"".join(digest(group_id, "rsa", part, size=64) for part in range(4))
    number = b"\x00" + bytes([modulus[0] | 0x80]) + modulus[1:-1] + bytes([modulus[-1] | 1])
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-rsa", b"\x01\x00\x01", number))
    return f"ssh-rsa {b64encode(blob).decode()} fivetran user key"
