"""A snapshot that is opened answers its own values."""

from __future__ import annotations

import threading
from typing import Any

from fake_clock import FakeClock

from reconciler.api.client import Client
from reconciler.api.retrying import RetryingSender
from reconciler.api.transport import Timeouts
from reconciler.emulator.seed import Seed
from reconciler.model.snapshot_origin import SnapshotOrigin
from reconciler.workspace.snapshot import OpenSnapshot, open_snapshot


def read_config(destination: dict[str, Any]) -> dict[str, Any]:
    """Read the config of the only destination of a snapshot."""
    group = {"id": "one_group", "name": "one", "destination": destination}
    seed = Seed.model_validate({"version": 1, "account": {"id": "one"}, "groups": [group]})
    clock = FakeClock()
    with open_snapshot(OpenSnapshot(seed, SnapshotOrigin("x.yaml")), clock, Timeouts()) as transport:
        sender = RetryingSender(transport, clock, cancelled=threading.Event())
        return Client(sender).get_destination("one_group").config


def test_values_that_fivetran_rewrites_are_not_rewritten_once_more() -> None:
    config = {"server_host_name": "adb-1.privatelink.example", "cloud_provider": "AZURE"}
    destination = {
        "service": "databricks",
        "networking_method": "PrivateLink",
        "private_link_id": "quiet_bridge",
        "config": config,
    }
    assert config.items() <= read_config(destination).items()
