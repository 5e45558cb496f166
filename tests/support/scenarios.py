"""A dozen and a few situations right before an apply, each with the calls that the apply has to make.

A situation is an account as it was, what earlier runs remember, and an edit of the specs. The calls are thought
out here and derived from nothing: they are also all that anybody may ever write in that situation, however often
the run is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from reconciler.emulator.app import Emulator
from reconciler.emulator.setup_tests import SetupTest

BIG_QUERY = {
    "service": "big_query",
    "region": "GCP_US_EAST4",
    "time_zone_offset": "0",
    "config": {"project_id": "acme", "data_set_location": "US"},
}
LAKE = {
    "service": "managed_data_lake",
    "region": "AWS_US_EAST_1",
    "time_zone_offset": "0",
    "config": {
        "storage_provider": "AWS",
        "bucket": "first",
        "prefix_path": "fivetran",
        "region": "us-east-1",
        "fivetran_role_arn": "arn:aws:iam::123456789012:role/lake",
    },
}
SNOWFLAKE = {
    "service": "snowflake",
    "region": "AWS_US_EAST_1",
    "time_zone_offset": "0",
    "config": {
        "host": "acme.snowflakecomputing.com",
        "port": 443,
        "database": "FIVETRAN",
        "auth": "PASSWORD",
        "user": "LOADER",
        "password": {"secret": "env:WAREHOUSE_PASSWORD"},
    },
}
PASSWORD = "an-old-horse-of-1987"
NEW_PASSWORD = "a-battery-of-2026"


class ScenarioHost(Protocol):
    """Where a situation is set up: a project and the account that it is about."""

    secrets: dict[str, str]

    @property
    def app(self) -> Emulator:
        """The other side."""

    def declare(self, groups: Mapping[str, Any], **more: Any) -> None:
        """Write the specs."""

    def attempt(self) -> object:
        """Plan and apply, whatever comes of it."""


@dataclass
class Scene:
    """A stage with what is known of the account by then. `belongs` are addresses by the ids of what is neither
    a group nor a destination."""

    stage: ScenarioHost
    groups: Mapping[str, Any] = field(default_factory=dict)
    removed: list[dict[str, Any]] = field(default_factory=list)
    belongs: dict[str, str] = field(default_factory=dict)

    def declare(self, groups: Mapping[str, Any], *removed: dict[str, Any]) -> None:
        """Write the specs."""
        self.groups, self.removed = groups, list(removed)
        more = {"removed": self.removed} if removed else {}
        self.stage.declare(groups, **more)

    def delete_lines(self) -> None:
        """Somebody deletes what stands below `removed:`, as a message tells them to."""
        self.declare(self.groups)

    def managed(self, groups: Mapping[str, Any]) -> None:
        """Have an earlier run make this."""
        self.declare(groups)
        self.stage.attempt()
        assert set(groups) <= self.names_of_all()

    def removal_of(self, name: str) -> dict[str, Any]:
        """A removal that means the same without a memory."""
        return {"group": name, "id": self.id_of(name), "name": name}

    def id_of(self, name: str) -> str:
        """The one group of that name."""
        [id] = self.stage.app.dashboard.find_group_ids(name)
        return id

    def names_of_all(self) -> set[str]:
        """The names of all groups of the account."""
        return {group["name"] for group in self.stage.app.dump().get("groups", [])}


@dataclass(frozen=True, eq=False)
class Scenario:
    """`calls` are what the apply sends with one worker, in their order; `more_follow` are the places of those
    whose address is not done by them, so that nothing is remembered behind them. `memory_counts` says that without
    the memory nobody can know what is left to do. `behaviour` is how Fivetran behaves."""

    name: str
    prepare: Callable[[Scene], None]
    calls: tuple[str, ...]
    incomplete_calls: frozenset[int] = frozenset()
    needs_state: bool = False
    behaviour: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def count_earlier(self, index: int) -> int:
        """How many calls of the same kind come before one of them."""
        return self.calls[:index].count(self.calls[index])


def with_config(destination: Mapping[str, Any], **config: Any) -> dict[str, Any]:
    """A destination with other values in its config."""
    return {**destination, "config": {**destination["config"], **config}}


def list_pair_calls(key: str) -> tuple[str, ...]:
    """The calls that make a pair."""
    return f"create group.{key}", f"create destination.{key}", f"test destination.{key}"


def prepare_one_pair(scene: Scene) -> None:
    scene.stage.secrets["WAREHOUSE_PASSWORD"] = PASSWORD
    scene.declare({"finance": {"destination": SNOWFLAKE}})


def prepare_three_pairs(scene: Scene) -> None:
    scene.stage.secrets["WAREHOUSE_PASSWORD"] = PASSWORD
    scene.declare(
        {
            "finance": {"destination": SNOWFLAKE},
            "lake": {"destination": LAKE},
            "sales": {"name": "Sales & Co", "destination": BIG_QUERY},
        }
    )


def prepare_group_only(scene: Scene) -> None:
    scene.declare({"finance": {}})


def prepare_completed_group(scene: Scene) -> None:
    scene.managed({"finance": {}})
    scene.declare({"finance": {"destination": BIG_QUERY}})


def prepare_updated_fields(scene: Scene) -> None:
    scene.stage.secrets["WAREHOUSE_PASSWORD"] = PASSWORD
    scene.managed({"finance": {"destination": SNOWFLAKE}, "sales": {"destination": BIG_QUERY}})
    scene.declare(
        {
            "finance": {"destination": {**with_config(SNOWFLAKE, user="OTHER"), "time_zone_offset": "+1"}},
            "sales": {"destination": with_config(BIG_QUERY, project_id="other")},
        }
    )


def prepare_rotated_secret(scene: Scene) -> None:
    scene.stage.secrets["WAREHOUSE_PASSWORD"] = PASSWORD
    scene.managed({"finance": {"destination": SNOWFLAKE}})
    scene.stage.secrets["WAREHOUSE_PASSWORD"] = NEW_PASSWORD


def prepare_renamed(scene: Scene) -> None:
    scene.managed({"finance": {"destination": BIG_QUERY}})
    scene.declare(
        {"finance": {"id": scene.id_of("finance"), "name": "Finance", "destination": BIG_QUERY}},
    )


def prepare_renamed_and_updated(scene: Scene) -> None:
    scene.managed({"finance": {"destination": BIG_QUERY}})
    updated = with_config(BIG_QUERY, project_id="other")
    scene.declare({"finance": {"id": scene.id_of("finance"), "name": "Finance", "destination": updated}})


def prepare_moved_and_updated(scene: Scene) -> None:
    """Another key, and the name that Fivetran shows stays."""
    scene.managed({"finance": {"destination": BIG_QUERY}})
    updated = with_config(BIG_QUERY, project_id="other")
    scene.declare({"accounting": {"was": "finance", "name": "finance", "destination": updated}})


def prepare_replaced(scene: Scene) -> None:
    scene.managed({"lake": {"destination": LAKE}})
    updated = {**with_config(LAKE, bucket="second"), "lifecycle": {"allow_replace": True}}
    scene.declare({"lake": {"destination": updated}})


def prepare_removed(scene: Scene) -> None:
    scene.managed({"finance": {"destination": BIG_QUERY}, "sales": {"destination": BIG_QUERY}})
    scene.declare({"sales": {"destination": BIG_QUERY}}, scene.removal_of("finance"))


def prepare_removed_with_connection(scene: Scene) -> None:
    scene.managed({"finance": {"destination": BIG_QUERY}, "sales": {"destination": BIG_QUERY}})
    id = scene.id_of("finance")
    connection_id = scene.stage.app.dashboard.add_connection(id, "fivetran_log", "fivetran_metadata")
    scene.belongs[connection_id] = "connection.finance"
    scene.declare(
        {"sales": {"destination": BIG_QUERY}},
        {**scene.removal_of("finance"), "with_platform_connection": True},
    )


def prepare_mixed(scene: Scene) -> None:
    scene.stage.secrets["WAREHOUSE_PASSWORD"] = PASSWORD
    scene.managed(
        {
            "finance": {"destination": SNOWFLAKE},
            "gone": {"destination": BIG_QUERY},
            "kept": {"destination": BIG_QUERY},
        }
    )
    scene.declare(
        {
            "finance": {"destination": with_config(SNOWFLAKE, user="OTHER")},
            "fresh": {"destination": BIG_QUERY},
            "kept": {"destination": BIG_QUERY},
        },
        scene.removal_of("gone"),
    )


def prepare_adopted_and_created(scene: Scene) -> None:
    dashboard = scene.stage.app.dashboard
    dashboard.add_destination(
        dashboard.add_group("finance"), "big_query", region="GCP_US_EAST4", config=dict(BIG_QUERY["config"])
    )
    dashboard.add_group("strangers")
    scene.declare({"finance": {"destination": BIG_QUERY}, "sales": {"destination": BIG_QUERY}})


def prepare_outstanding_tests(scene: Scene) -> None:
    failing = [SetupTest("Permission Test", "FAILED", "no access")]
    scene.stage.app.dashboard.script_setup_tests(failing, failing, group_name="finance")
    scene.managed({"finance": {"destination": BIG_QUERY}})


def prepare_removed_agent(scene: Scene) -> None:
    """Needs two calls, since Fivetran ignores the first of the two ways to say it."""
    scene.managed({"finance": {"destination": {**BIG_QUERY, "hybrid_deployment_agent_id": "some_agent"}}})
    scene.declare({"finance": {"destination": {**BIG_QUERY, "hybrid_deployment_agent_id": None}}})


SCENARIOS = (
    Scenario("one pair", prepare_one_pair, list_pair_calls("finance")),
    Scenario(
        "three pairs",
        prepare_three_pairs,
        (*list_pair_calls("finance"), *list_pair_calls("lake"), *list_pair_calls("sales")),
    ),
    Scenario("group only", prepare_group_only, ("create group.finance",)),
    Scenario("completed group", prepare_completed_group, list_pair_calls("finance")[1:]),
    Scenario(
        "updated fields",
        prepare_updated_fields,
        (
            "update destination.finance",
            "test destination.finance",
            "update destination.sales",
            "test destination.sales",
        ),
    ),
    Scenario(
        "rotated secret",
        prepare_rotated_secret,
        ("update destination.finance", "test destination.finance"),
        needs_state=True,
    ),
    Scenario("renamed", prepare_renamed, ("update group.finance",)),
    Scenario(
        "renamed and updated",
        prepare_renamed_and_updated,
        ("update group.finance", "update destination.finance", "test destination.finance"),
    ),
    Scenario(
        "moved and updated",
        prepare_moved_and_updated,
        ("update destination.accounting", "test destination.accounting"),
    ),
    Scenario(
        "replaced",
        prepare_replaced,
        ("delete destination.lake", "create destination.lake", "test destination.lake"),
        incomplete_calls=frozenset({0}),
    ),
    Scenario("removed", prepare_removed, ("delete destination.finance", "delete group.finance")),
    Scenario(
        "removed with Fivetran's own connection",
        prepare_removed_with_connection,
        ("delete connection.finance", "delete destination.finance", "delete group.finance"),
        incomplete_calls=frozenset({0}),
    ),
    Scenario(
        "mixed",
        prepare_mixed,
        (
            "update destination.finance",
            "test destination.finance",
            *list_pair_calls("fresh"),
            "delete destination.gone",
            "delete group.gone",
        ),
    ),
    Scenario("adopted and created", prepare_adopted_and_created, list_pair_calls("sales")),
    Scenario("outstanding tests", prepare_outstanding_tests, ("test destination.finance",), needs_state=True),
    Scenario(
        "removed agent",
        prepare_removed_agent,
        ("update destination.finance", "update destination.finance", "test destination.finance"),
        incomplete_calls=frozenset({0}),
        behaviour={"clearing_ids": "null"},
    ),
)
