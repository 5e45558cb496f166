"""Name the lists that a snapshot has on demand."""

from __future__ import annotations

from enum import StrEnum


class ExtraList(StrEnum):
    """Lists that a snapshot has on demand: one more request per group, or two per destination."""

    CONNECTIONS = "connections"
    TRUST = "trust"
