"""Destinations as the account stores them: sent values in the types of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict, Field

SetupStatus: TypeAlias = Literal["incomplete", "connected", "broken"]
"""Health by the latest setup tests. `broken` only follows `connected`."""

_Text = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationSettings:
    """Settings of a destination in a seed. Secrets are kept in clear, unset ids as None. `region_sent` distinguishes a
    chosen region from the default, which answers about destinations with a hybrid deployment agent leave out."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    service: _Text
    region: _Text = "GCP_US_EAST4"
    region_sent: bool = True
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

    def to_document(self) -> dict[str, Any]:
        """Build the document for the store."""
        return {setting.name: getattr(self, setting.name) for setting in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination(DestinationSettings):
    """Destination of the account. Its id is the id of its group.

    `connected_once` distinguishes `broken` from `incomplete`; `patched` is for switches about values that a patch
    loses. `last_tests` are the results of the latest setup tests in JSON form, `tested_at` is their time; both are
    empty before the first run.
    """

    id: str
    connected_once: bool = False
    patched: bool = False
    last_tests: list[dict[str, Any]] = field(default_factory=list)
    tested_at: str = ""

    @property
    def is_tunnelled(self) -> bool:
        """Return whether an SSH tunnel leads to the destination."""
        return "SshTunnel" in (self.networking_method, self.config.get("connection_type"))

    @property
    def is_behind_private_link(self) -> bool:
        """Return whether a private link leads to the destination."""
        return "PrivateLink" in (self.networking_method, self.config.get("connection_type"))
