"""A destination as the account keeps it: what was sent, in the types of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict, Field

SetupStatus: TypeAlias = Literal["incomplete", "connected", "broken"]
"""Health by the latest setup tests. `broken` only follows `connected`."""

_Text = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationSettings:
    """All that a seed says of a destination. Secrets are kept in clear, unset ids as None."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    service: _Text
    region: _Text = "GCP_US_EAST4"
    time_zone_offset: _Text = "0"
    daylight_saving_time_enabled: bool = False
    networking_method: str | None = "Directly"
    private_link_id: str | None = None
    hybrid_deployment_agent_id: str | None = None
    proxy_agent_id: str | None = None
    external_secrets_manager_id: str | None = None
    external_secrets_keys_config: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    setup_status: SetupStatus = "incomplete"

    def document(self) -> dict[str, Any]:
        """The form for the store."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination(DestinationSettings):
    """One destination. Its id is that of its group."""

    id: str
    connected_once: bool = False
    patched: bool = False

    @property
    def is_tunnelled(self) -> bool:
        """Whether it is reached through an SSH tunnel."""
        return "SshTunnel" in (self.networking_method, self.config.get("connection_type"))

    @property
    def is_behind_private_link(self) -> bool:
        """Whether it is reached through a private link."""
        return "PrivateLink" in (self.networking_method, self.config.get("connection_type"))
