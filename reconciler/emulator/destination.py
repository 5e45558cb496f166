"""A destination as the account keeps it: what was sent, in the types of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any


class SetupStatus(StrEnum):
    """Health by the latest setup tests. `broken` only follows `connected`."""

    INCOMPLETE = "incomplete"
    CONNECTED = "connected"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Destination:
    """One destination. Its id is that of its group. Secrets are kept in clear, unset ids as None."""

    id: str
    service: str
    region: str
    time_zone_offset: str
    daylight_saving_time_enabled: bool = False
    networking_method: str | None = "Directly"
    private_link_id: str | None = None
    hybrid_deployment_agent_id: str | None = None
    proxy_agent_id: str | None = None
    external_secrets_manager_id: str | None = None
    external_secrets_keys_config: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    setup_status: str = SetupStatus.INCOMPLETE
    connected_once: bool = False
    patched: bool = False

    @property
    def tunnelled(self) -> bool:
        """Whether it is reached through an SSH tunnel."""
        return "SshTunnel" in (self.networking_method, self.config.get("connection_type"))

    @property
    def behind_private_link(self) -> bool:
        """Whether it is reached through a private link."""
        return "PrivateLink" in (self.networking_method, self.config.get("connection_type"))

    def document(self) -> dict[str, Any]:
        """The form for the store."""
        return {name: getattr(self, name) for name in _NAMES}


_NAMES = tuple(each.name for each in fields(Destination))
