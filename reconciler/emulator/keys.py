"""Key material that looks real and opens nothing."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from reconciler.emulator.ids import digest

PUBLIC_EXPONENT: Final = 65537


@dataclass(frozen=True, slots=True)
class HostKey:
    """The key that an SSH server presents. `hash` is base64 of the SHA-256 of the key proper."""

    public_key: str

    @property
    def hash(self) -> str:
        """What identifies the key to Fivetran; of the whole text where it is no key."""
        _, _, rest = self.public_key.partition(" ")
        try:
            raw = b64decode(rest.split(" ")[0], validate=True)
        except ValueError:
            raw = b""
        return b64encode(sha256(raw or self.public_key.encode()).digest()).decode()

    def details(self) -> dict[str, Any]:
        """How a setup test shows it."""
        kind, _, rest = self.public_key.partition(" ")
        _, _, comment = rest.partition(" ")
        return {"hash": self.hash, "public_key": self.public_key, "type": kind, "name": comment}


def group_public_key(group_id: str) -> str:
    """The `ssh-rsa` line that a group's connections present to SSH tunnels: well formed, fixed by the id."""
    return _ssh_line(made_up_modulus(group_id), "fivetran user key")


def made_up_host_key(*source: object) -> HostKey:
    """The key of some SSH server, fixed by the source."""
    return HostKey(_ssh_line(made_up_modulus("host", *source), "bastion host key"))


def made_up_modulus(*source: object) -> int:
    """An odd number of 2048 bits that could be the modulus of an RSA key."""
    raw = b"".join(digest(*source, "rsa", part, size=64) for part in range(4))
    return int.from_bytes(bytes([raw[0] | 0x80]) + raw[1:-1] + bytes([raw[-1] | 1]))


def _ssh_line(modulus: int, comment: str) -> str:
    numbers = (number.to_bytes(number.bit_length() // 8 + 1) for number in (PUBLIC_EXPONENT, modulus))
    blob = b"".join(len(part).to_bytes(4) + part for part in (b"ssh-rsa", *numbers))
    return f"ssh-rsa {b64encode(blob).decode()} {comment}"
