"""Write imported entries as specs, and read live groups of an emulated account."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fake_clock import FakeClock

from reconciler.api.client import Client
from reconciler.api.retrying import RetryingSender
from reconciler.api.transport import Transport
from reconciler.api.wsgi_adapter import WsgiAdapter
from reconciler.emulator.app import Emulator
from reconciler.importing.model import ImportedEntry, LiveGroup
from reconciler.kinds.destination import DestinationKind
from reconciler.kinds.group import build_observed_group
from reconciler.model.plan import LiveConnection
from reconciler.model.value import Secret
from reconciler.model.variable_mark import escape_variables
from reconciler.planning.diff import compare
from reconciler.planning.last_applied import LastApplied
from reconciler.spec.load import load
from reconciler.spec.new_entry import Verbatim
from reconciler.workspace.specs import Specs, compile_specs


def write_entries(entries: Iterable[ImportedEntry]) -> dict[str, Any]:
    """Write entries as plain data of a spec, by key."""
    return {entry.key: escape_texts(entry.content) for entry in entries}


def escape_texts(value: Any) -> Any:
    """Escape the literal texts of plain data, as the writer of a spec file does."""
    match value:
        case Mapping():
            return {escape_texts(name): escape_texts(member) for name, member in value.items()}
        case list():
            return [escape_texts(member) for member in value]
        case str() if not isinstance(value, Verbatim):
            return escape_variables(value)
    return value


def count_lines(entries: Iterable[ImportedEntry], profiles: Mapping[str, Any]) -> int:
    """Count the lines of entries and profiles in a spec, without comments. A reference and a list have one line."""
    contents = [entry.content for entry in entries] + list(profiles.values())
    return sum(1 + _count_lines(content) for content in contents)


def _count_lines(value: Any) -> int:
    if not isinstance(value, Mapping) or set(value) == {"secret"}:
        return 0
    return sum(1 + _count_lines(member) for member in value.values())


def get_text(entries: Iterable[ImportedEntry]) -> str:
    """Return all that imported entries say, for searches."""
    return json.dumps(
        [
            [entry.content, entry.comments, [reference.reference for reference in entry.references], entry.left_out]
            for entry in entries
        ],
        ensure_ascii=False,
        default=str,
    )  # fmt: skip


def read_live_groups(
    app: Emulator, connections: Mapping[str, tuple[LiveConnection, ...]] | None = None
) -> list[LiveGroup]:
    """Read all groups of an account as the API shows them, with their destinations, in the order of the list."""
    with Transport(
        "https://in-process.invalid/v1",
        (Secret("key"), Secret("secret")),
        clock=FakeClock(),
        environ={},
        adapter=WsgiAdapter(app),
    ) as transport:
        client = Client(RetryingSender(transport, FakeClock(), cancelled=threading.Event()))
        return [
            LiveGroup(
                build_observed_group(group),
                DestinationKind().observe(client, group.id),
                connections=None if connections is None else connections.get(group.id, ()),
            )
            for group in client.list_groups()
        ]


def compile_entries(
    entries: Iterable[ImportedEntry],
    profiles: Mapping[str, Mapping[str, Any]] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Specs:
    """Write entries and profiles as a project in a folder of its own, and compile it."""
    project = {"version": 1, "specs": ["main.yaml"], "vars": {"STAGE": "dev"}}
    project |= {"defaults": {"destination": defaults}} if defaults else {}
    document = {"version": 1, "profiles": escape_texts(profiles or {}), "groups": write_entries(entries)}
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "reconciler.yaml").write_text(json.dumps(project))
        (folder / "main.yaml").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
        return compile_specs(load(folder / "reconciler.yaml", folder), strict=False)


def check_plans_empty(entries: list[ImportedEntry], defaults: Mapping[str, Any] | None = None) -> None:
    """Check that specs of the entries are valid, and that a plan without a state finds no difference."""
    specs = compile_entries(entries, defaults=defaults)
    groups = {desired.address.key: desired for desired in specs.groups}
    destinations = {desired.address.key: desired for desired in specs.destinations}
    for entry in entries:
        desired, live = groups[entry.key], entry.live
        assert (desired.id, desired.name) == (live.id, live.name)
        assert (entry.key in destinations) == ("destination" in entry.content)
        if entry.key in destinations:
            assert live.destination is not None
            declared = destinations[entry.key].fields
            found = compare(DestinationKind(), declared, live.destination.fields, LastApplied())
            assert (entry.key, found.changed) == (entry.key, {})
