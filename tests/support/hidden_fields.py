"""Prepare a project with values in fields outside the catalogue, for tests that search output for these values.

Every value is a canary. The shapes are those that a value can have: plain, in a mapping, in a list, in rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli_harness import CommandResult, EmulatedFivetran, Project
from secret_leak_detector import get_detector

from reconciler.report.formats import Document, list_formats

PLAIN, NESTED, LISTED, ROWS = "zz_plain", "zz_nested", "zz_listed", "zz_rows"
LAKE_FIELDS = [
    *(f"config.{name}" for name in (PLAIN, NESTED, LISTED, ROWS)),
    "config.zz_extra",
    "config.http_path",
]
CLICKHOUSE_FIELDS = ["config.host", *(f"config.{name}" for name in (PLAIN, NESTED, LISTED, ROWS))]

READ_COMMANDS = [
    *(("plan", "--format", form) for form in list_formats(Document.PLAN)),
    ("plan", "--verbose"),
    ("plan", "--secrets", "skip"),
    ("plan", "--drift-only", "--format", "json"),
    ("plan", "--out", "saved", "--events", "plan-events.jsonl"),
    *(("show", "saved", "--format", form) for form in list_formats(Document.PLAN)),
    *(("drift", "--format", form) for form in ("text", "json")),
    *(("graph", "--format", form) for form in ("mermaid", "json")),
    *(("validate", "--format", form) for form in ("full", "concise", "json", "github", "junit", "sarif")),
    ("validate", "--strict"),
    *(("state", "list", "--format", form) for form in ("text", "json")),
    *(("state", "show", key, "--format", form) for key in ("lake", "click") for form in ("text", "json")),
]
"""Every command that only reads, in every format."""


def make_canary(label: str) -> str:
    """Make a value that no output may contain in any encoding."""
    value = f"canary {label}/+é"
    get_detector().add_secret(label, value)
    return value


def build_unknown_fields(label: str) -> dict[str, Any]:
    """Build unknown fields in all shapes."""
    return {
        PLAIN: make_canary(f"plain {label}"),
        NESTED: {"zz_inner": {"zz_deep": make_canary(f"nested {label}")}},
        LISTED: [make_canary(f"listed {label}"), "x"],
        ROWS: [{"zz_cell": make_canary(f"rows {label}")}, {"zz_cell": 7}],
    }


@dataclass
class HiddenFieldsProject:
    """Project with a lake, which the catalogue describes, with unknown fields and `extra_config`, and a partner's
    service, of which it describes no field. `block_style` is whether specs are in block style."""

    project: Project
    server: EmulatedFivetran
    settings: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    block_style: bool = False

    def __post_init__(self) -> None:
        self.project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {self.server.account_id}\nspecs: ['groups/*.yaml']\n{self.settings}",
        )

    def build_lake(self, label: str, bucket: str = "first") -> dict[str, Any]:
        """Build the block of a destination of a described service."""
        return {
            "service": "managed_data_lake",
            "region": "AWS_US_EAST_1",
            "time_zone_offset": "0",
            "config": {
                "storage_provider": "AWS",
                "bucket": bucket,
                "region": "us-east-1",
                "fivetran_role_arn": "arn:aws:iam::123456789012:role/lake",
                **build_unknown_fields(f"lake {label}"),
            },
            "extra_config": {
                "zz_extra": {"zz_inner": make_canary(f"extra lake {label}")},
                "http_path": make_canary(f"extra-known lake {label}"),
            },
            "lifecycle": {"allow_replace": True},
            "setup_tests": {"run": False},
        }

    def build_clickhouse(self, label: str) -> dict[str, Any]:
        """Build the block of a destination whose config is not described."""
        return {
            "service": "clickhouse",
            "region": "AWS_US_EAST_1",
            "time_zone_offset": "0",
            "config": {"host": make_canary(f"host click {label}"), **build_unknown_fields(f"click {label}")},
            "setup_tests": {"run": False},
        }

    def declare(self, label: str, bucket: str = "first") -> None:
        """Write specs with the values of this label."""
        self.write({"lake": self.build_lake(label, bucket), "click": self.build_clickhouse(label)})

    def write(self, destinations: Mapping[str, Any], removed: Any = None) -> None:
        """Write specs of these destinations. JSON is YAML too."""
        content: dict[str, Any] = {
            "version": 1,
            "groups": {key: {"destination": block} for key, block in destinations.items()} or {"other": {}},
        }
        content |= {"removed": removed} if removed else {}
        text = json.dumps(content, ensure_ascii=False, indent=2 if self.block_style else None)
        self.project.write("specs/groups/main.yaml", text)

    def run(self, *arguments: str) -> CommandResult:
        return self.project.run_against(self.server, *arguments, environ=self.environ)

    def apply(self, *options: str, expected_exit: int = 0) -> CommandResult:
        """Apply, with an event log. The run must end with the expected exit code."""
        result = self.run("apply", "--auto-approve", "--events", "events.jsonl", *options)
        assert result.exit == expected_exit, result.stdout + result.stderr
        return result

    def run_read_commands(self) -> None:
        """Run all commands that only read. Their output is searched at the end of the test."""
        for arguments in READ_COMMANDS:
            result = self.run(*arguments)
            assert result.exit != 70, (arguments, result.stderr)

    def list_planned_fields(self, *options: str) -> dict[str, dict[str, str]]:
        """Map address and path to the `shown` of each field of a plan. Hidden fields have no values."""
        shown_fields: dict[str, dict[str, str]] = {}
        for change in self.run("plan", "--format", "json", *options).document["changes"]:
            for field_change in change["fields"]:
                if field_change["shown"] == "hidden":
                    assert field_change["before"] is None
                    assert field_change["after"] in {"not in the catalogue", "below extra_config"}
                path = ".".join(field_change["path"])
                shown_fields.setdefault(change["address"], {})[path] = (
                    f"{field_change['shown']} {field_change['origin']}"
                )
        return shown_fields

    def is_converged(self) -> bool:
        """Return whether a new plan is empty."""
        return self.run("plan", "--detailed-exitcode").exit == 0

    def find_id(self, key: str) -> str:
        [id] = self.server.app.dashboard.find_group_ids(key)
        return id

    def change_live(self, label: str) -> None:
        """Give all hidden fields other values at Fivetran."""
        extra = {
            "zz_extra": {"zz_inner": make_canary(f"extra {label}")},
            "http_path": make_canary(f"prefix {label}"),
        }
        change = self.server.app.dashboard.change_destination
        change(self.find_id("lake"), config={**build_unknown_fields(f"lake {label}"), **extra})
        change(
            self.find_id("click"),
            config={"host": make_canary(f"host {label}"), **build_unknown_fields(f"click {label}")},
        )

    def check_requests(self) -> None:
        """Check that canaries leave only in a POST or a PATCH of a destination, each as it was declared."""
        for entry in self.server.app.read_history():
            is_destination_write = entry.method in {"POST", "PATCH"} and entry.path.startswith(
                "/v1/destinations"
            )
            if not is_destination_write:
                get_detector().add_artefact(f"{entry.method} {entry.path}", f"{entry.path} {entry.body}")

    def list_sent_configs(self, method: str) -> list[dict[str, Any]]:
        """List the sent configs, oldest first."""
        return [
            entry.body["config"]
            for entry in self.server.app.read_history()
            if entry.method == method
            and entry.path.startswith("/v1/destinations")
            and isinstance(entry.body, Mapping)
            and "config" in entry.body
        ]


def expect_hidden(origin: str) -> dict[str, dict[str, str]]:
    """Build the expected `shown` of all hidden fields."""
    return {
        "destination.lake": dict.fromkeys(LAKE_FIELDS, f"hidden {origin}"),
        "destination.click": dict.fromkeys(CLICKHOUSE_FIELDS, f"hidden {origin}"),
    }


def iter_texts(value: Any) -> Iterator[str]:
    """Iterate over all texts inside a value."""
    match value:
        case str():
            yield value
        case Mapping():
            for item in value.values():
                yield from iter_texts(item)
        case list():
            for item in value:
                yield from iter_texts(item)
