"""A project whose destinations have values in fields that the catalogue does not describe, for tests to look for them.

Every value is a canary. The shapes are those that a value can have: plain, in a mapping, in a list, in rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from canaries import watch
from harness import Fivetran, Project, Result

from reconciler.cli.planned import PLAN_FORMS

PLAIN, NESTED, LISTED, ROWS = "zz_plain", "zz_nested", "zz_listed", "zz_rows"
OF_THE_LAKE = [
    *(f"config.{name}" for name in (PLAIN, NESTED, LISTED, ROWS)),
    "config.zz_extra",
    "config.http_path",
]
OF_CLICK = ["config.host", *(f"config.{name}" for name in (PLAIN, NESTED, LISTED, ROWS))]

READING = [
    *(("plan", "--format", form) for form in PLAN_FORMS),
    ("plan", "--verbose"),
    ("plan", "--secrets", "skip"),
    ("plan", "--drift-only", "--format", "json"),
    ("plan", "--out", "saved", "--events", "plan-events.jsonl"),
    *(("show", "saved", "--format", form) for form in PLAN_FORMS),
    *(("drift", "--format", form) for form in ("text", "json")),
    *(("graph", "--format", form) for form in ("mermaid", "json")),
    *(("validate", "--format", form) for form in ("full", "concise", "json", "github", "junit", "sarif")),
    ("validate", "--strict"),
    *(("state", "list", "--format", form) for form in ("text", "json")),
    *(("state", "show", key, "--format", form) for key in ("lake", "click") for form in ("text", "json")),
]
"""Every command that only looks, in every format."""


def canary(words: str) -> str:
    """A value that must turn up nowhere, in no disguise."""
    value = f"canary {words}/+é"
    watch().secret(words, value)
    return value


def shapes(words: str) -> dict[str, Any]:
    """Unknown fields in all shapes."""
    return {
        PLAIN: canary(f"plain {words}"),
        NESTED: {"zz_inner": {"zz_deep": canary(f"nested {words}")}},
        LISTED: [canary(f"listed {words}"), "x"],
        ROWS: [{"zz_cell": canary(f"rows {words}")}, {"zz_cell": 7}],
    }


@dataclass
class Hidden:
    """The project: a lake, which the catalogue describes, with unknown fields and `extra_config`, and a partner's
    service, of which it describes no field. `block` is whether specs are in block style."""

    project: Project
    server: Fivetran
    settings: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    block: bool = False

    def __post_init__(self) -> None:
        self.project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {self.server.account_id}\nspecs: ['groups/*.yaml']\n{self.settings}",
        )

    def lake(self, words: str, bucket: str = "first") -> dict[str, Any]:
        """The block of a destination of a described service."""
        return {
            "service": "managed_data_lake",
            "region": "AWS_US_EAST_1",
            "time_zone_offset": "0",
            "config": {
                "storage_provider": "AWS",
                "bucket": bucket,
                "region": "us-east-1",
                "fivetran_role_arn": "arn:aws:iam::123456789012:role/lake",
                **shapes(f"lake {words}"),
            },
            "extra_config": {
                "zz_extra": {"zz_inner": canary(f"extra lake {words}")},
                "http_path": canary(f"extra-known lake {words}"),
            },
            "lifecycle": {"allow_replace": True},
            "setup_tests": {"run": False},
        }

    def click(self, words: str) -> dict[str, Any]:
        """The block of a destination whose config is not described."""
        return {
            "service": "clickhouse",
            "region": "AWS_US_EAST_1",
            "time_zone_offset": "0",
            "config": {"host": canary(f"host click {words}"), **shapes(f"click {words}")},
            "setup_tests": {"run": False},
        }

    def declare(self, words: str, bucket: str = "first") -> None:
        """Specs with the values of these words."""
        self.write({"lake": self.lake(words, bucket), "click": self.click(words)})

    def write(self, destinations: Mapping[str, Any], removed: Any = None) -> None:
        """Specs of these destinations. JSON is YAML too."""
        content: dict[str, Any] = {
            "version": 1,
            "groups": {key: {"destination": block} for key, block in destinations.items()} or {"other": {}},
        }
        content |= {"removed": removed} if removed else {}
        text = json.dumps(content, ensure_ascii=False, indent=2 if self.block else None)
        self.project.write("specs/groups/main.yaml", text)

    def run(self, *arguments: str) -> Result:
        return self.project.against(self.server, *arguments, environ=self.environ)

    def apply(self, *options: str, code: int = 0) -> Result:
        """Apply, with an event log, which must end with this code."""
        result = self.run("apply", "--auto-approve", "--events", "events.jsonl", *options)
        assert result.exit == code, result.stdout + result.stderr
        return result

    def look(self) -> None:
        """Run everything that only looks. What it prints is searched at the end of the test."""
        for arguments in READING:
            result = self.run(*arguments)
            assert result.exit != 70, (arguments, result.stderr)

    def planned(self, *options: str) -> dict[str, dict[str, str]]:
        """How each field of a plan is shown, by address and path. Hidden ones have no values."""
        found: dict[str, dict[str, str]] = {}
        for change in self.run("plan", "--format", "json", *options).document["changes"]:
            for each in change["fields"]:
                if each["shown"] == "hidden":
                    assert each["before"] is None
                    assert each["after"] in {"not in the catalogue", "below extra_config"}
                path = ".".join(each["path"])
                found.setdefault(change["address"], {})[path] = f"{each['shown']} {each['origin']}"
        return found

    def is_settled(self) -> bool:
        """Whether a new plan is empty."""
        return self.run("plan", "--detailed-exitcode").exit == 0

    def id_of(self, key: str) -> str:
        [id] = self.server.app.dashboard.group_ids(key)
        return id

    def change_outside(self, words: str) -> None:
        """Somebody gives all hidden fields other values at Fivetran."""
        extra = {"zz_extra": {"zz_inner": canary(f"extra {words}")}, "http_path": canary(f"prefix {words}")}
        change = self.server.app.dashboard.change_destination
        change(self.id_of("lake"), config={**shapes(f"lake {words}"), **extra})
        change(self.id_of("click"), config={"host": canary(f"host {words}"), **shapes(f"click {words}")})

    def check_requests(self) -> None:
        """Canaries leave in a POST or a PATCH of a destination and in no other request, each as it was declared."""
        for exchange in self.server.app.history():
            is_for_it = exchange.method in {"POST", "PATCH"} and exchange.path.startswith("/v1/destinations")
            if not is_for_it:
                watch().artefact(f"{exchange.method} {exchange.path}", f"{exchange.path} {exchange.body}")

    def sent(self, method: str) -> list[dict[str, Any]]:
        """The configs that were sent, oldest first."""
        return [
            exchange.body["config"]
            for exchange in self.server.app.history()
            if exchange.method == method
            and exchange.path.startswith("/v1/destinations")
            and isinstance(exchange.body, Mapping)
            and "config" in exchange.body
        ]


def hidden_as(origin: str) -> dict[str, dict[str, str]]:
    """What a plan says of all hidden fields."""
    return {
        "destination.lake": dict.fromkeys(OF_THE_LAKE, f"hidden {origin}"),
        "destination.click": dict.fromkeys(OF_CLICK, f"hidden {origin}"),
    }


def leaves(value: Any) -> Iterator[str]:
    """All texts inside a value."""
    match value:
        case str():
            yield value
        case Mapping():
            for each in value.values():
                yield from leaves(each)
        case list():
            for each in value:
                yield from leaves(each)
