"""A dozen plans as people and programs read them, made by the real program against an emulated account.

Each folder of `plans/` is one plan: `plan.txt` is all that a terminal shows, `plan.md` the comment of a pull request,
`plan.json` the document; `plan.tf.txt` and `plan.tf.json` are the same for readers of Terraform's. They are compared
byte for byte, times aside. To accept a change of them, run this
with `ACCEPT_PLANS=1`, and read every line of the difference as a reviewer would.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import tfcmt
from cli_harness import EmulatedFivetran, Project
from terraform_plan_schema import find_violations

from reconciler.emulator.setup_tests import SetupTest
from reconciler.emulator.store import Kind
from reconciler.emulator.switches import Behaviour

FOLDER = Path(__file__).parent / "plans"
ENVIRON = {"ORDERS_KEY": "key-one", "ORDERS_PASSPHRASE": "phrase-one", "EVENTS_KEY": "json-one"}
FORMS = {
    "text": "txt",
    "markdown": "md",
    "json": "json",
    "terraform": "tf.txt",
    "terraform-json": "tf.json",
}

ORDERS = """\
  orders_prod:
    name: Orders
    destination:
      service: snowflake
      region: AWS_US_EAST_1
      time_zone_offset: "-5"
      config:
        host: acme.snowflakecomputing.com
        port: 443
        database: ORDERS
        auth: KEY_PAIR
        user: FIVETRAN
        role: FIVETRAN_ROLE
        private_key: {secret: "env:ORDERS_KEY"}
        is_private_key_encrypted: true
        passphrase: {secret: "env:ORDERS_PASSPHRASE"}
"""
EVENTS = """\
  events_prod:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config:
        project_id: acme-events
        data_set_location: US
        secret_key: {secret: "env:EVENTS_KEY"}
"""
LAKE = """\
  lake:
    destination:
      service: managed_data_lake
      region: AWS_US_EAST_1
      time_zone_offset: "0"
      config: {storage_provider: AWS, bucket: first, prefix_path: a, region: us-east-1,
        fivetran_role_arn: "arn:aws:iam::123456789012:role/lake"}
"""


class Scene:
    """A project and its account, on the way to the plan that is shown."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        self.project, self.server = project, server
        self.environ = dict(ENVIRON)
        self.options: tuple[str, ...] = ()
        self.specs(ORDERS + EVENTS)

    def specs(self, groups: str, removed: str = "") -> None:
        """What the specs say from now on."""
        self.project.write(
            "specs/reconciler.yaml",
            f"version: 1\naccount_id: {self.server.account_id}\nspecs: ['groups/*.yaml']\nprotected: ['events_*']\n",
        )
        self.project.write(
            "specs/groups/main.yaml",
            f"version: 1\ngroups:\n{groups}" + (f"removed:\n{removed}" if removed else ""),
        )

    def applied(self) -> Scene:
        """Everything that the specs say is in effect."""
        result = self.project.run_against(
            self.server,
            "apply",
            "--auto-approve",
            "--parallelism",
            "1",
            environ=self.environ,  # ids depend on it
        )
        assert result.exit in {0, 6}, result.stderr
        return self

    def id(self, name: str) -> str:
        """The id of a group."""
        [id] = self.server.app.dashboard.find_group_ids(name)
        return id

    def plan(self, form: str) -> str:
        """What the program says, without durations."""
        told = self.project.run_against(
            self.server, "plan", "-q", "--format", form, *self.options, environ=self.environ
        )
        text = told.stdout + (f"\n{told.stderr}" if told.stderr and form in {"text", "terraform"} else "")
        return re.sub(_TIMES, lambda found: _UNTIMED[found[0][:2]], text)


_TIMES = r'in \d+\.\d s|"seconds": [\d.]+|"timestamp": "[^"]*"'
_UNTIMED = {"in": "in 0.0 s", '"s': '"seconds": 0.0', '"t': '"timestamp": "2026-01-01T00:00:00Z"'}


def first_plan(scene: Scene) -> None:
    scene.server.app.dashboard.add_group("hackathon")


def no_changes(scene: Scene) -> None:
    scene.applied()


def rename(scene: Scene) -> None:
    scene.applied().specs(ORDERS.replace("name: Orders", "name: Orders of all shops") + EVENTS)


def drift(scene: Scene) -> None:
    scene.applied()
    changed = {"role": "ACCOUNTADMIN", "database": "ORDERS_TEST"}
    scene.server.app.dashboard.change_destination(scene.id("Orders"), config=changed, region="GCP_US_EAST4")


def conflict(scene: Scene) -> None:
    scene.applied().specs(ORDERS.replace("role: FIVETRAN_ROLE", "role: LOADER_ROLE") + EVENTS)
    scene.server.app.dashboard.change_destination(scene.id("Orders"), config={"role": "ACCOUNTADMIN"})


def rotated_secret(scene: Scene) -> None:
    scene.applied().environ["ORDERS_KEY"] = "key-two"


def cannot_be_compared(scene: Scene) -> None:
    scene.applied()
    for file in (scene.project.folder / "specs" / ".reconciler").iterdir():
        file.unlink()
    scene.options = ("--resend-secret", "destination.events_prod")


def verify_outstanding(scene: Scene) -> None:
    failure = SetupTest("Permission Test", "FAILED", "no access to acme-events")
    scene.server.app.dashboard.script_setup_tests(group_name="events_prod", finally_always=[failure])
    scene.applied()


def adoption(scene: Scene) -> None:
    dashboard = scene.server.app.dashboard
    known = {"project_id": "acme-events", "data_set_location": "US", "secret_key": "of-somebody"}
    dashboard.add_destination(dashboard.add_group("events_prod"), "big_query", config=known)
    dashboard.add_group("hackathon")
    scene.specs(EVENTS)


def deletion_with_blockers(scene: Scene) -> None:
    scene.applied()
    orders, events = scene.id("Orders"), scene.id("events_prod")
    scene.server.app.dashboard.add_connection(orders, "salesforce", "crm")
    tombstones = f"  - {{group: orders_prod, id: {orders}}}\n  - {{group: events_prod, id: {events}}}\n"
    scene.specs("  later:\n    name: Later\n", tombstones)


def forget(scene: Scene) -> None:
    scene.applied()
    scene.specs(ORDERS, f"  - {{group: events_prod, id: {scene.id('events_prod')}, forget: true}}\n")


def replacement(scene: Scene) -> None:
    """The bucket of a lake cannot be changed in place; a field beside it changes with it."""
    scene.specs(LAKE)
    scene.applied().specs(
        LAKE.replace("bucket: first", "bucket: second").replace("prefix_path: a", "prefix_path: b")
        + "      lifecycle: {allow_replace: true}\n"
    )


def gone(scene: Scene) -> None:
    """A user deleted one of the destinations, and another one with its group. Both are to be made again."""
    scene.options = ("--recreate", "destination.orders_prod", "--recreate", "events_prod")
    scene.applied()
    dashboard, events = scene.server.app.dashboard, scene.id("events_prod")
    dashboard.remove(Kind.DESTINATION, scene.id("Orders"))
    dashboard.remove(Kind.DESTINATION, events)
    dashboard.remove(Kind.GROUP, events)


def hidden(scene: Scene) -> None:
    """The key of this run sees one of two groups. The other one may be there, or not."""
    scene.applied().specs(ORDERS.replace("name: Orders", "name: Orders of all shops") + EVENTS)
    scene.server.app.behaviour = Behaviour(visible_groups="Orders", hidden_answer="forbidden")


def mixed(scene: Scene) -> None:
    """A bit of everything, over some two dozen entries."""
    shops = "".join(
        EVENTS.replace("events_prod", f"shop_{number:02}").replace("acme-events", f"acme-shop-{number:02}")
        for number in range(10)
    )
    scene.specs(ORDERS + EVENTS + shops)
    failure = SetupTest("Permission Test", "FAILED", "no access to acme-shop-07")
    scene.server.app.dashboard.script_setup_tests(group_name="shop_07", finally_always=[failure])
    scene.applied()
    scene.server.app.dashboard.add_group("hackathon")
    scene.server.app.dashboard.change_destination(scene.id("shop_03"), config={"project_id": "elsewhere"})
    scene.environ["ORDERS_PASSPHRASE"] = "phrase-two"
    kept = "".join(entry for entry in re.split(r"(?m)^(?=  \w)", shops) if not entry.startswith("  shop_09"))
    new = EVENTS.replace("events_prod", "shop_new").replace("acme-events", "acme-shop-new")
    scene.specs(
        ORDERS.replace("database: ORDERS", "database: ORDERS_2027") + EVENTS + kept + new,
        f"  - {{group: shop_09, id: {scene.id('shop_09')}}}\n",
    )


SCENES: dict[str, Callable[[Scene], None]] = {
    scene.__name__.replace("_", "-"): scene
    for scene in (
        first_plan,
        no_changes,
        rename,
        drift,
        conflict,
        rotated_secret,
        cannot_be_compared,
        verify_outstanding,
        adoption,
        deletion_with_blockers,
        forget,
        replacement,
        gone,
        hidden,
        mixed,
    )
}


@pytest.mark.parametrize("name", SCENES)
def test_a_plan_reads_as_it_was_agreed(name: str, project: Project, server: EmulatedFivetran) -> None:
    scene = Scene(project, server)
    SCENES[name](scene)
    shown = {form: scene.plan(form) for form in FORMS}
    for form, text in shown.items():
        file = FOLDER / name / f"plan.{FORMS[form]}"
        if os.environ.get("ACCEPT_PLANS"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        assert text == file.read_text()
    for secret in {*ENVIRON.values(), *scene.environ.values()}:
        assert not any(secret in text for text in shown.values())


def test_every_plan_that_was_agreed_is_made() -> None:
    assert {folder.name for folder in FOLDER.iterdir()} == {*SCENES}


def agreed(name: str, extension: str) -> str:
    return (FOLDER / name / f"plan.{extension}").read_text()


@pytest.mark.parametrize("name", SCENES)
def test_a_plan_that_was_agreed_is_one_for_readers_of_terraforms(name: str) -> None:
    assert find_violations(json.loads(agreed(name, "tf.json"))) == []


FATES = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "adopt": "imported",
}


@pytest.mark.parametrize("name", SCENES)
def test_tfcmt_reads_every_plan_that_was_agreed(name: str) -> None:
    """Of our own text it gets the counts, and nothing for its lists; of Terraform's words both."""
    document = json.loads(agreed(name, "json"))
    refused = bool(document["blockers"])
    counts = document["counts"]
    destroys = bool(counts["delete"] or counts["replace"])
    own = tfcmt.parse_log(agreed(name, "txt"))
    assert (own.failed, own.destroys, own.without_changes) == (False, destroys, not document["changes"])
    assert not any(own.resources.values())
    assert own.diff == ""
    words = tfcmt.parse_log(agreed(name, "tf.txt"))
    counts["adopt"] += sum("not-remembered" in each["reasons"] for each in document["changes"])
    assert words.failed is False or refused
    assert words.destroys is destroys
    assert {fate: len(found) for fate, found in words.resources.items()} == {
        fate: counts[action] for action, fate in FATES.items()
    }
    assert bool(words.diff) is (sum(counts[each] for each in (*FATES, "forget")) > 0)
    assert bool(words.drift) is (name in {"drift", "conflict", "gone", "mixed"})
