"""Accepted outputs of plans in every format, created by the real program against an emulated account.

Each folder of `plans/` is one plan: `plan.txt` is the text of a terminal, `plan.md` the comment of a pull request,
`plan.json` the document; `plan.tf.txt` and `plan.tf.json` are the formats of Terraform. They are compared byte for
byte, except for times. To accept a change, run this file with `ACCEPT_PLANS=1` and review every line of the diff.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import tfcmt
from applied_project import AppliedProject
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


class PlanExample(AppliedProject):
    """A project and its account before the accepted plan. `options` are those of the plan."""

    def __init__(self, project: Project, server: EmulatedFivetran) -> None:
        super().__init__(project, server, ENVIRON)
        self.options: tuple[str, ...] = ()
        self.write_settings("protected: ['events_*']\n")
        self.write_specs(ORDERS + EVENTS)

    def apply_all(self) -> None:
        """Apply the specs. Failed setup tests are allowed."""
        result = self.apply("--parallelism", "1")  # ids depend on it
        assert result.exit in {0, 6}, result.stderr

    def render_plan(self, form: str) -> str:
        """Render a plan without durations."""
        result = self.plan("-q", "--format", form, *self.options)
        text = result.stdout + (
            f"\n{result.stderr}" if result.stderr and form in {"text", "terraform"} else ""
        )
        return re.sub(_TIMES, lambda found: _UNTIMED[found[0][:2]], text)


_TIMES = r'in \d+\.\d s|"seconds": [\d.]+|"timestamp": "[^"]*"'
_UNTIMED = {"in": "in 0.0 s", '"s': '"seconds": 0.0', '"t': '"timestamp": "2026-01-01T00:00:00Z"'}


def first_plan(example: PlanExample) -> None:
    example.dashboard.add_group("hackathon")


def no_changes(example: PlanExample) -> None:
    example.apply_all()


def rename(example: PlanExample) -> None:
    example.apply_all()
    example.write_specs(ORDERS.replace("name: Orders", "name: Orders of all shops") + EVENTS)


def drift(example: PlanExample) -> None:
    example.apply_all()
    changed = {"role": "ACCOUNTADMIN", "database": "ORDERS_TEST"}
    example.dashboard.change_destination(example.find_id("Orders"), config=changed, region="GCP_US_EAST4")


def conflict(example: PlanExample) -> None:
    example.apply_all()
    example.write_specs(ORDERS.replace("role: FIVETRAN_ROLE", "role: LOADER_ROLE") + EVENTS)
    example.dashboard.change_destination(example.find_id("Orders"), config={"role": "ACCOUNTADMIN"})


def rotated_secret(example: PlanExample) -> None:
    example.apply_all()
    example.environ["ORDERS_KEY"] = "key-two"


def cannot_be_compared(example: PlanExample) -> None:
    example.apply_all()
    for file in (example.folder / "specs" / ".reconciler").iterdir():
        file.unlink()
    example.options = ("--resend-secret", "destination.events_prod")


def verify_outstanding(example: PlanExample) -> None:
    failure = SetupTest("Permission Test", "FAILED", "no access to acme-events")
    example.dashboard.script_setup_tests(group_name="events_prod", finally_always=[failure])
    example.apply_all()


def adoption(example: PlanExample) -> None:
    dashboard = example.dashboard
    known = {"project_id": "acme-events", "data_set_location": "US", "secret_key": "of-somebody"}
    dashboard.add_destination(dashboard.add_group("events_prod"), "big_query", config=known)
    dashboard.add_group("hackathon")
    example.write_specs(EVENTS)


def deletion_with_blockers(example: PlanExample) -> None:
    example.apply_all()
    orders, events = example.find_id("Orders"), example.find_id("events_prod")
    example.dashboard.add_connection(orders, "salesforce", "crm")
    removed = f"  - {{group: orders_prod, id: {orders}}}\n  - {{group: events_prod, id: {events}}}\n"
    example.write_specs("  later:\n    name: Later\n", removed)


def forget(example: PlanExample) -> None:
    example.apply_all()
    example.write_specs(
        ORDERS, f"  - {{group: events_prod, id: {example.find_id('events_prod')}, forget: true}}\n"
    )


def replacement(example: PlanExample) -> None:
    """The bucket of a lake cannot be changed in place; a field beside it changes with it."""
    example.write_specs(LAKE)
    example.apply_all()
    example.write_specs(
        LAKE.replace("bucket: first", "bucket: second").replace("prefix_path: a", "prefix_path: b")
        + "      lifecycle: {allow_replace: true}\n"
    )


def gone(example: PlanExample) -> None:
    """A user deleted one destination, and another destination with its group. The plan recreates both."""
    example.options = ("--recreate", "destination.orders_prod", "--recreate", "events_prod")
    example.apply_all()
    dashboard, events = example.dashboard, example.find_id("events_prod")
    dashboard.remove(Kind.DESTINATION, example.find_id("Orders"))
    dashboard.remove(Kind.DESTINATION, events)
    dashboard.remove(Kind.GROUP, events)


def hidden(example: PlanExample) -> None:
    """The API key of this run sees one of two groups. The other group may exist or not."""
    example.apply_all()
    example.write_specs(ORDERS.replace("name: Orders", "name: Orders of all shops") + EVENTS)
    example.server.app.behaviour = Behaviour(visible_groups="Orders", hidden_answer="forbidden")


def mixed(example: PlanExample) -> None:
    """Changes of each kind, over a dozen entries."""
    shops = "".join(
        EVENTS.replace("events_prod", f"shop_{number:02}").replace("acme-events", f"acme-shop-{number:02}")
        for number in range(10)
    )
    example.write_specs(ORDERS + EVENTS + shops)
    failure = SetupTest("Permission Test", "FAILED", "no access to acme-shop-07")
    example.dashboard.script_setup_tests(group_name="shop_07", finally_always=[failure])
    example.apply_all()
    example.dashboard.add_group("hackathon")
    example.dashboard.change_destination(example.find_id("shop_03"), config={"project_id": "elsewhere"})
    example.environ["ORDERS_PASSPHRASE"] = "phrase-two"
    kept = "".join(entry for entry in re.split(r"(?m)^(?=  \w)", shops) if not entry.startswith("  shop_09"))
    new = EVENTS.replace("events_prod", "shop_new").replace("acme-events", "acme-shop-new")
    example.write_specs(
        ORDERS.replace("database: ORDERS", "database: ORDERS_2027") + EVENTS + kept + new,
        f"  - {{group: shop_09, id: {example.find_id('shop_09')}}}\n",
    )


def facts(example: PlanExample) -> None:
    """Facts without a change: a move, a deleted line, lost protection, a broken destination, a field not kept."""
    example.server.app.behaviour = Behaviour(unkept_fields="config.role=PUBLIC")
    example.write_specs(ORDERS + "      lifecycle: {protected: true}\n" + EVENTS)
    example.apply_all()
    example.dashboard.change_destination(example.find_id("events_prod"), setup_status="broken")
    moved = ORDERS.replace("  orders_prod:\n", "  shop_orders:\n    was: orders_prod\n")
    example.write_specs(moved.replace("        port: 443\n", "") + EVENTS)


def not_connected(example: PlanExample) -> None:
    """A broken destination with a change, an incomplete destination without tests, and objects without an entry."""
    dashboard, untested = example.dashboard, "      setup_tests: {run: false}\n"
    example.write_specs(ORDERS + EVENTS + untested)
    example.apply_all()
    example.write_specs(
        ORDERS.replace("database: ORDERS", "database: ORDERS_2027") + EVENTS + untested + "  lake: {}\n"
    )
    dashboard.change_destination(example.find_id("Orders"), setup_status="broken")
    dashboard.add_destination(dashboard.add_group("lake"), "managed_data_lake", setup_status="broken")
    theirs = dashboard.add_group("Their warehouse")
    dashboard.add_destination(theirs, "snowflake", region="AWS_US_EAST_1", setup_status="incomplete")
    dashboard.add_connection(theirs, "postgres", "shop")
    dashboard.add_group("hackathon")
    example.options = ("--connections",)


EXAMPLES: dict[str, Callable[[PlanExample], None]] = {
    prepare.__name__.replace("_", "-"): prepare
    for prepare in (
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
        facts,
        not_connected,
    )
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_plan_matches_its_accepted_output(name: str, project: Project, server: EmulatedFivetran) -> None:
    example = PlanExample(project, server)
    EXAMPLES[name](example)
    shown = {form: example.render_plan(form) for form in FORMS}
    for form, text in shown.items():
        file = FOLDER / name / f"plan.{FORMS[form]}"
        if os.environ.get("ACCEPT_PLANS"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        assert text == file.read_text()
    for secret in {*ENVIRON.values(), *example.environ.values()}:
        assert not any(secret in text for text in shown.values())


def test_every_accepted_plan_has_a_test() -> None:
    assert {folder.name for folder in FOLDER.iterdir()} == {*EXAMPLES}


def read_agreed(name: str, extension: str) -> str:
    return (FOLDER / name / f"plan.{extension}").read_text()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_accepted_plan_matches_the_schema_of_terraform(name: str) -> None:
    assert find_violations(json.loads(read_agreed(name, "tf.json"))) == []


FATES = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "adopt": "imported",
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_tfcmt_reads_every_accepted_plan(name: str) -> None:
    """Our text gives tfcmt the counts only; Terraform's text gives counts and lists."""
    document = json.loads(read_agreed(name, "json"))
    refused = bool(document["blockers"])
    counts = document["counts"]
    destroys = bool(counts["delete"] or counts["replace"])
    own = tfcmt.parse_log(read_agreed(name, "txt"))
    assert (own.failed, own.destroys, own.without_changes) == (False, destroys, not document["changes"])
    assert not any(own.resources.values())
    assert own.diff == ""
    words = tfcmt.parse_log(read_agreed(name, "tf.txt"))
    counts["adopt"] += sum("not-remembered" in each["reasons"] for each in document["changes"])
    assert words.failed is False or refused
    assert words.destroys is destroys
    assert {fate: len(found) for fate, found in words.resources.items()} == {
        fate: counts[action] for action, fate in FATES.items()
    }
    moves = sum("moved_from" in entry for part in ("changes", "unchanged") for entry in document[part])
    assert bool(words.diff) is (sum(counts[each] for each in (*FATES, "forget")) + moves > 0)
    assert bool(words.drift) is (name in {"drift", "conflict", "gone", "mixed"})
