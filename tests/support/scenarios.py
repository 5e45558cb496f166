"""Define scenarios before an apply, each with the calls of the apply.

A scenario is an account, the state of earlier runs, and an edit of the specs. The calls are written by hand and derived
from nothing: no run may send other writes in that scenario, however often it is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from certificate_chain import MadeCertificate, make_chain

from reconciler.emulator.app import Emulator
from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.store import Kind

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
    """Project and account of a scenario."""

    secrets: dict[str, str]

    @property
    def app(self) -> Emulator:
        """Return the emulator of the account."""

    def declare(self, groups: Mapping[str, Any], **more: Any) -> None:
        """Write the specs."""

    def write_file(self, name: str, text: str) -> None:
        """Write a file beside the specs."""

    def attempt(self) -> object:
        """Plan and apply, whatever the result."""


@dataclass
class ScenarioSetup:
    """The preparation of a scenario: its host, and the specs so far. `connections` are the addresses of
    connections by their ids."""

    host: ScenarioHost
    groups: Mapping[str, Any] = field(default_factory=dict)
    removed: list[dict[str, Any]] = field(default_factory=list)
    connections: dict[str, str] = field(default_factory=dict)

    def declare(self, groups: Mapping[str, Any], *removed: dict[str, Any]) -> None:
        """Write the specs."""
        self.groups, self.removed = groups, list(removed)
        more = {"removed": self.removed} if removed else {}
        self.host.declare(groups, **more)

    def delete_removals(self) -> None:
        """Delete the entries below `removed:`, as the advice of an error says."""
        self.declare(self.groups)

    def apply_earlier(self, groups: Mapping[str, Any]) -> None:
        """Create these groups by an earlier run."""
        self.declare(groups)
        self.host.attempt()
        assert set(groups) <= self.list_names()

    def build_removal(self, name: str) -> dict[str, Any]:
        """Build a removal entry that is also valid without a state."""
        return {"group": name, "id": self.find_id(name), "name": name}

    def find_id(self, name: str) -> str:
        """Find the id of the only group of this name."""
        [id] = self.host.app.dashboard.find_group_ids(name)
        return id

    def list_names(self) -> set[str]:
        """List the names of all groups of the account."""
        return {group["name"] for group in self.host.app.dump().get("groups", [])}


@dataclass(frozen=True, eq=False)
class Scenario:
    """An account and specs before an apply, with the writes that it has to send.

    `calls` are the writes of an apply with one worker, in their order. `incomplete_calls` are the indices of calls that
    do not complete their address, so that the state has no record after them. `needs_state`: without the state no run
    can know the rest of the work. `behaviour` are the switches of the emulator. `pinned` are the hashes of all servers
    that the specs pin at any time: no run may approve another one.
    """

    name: str
    prepare: Callable[[ScenarioSetup], None]
    calls: tuple[str, ...]
    incomplete_calls: frozenset[int] = frozenset()
    needs_state: bool = False
    behaviour: Mapping[str, Any] = field(default_factory=dict)
    pinned: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.name

    def count_earlier(self, index: int) -> int:
        """Count the equal calls before the call at this index."""
        return self.calls[:index].count(self.calls[index])


def with_config(destination: Mapping[str, Any], **config: Any) -> dict[str, Any]:
    """Return a destination with other values in its config."""
    return {**destination, "config": {**destination["config"], **config}}


def list_pair_calls(key: str) -> tuple[str, ...]:
    """List the calls that create a pair."""
    return f"create group.{key}", f"create destination.{key}", f"test destination.{key}"


def prepare_one_pair(setup: ScenarioSetup) -> None:
    setup.host.secrets["WAREHOUSE_PASSWORD"] = PASSWORD
    setup.declare({"finance": {"destination": SNOWFLAKE}})


def prepare_three_pairs(setup: ScenarioSetup) -> None:
    setup.host.secrets["WAREHOUSE_PASSWORD"] = PASSWORD
    setup.declare(
        {
            "finance": {"destination": SNOWFLAKE},
            "lake": {"destination": LAKE},
            "sales": {"name": "Sales & Co", "destination": BIG_QUERY},
        }
    )


def prepare_group_only(setup: ScenarioSetup) -> None:
    setup.declare({"finance": {}})


def prepare_completed_group(setup: ScenarioSetup) -> None:
    setup.apply_earlier({"finance": {}})
    setup.declare({"finance": {"destination": BIG_QUERY}})


def prepare_updated_fields(setup: ScenarioSetup) -> None:
    setup.host.secrets["WAREHOUSE_PASSWORD"] = PASSWORD
    setup.apply_earlier({"finance": {"destination": SNOWFLAKE}, "sales": {"destination": BIG_QUERY}})
    setup.declare(
        {
            "finance": {"destination": {**with_config(SNOWFLAKE, user="OTHER"), "time_zone_offset": "+1"}},
            "sales": {"destination": with_config(BIG_QUERY, project_id="other")},
        }
    )


def prepare_rotated_secret(setup: ScenarioSetup) -> None:
    setup.host.secrets["WAREHOUSE_PASSWORD"] = PASSWORD
    setup.apply_earlier({"finance": {"destination": SNOWFLAKE}})
    setup.host.secrets["WAREHOUSE_PASSWORD"] = NEW_PASSWORD


def prepare_renamed(setup: ScenarioSetup) -> None:
    setup.apply_earlier({"finance": {"destination": BIG_QUERY}})
    setup.declare(
        {"finance": {"id": setup.find_id("finance"), "name": "Finance", "destination": BIG_QUERY}},
    )


def prepare_renamed_and_updated(setup: ScenarioSetup) -> None:
    setup.apply_earlier({"finance": {"destination": BIG_QUERY}})
    updated = with_config(BIG_QUERY, project_id="other")
    setup.declare({"finance": {"id": setup.find_id("finance"), "name": "Finance", "destination": updated}})


def prepare_moved_and_updated(setup: ScenarioSetup) -> None:
    """Move an entry to another key with the same live name, and update it."""
    setup.apply_earlier({"finance": {"destination": BIG_QUERY}})
    updated = with_config(BIG_QUERY, project_id="other")
    setup.declare({"accounting": {"was": "finance", "name": "finance", "destination": updated}})


def prepare_replaced(setup: ScenarioSetup) -> None:
    setup.apply_earlier({"lake": {"destination": LAKE}})
    updated = {**with_config(LAKE, bucket="second"), "lifecycle": {"allow_replace": True}}
    setup.declare({"lake": {"destination": updated}})


def prepare_removed(setup: ScenarioSetup) -> None:
    setup.apply_earlier({"finance": {"destination": BIG_QUERY}, "sales": {"destination": BIG_QUERY}})
    setup.declare({"sales": {"destination": BIG_QUERY}}, setup.build_removal("finance"))


def prepare_removed_with_connection(setup: ScenarioSetup) -> None:
    setup.apply_earlier({"finance": {"destination": BIG_QUERY}, "sales": {"destination": BIG_QUERY}})
    id = setup.find_id("finance")
    connection_id = setup.host.app.dashboard.add_connection(id, "fivetran_log", "fivetran_metadata")
    setup.connections[connection_id] = "connection.finance"
    setup.declare(
        {"sales": {"destination": BIG_QUERY}},
        {**setup.build_removal("finance"), "with_platform_connection": True},
    )


def prepare_mixed(setup: ScenarioSetup) -> None:
    setup.host.secrets["WAREHOUSE_PASSWORD"] = PASSWORD
    setup.apply_earlier(
        {
            "finance": {"destination": SNOWFLAKE},
            "gone": {"destination": BIG_QUERY},
            "kept": {"destination": BIG_QUERY},
        }
    )
    setup.declare(
        {
            "finance": {"destination": with_config(SNOWFLAKE, user="OTHER")},
            "fresh": {"destination": BIG_QUERY},
            "kept": {"destination": BIG_QUERY},
        },
        setup.build_removal("gone"),
    )


def prepare_adopted_and_created(setup: ScenarioSetup) -> None:
    dashboard = setup.host.app.dashboard
    dashboard.add_destination(
        dashboard.add_group("finance"), "big_query", region="GCP_US_EAST4", config=dict(BIG_QUERY["config"])
    )
    dashboard.add_group("strangers")
    setup.declare({"finance": {"destination": BIG_QUERY}, "sales": {"destination": BIG_QUERY}})


def prepare_outstanding_tests(setup: ScenarioSetup) -> None:
    failing = [SetupTest("Permission Test", "FAILED", "no access")]
    setup.host.app.dashboard.script_setup_tests(failing, failing, group_name="finance")
    setup.apply_earlier({"finance": {"destination": BIG_QUERY}})


def prepare_removed_agent(setup: ScenarioSetup) -> None:
    """Remove an agent in two calls, since Fivetran ignores the first of the two forms."""
    setup.apply_earlier(
        {"finance": {"destination": {**BIG_QUERY, "hybrid_deployment_agent_id": "some_agent"}}}
    )
    setup.declare({"finance": {"destination": {**BIG_QUERY, "hybrid_deployment_agent_id": None}}})


SERVER, MIDDLE, ROOT = make_chain("acme")
NEXT_SERVER, _, NEXT_ROOT = make_chain("next")
POSTGRES = {
    "service": "postgres_warehouse",
    "region": "GCP_US_EAST4",
    "time_zone_offset": "0",
    "config": {
        "host": "db.acme.example",
        "port": 5432,
        "database": "dwh",
        "user": "fivetran",
        "password": {"secret": "env:WAREHOUSE_PASSWORD"},
    },
}


def with_trust(**trust: Any) -> dict[str, Any]:
    """Return a PostgreSQL destination with pins."""
    return {"destination": {**POSTGRES, "trust": trust}}


def present_chain(setup: ScenarioSetup, *chain: MadeCertificate) -> None:
    """Let the database behind `finance` show a chain."""
    setup.host.secrets["WAREHOUSE_PASSWORD"] = PASSWORD
    encoded = [certificate.encoded for certificate in chain]
    setup.host.app.dashboard.present_certificate(*encoded, group_name="finance")


def prepare_created_with_pem(setup: ScenarioSetup) -> None:
    """Create a destination whose root is pinned by a PEM file."""
    present_chain(setup, SERVER, MIDDLE, ROOT)
    setup.host.write_file("root.pem", ROOT.pem)
    setup.declare({"finance": with_trust(certificates=[{"pem": "root.pem"}])})


def prepare_met_in_apply(setup: ScenarioSetup) -> None:
    """Create a destination whose certificate is pinned by a hash, which only a setup test can meet."""
    present_chain(setup, SERVER, MIDDLE, ROOT)
    setup.declare({"finance": with_trust(certificates=[MIDDLE.hash])})


def prepare_pinned_after_wait(setup: ScenarioSetup) -> None:
    """Pin a certificate that an earlier apply has met, and update the destination too."""
    present_chain(setup, SERVER, MIDDLE, ROOT)
    setup.apply_earlier({"finance": {"destination": POSTGRES}})
    updated = with_trust(certificates=[SERVER.hash])
    updated["destination"] = with_config(updated["destination"], user="other")
    setup.declare({"finance": updated})


def prepare_pem_of_connected(setup: ScenarioSetup) -> None:
    """Pin the next certificate of a connected destination before its rotation."""
    prepare_created_with_pem(setup)
    setup.host.attempt()
    setup.host.write_file("next.pem", NEXT_ROOT.pem)
    setup.declare({"finance": with_trust(certificates=[{"pem": "root.pem"}, {"pem": "next.pem"}])})


def prepare_replaced_pin(setup: ScenarioSetup) -> None:
    """Pin another member of the chain in place of the pinned one: the old approval goes last."""
    prepare_created_with_pem(setup)
    setup.host.attempt()
    setup.host.write_file("server.pem", SERVER.pem)
    setup.declare({"finance": with_trust(certificates=[{"pem": "server.pem"}])})


def prepare_exclusive(setup: ScenarioSetup) -> None:
    """Revoke an approval that a user gave in the dashboard."""
    prepare_created_with_pem(setup)
    setup.host.attempt()
    id = setup.find_id("finance")
    present_chain(setup, NEXT_SERVER)
    setup.host.app.dashboard.approve(Kind.CERTIFICATE, id, NEXT_SERVER.hash)
    present_chain(setup, SERVER, MIDDLE, ROOT)
    setup.declare({"finance": with_trust(certificates=[{"pem": "root.pem"}], exclusive=True)})


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
    Scenario(
        "created with a PEM pin",
        prepare_created_with_pem,
        (
            "create group.finance",
            "create destination.finance",
            "approve destination.finance",
            "test destination.finance",
        ),
        incomplete_calls=frozenset({2}),
        pinned=frozenset({ROOT.hash}),
    ),
    Scenario(
        "pin met in the apply",
        prepare_met_in_apply,
        (
            "create group.finance",
            "create destination.finance",
            "test destination.finance",
            "approve destination.finance",
            "test destination.finance",
        ),
        incomplete_calls=frozenset({2, 3}),
        pinned=frozenset({MIDDLE.hash}),
    ),
    Scenario(
        "pinned after a wait",
        prepare_pinned_after_wait,
        ("approve destination.finance", "update destination.finance", "test destination.finance"),
        incomplete_calls=frozenset({0}),
        needs_state=True,
        pinned=frozenset({SERVER.hash}),
    ),
    Scenario(
        "PEM pin of a connected destination",
        prepare_pem_of_connected,
        ("approve destination.finance",),
        pinned=frozenset({ROOT.hash, NEXT_ROOT.hash}),
    ),
    Scenario(
        "replaced pin",
        prepare_replaced_pin,
        ("approve destination.finance", "test destination.finance", "revoke destination.finance"),
        incomplete_calls=frozenset({0, 1}),
        needs_state=True,
        pinned=frozenset({ROOT.hash, SERVER.hash}),
    ),
    Scenario(
        "exclusive pin",
        prepare_exclusive,
        ("test destination.finance", "revoke destination.finance"),
        incomplete_calls=frozenset({0}),
        pinned=frozenset({ROOT.hash}),
    ),
)
